"""What a plan may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """What a search may take.

    Args:
        clock: CPU seconds.
        seconds: By that clock.
        seed: Of everything random.
    """

    clock: Callable[[], float]
    seconds: float
    seed: int = 0
