"""Numbers and instants as people write them in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NAMED = 4  # nodes in a sentence; who has more of them looks them up
_HAIR = 0.001
_LATEST = datetime.max.replace(tzinfo=UTC).timestamp() - 1.0  # a zone may put what a person wrote beyond


def replicas(count: int) -> str:
    """A count with its noun: "no replica", "one replica", "nine replicas", "13 replicas"."""
    number = NUMBERS[count] if 0 <= count < len(NUMBERS) else str(count)
    return f"{number} replica{'s' if count > 1 else ''}"


def amount(value: float) -> str:
    """A rate or a price with two telling digits: 38, 3.2, 0.04."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if value >= 1 or value == 0 else f"{value:.2g}"


def instant(seconds: float) -> str:
    """An instant in UTC as kubectl shows it, "2026-11-23T12:00:00Z": true however old the sentence is.

    Args:
        seconds: Since the epoch; an instant that was made of an age may be a hair before a whole second.
    """
    return datetime.fromtimestamp(int(min(seconds + _HAIR, _LATEST)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clause(message: str) -> str:
    """A sentence without its full stop, to be put into another one."""
    return message.strip().rstrip(".")


def join(sentences: Sequence[str]) -> str:
    """Several sentences as one: "A." and "Held to 7: b." give "A, held to 7: b."."""
    first, *others = (clause(sentence) for sentence in sentences)
    return ", ".join([first, *(other[:1].lower() + other[1:] for other in others)]) + "."


def places(nodes: Sequence[str]) -> str:
    """Where replicas run that are alike: " (they run on node-1, node-2)", empty when that is not known."""
    if not nodes:
        return ""
    more = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
    return f" (they run on {', '.join(nodes[:NAMED])}{more})"


def percent(share: float) -> str:
    """A share as "95 %" or "99.5 %"."""
    return f"{100 * share:.3g} %"


def gpus(count: int) -> str:
    """A count of GPUs with its noun."""
    return f"{count} GPU{'s' if count != 1 else ''}"
