"""Lead time: from a decision to a ready replica, measured."""

from __future__ import annotations

import math
from typing import Final

from foresail.domain.memory import WorkloadMemory
from foresail.domain.snapshot import WorkloadObservation

DEFAULT_SECONDS: Final = 120.0  # a usual start of a model server with its weights in a local cache
LEAST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 3600.0  # longer ones are stuck, not slow
REMEMBERED: Final = 50
QUANTILE: Final = 0.9


def lead_time_seconds(observation: WorkloadObservation, memory: WorkloadMemory | None) -> float:
    """The longest of the variants' p90 of start-up times, seconds; the default when none was ever seen."""
    remembered = {} if memory is None else memory.startup_seconds
    seen = [
        startups
        for variant in observation.variants
        if (startups := merge_startups(remembered.get(variant.name, ()), variant.startup_seconds))
    ]
    if not seen:
        return DEFAULT_SECONDS
    return min(max(LEAST_SECONDS, *(_p90(startups) for startups in seen)), MOST_SECONDS)


def horizon_seconds(observation: WorkloadObservation, memory: WorkloadMemory | None, *, cycle_seconds: float) -> float:
    """How far a forecast must look: to the end of the decision interval in which a replica started now is ready."""
    return lead_time_seconds(observation, memory) + 2 * cycle_seconds


def merge_startups(remembered: tuple[float, ...], observed: tuple[float, ...]) -> tuple[float, ...]:
    """Both lists without their overlap: the same pods are observed for many cycles, the newest last."""
    observed = tuple(seconds for seconds in observed if math.isfinite(seconds) and seconds >= 0)
    longest = min(len(remembered), len(observed))
    overlap = next((n for n in range(longest, 0, -1) if remembered[-n:] == observed[:n]), 0)
    return (remembered + observed[overlap:])[-REMEMBERED:]


def _p90(startups: tuple[float, ...]) -> float:
    return sorted(startups)[math.ceil(QUANTILE * len(startups)) - 1]
