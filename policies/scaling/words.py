"""Numbers as people write them in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def replicas(count: int) -> str:
    """A count with its noun: "no replica", "one replica", "nine replicas", "13 replicas"."""
    number = NUMBERS[count] if 0 <= count < len(NUMBERS) else str(count)
    return f"{number} replica{'s' if count > 1 else ''}"


def amount(value: float) -> str:
    """A rate or a price with two telling digits: 38, 3.2, 0.04."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if value >= 1 or value == 0 else f"{value:.2g}"


def clause(message: str) -> str:
    """A sentence without its full stop, to be put into another one."""
    return message.strip().rstrip(".")


def join(sentences: Sequence[str]) -> str:
    """Several sentences as one: "A." and "Held to 7: b." give "A, held to 7: b."."""
    first, *others = (clause(sentence) for sentence in sentences)
    return ", ".join([first, *(other[:1].lower() + other[1:] for other in others)]) + "."


def percent(share: float) -> str:
    """A share as "95 %" or "99.5 %"."""
    return f"{100 * share:.3g} %"


def gpus(count: int) -> str:
    """A count of GPUs with its noun."""
    return f"{count} GPU{'s' if count != 1 else ''}"
