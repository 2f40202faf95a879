"""Times and spans for people: series that count seconds from an unknown start are not given a date."""

from __future__ import annotations

from datetime import UTC, datetime

EARLIEST_DATE = 1e8  # seconds, in 1973: before it, times are taken to count from somewhere else than 1970


def is_dated(seconds: float) -> bool:
    """Whether an instant is one of a calendar, and not merely so many seconds after some start."""
    return seconds >= EARLIEST_DATE and iso(seconds) is not None


def iso(seconds: float) -> str | None:
    """An instant in ISO 8601, UTC; None beyond the years that have a name."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def moment(seconds: float) -> str:
    """An instant as a table shows it."""
    if not is_dated(seconds):
        return f"{seconds:.12g} s"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def unit(seconds: float) -> tuple[str, float]:
    """The largest unit of which a span has a few, and its seconds."""
    units = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0))
    return next(((name, size) for name, size in units if seconds >= 2.0 * size), ("seconds", 1.0))


def span(seconds: float) -> str:
    """A span in the largest unit that it has a few of."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2.0 * size or (unit != "days" and seconds == size):
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds:.4g} s"
