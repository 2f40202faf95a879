"""Sharing GPUs greedily: workloads of greater priority take first, and each sees what those before it left.

A shortfall is an answer: the workload's ladder of variants goes on where the pool ends, and what nothing carries is
said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from foresail.domain.accelerator import Pool
from foresail.domain.snapshot import WorkloadObservation
from foresail.domain.workload import Mode, Variant


@dataclass(frozen=True, slots=True)
class Stock:
    """GPUs that are left by accelerator; None: the inventory is unknown and caps nothing."""

    free_gpus: Mapping[str, int] | None

    def room(self, variant: Variant, current: int) -> int | None:
        """Replicas the variant may have at most, None when nothing caps it: its GPUs were not counted."""
        free = self._free(variant)
        return None if free is None else current + free // max(variant.gpus_per_replica, 1)

    def take(self, variant: Variant, replicas: int) -> Stock:
        """What is left when a variant adds replicas; those it gives back are not free before they have gone."""
        free = self._free(variant)
        if self.free_gpus is None or variant.accelerator is None or free is None or replicas <= 0:
            return self
        left = max(free - replicas * variant.gpus_per_replica, 0)
        return Stock(MappingProxyType({**self.free_gpus, variant.accelerator: left}))

    def _free(self, variant: Variant) -> int | None:
        if self.free_gpus is None or variant.accelerator is None:
            return None
        return self.free_gpus.get(variant.accelerator)


def stock_of(pools: Mapping[str, Pool] | None) -> Stock:
    """What the pools have free now."""
    if pools is None:
        return Stock(None)
    return Stock(MappingProxyType({name: max(pool.free_gpus, 0) for name, pool in pools.items()}))


def by_priority(workloads: Iterable[WorkloadObservation]) -> list[WorkloadObservation]:
    """The order in which workloads take: those that act first, then by priority, then by name."""
    return sorted(
        workloads,
        key=lambda observation: (
            observation.workload.mode is not Mode.AUTO,
            -observation.workload.priority,
            observation.workload.key,
        ),
    )
