"""When replicas were ready against when the demand needed them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foresail.simulator.replay import RaceSettings, TimelineRow

STEP_SECONDS = 1.0


def first_crossing(need: Callable[[float], float], level: float, *, duration_seconds: float) -> float | None:
    """The first instant, in seconds from the start, at which more replicas than `level` are needed; None: never."""
    instants = (number * STEP_SECONDS for number in range(int(duration_seconds / STEP_SECONDS) + 1))
    return next((instant for instant in instants if need(instant) > level), None)


def asked_since(timeline: Sequence[TimelineRow], replicas: int, *, before: float | None = None) -> float | None:
    """Since when at least so many replicas have been asked for, until `before` or whenever it first came true.

    What was asked for earlier and given back does not count. None: never.
    """
    since: float | None = None
    for row in timeline:
        if row.desired >= replicas:
            since = row.time if since is None else since
        elif before is None or row.time <= before:
            since = None
        if since is not None and before is not None and row.time > before:
            break
    return since


def leads(
    timeline: Sequence[TimelineRow], need: Callable[[float], float], settings: RaceSettings
) -> dict[int, float | None]:
    """By how many seconds the next replica was ready before the demand needed more than n, for each n that it crossed.

    Negative: too late. None: it was never asked for. The levels begin with the replicas at the start.

    Args:
        timeline: Of a race.
        need: Replicas needed, by seconds from the start.
        settings: Of the race.
    """
    found: dict[int, float | None] = {}
    level = settings.initial_replicas
    while (crossing := first_crossing(need, level, duration_seconds=settings.duration_seconds)) is not None:
        asked = asked_since(timeline, level + 1, before=settings.start + crossing)
        ready = None if asked is None else asked - settings.start + settings.startup_seconds
        found[level] = None if ready is None else crossing - ready
        level += 1
    return found
