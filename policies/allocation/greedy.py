"""Sharing GPUs greedily: workloads of greater priority take first, and each sees what those before it left.

A shortfall is an answer: the workload's ladder of variants goes on where the pool ends, and what nothing carries is
said.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from foresail.domain.accelerator import Pool
from foresail.domain.snapshot import WorkloadObservation
from foresail.domain.workload import Mode, Variant


@dataclass(frozen=True, slots=True)
class Free:
    """Free GPUs of one accelerator, node by node, the least first; a replica larger than any node spans nodes."""

    by_node: tuple[int, ...]
    largest_node: int

    @property
    def total(self) -> int:
        """Over all nodes."""
        return sum(self.by_node)

    def fits(self, gpus: int) -> int:
        """Replicas of so many GPUs that fit: scattered ones hold none that needs several on one node."""
        return self.total // gpus if gpus > self.largest_node else sum(free // gpus for free in self.by_node)

    def less(self, gpus: int, replicas: int) -> Free:
        """What is left beside some replicas, each on the node that it fills best."""
        if gpus > self.largest_node:
            return replace(self, by_node=(max(self.total - gpus * replicas, 0),))
        left = sorted(self.by_node)
        for _ in range(min(replicas, self.fits(gpus))):
            best = bisect_left(left, gpus)
            insort(left, left.pop(best) - gpus)
        return replace(self, by_node=tuple(left))

    def without(self, gpus: int) -> Free:
        """What is left without some, taken from the nodes that have most."""
        left = []
        for free in reversed(self.by_node):
            left.append(free - min(free, max(gpus, 0)))
            gpus -= free
        return replace(self, by_node=tuple(sorted(left)))


@dataclass(frozen=True, slots=True)
class Stock:
    """GPUs that are left by accelerator; None: the inventory is unknown and caps nothing."""

    free: Mapping[str, Free] | None

    @property
    def free_gpus(self) -> dict[str, int]:
        """By accelerator that was counted."""
        return {name: free.total for name, free in (self.free or {}).items()}

    def room(self, variant: Variant, current: int) -> int | None:
        """Replicas the variant may have at most, None when nothing caps it: its GPUs were not counted."""
        free = self._free(variant)
        return None if free is None else current + free.fits(max(variant.gpus_per_replica, 1))

    def take(self, variant: Variant, replicas: int) -> Stock:
        """What is left when a variant adds replicas; those it gives back are not free before they have gone."""
        free = self._free(variant)
        if self.free is None or variant.accelerator is None or free is None or replicas <= 0:
            return self
        left = free.less(max(variant.gpus_per_replica, 1), replicas)
        return Stock(MappingProxyType({**self.free, variant.accelerator: left}))

    def together(self, gpus: Mapping[str, int]) -> Stock:
        """With more free GPUs, and as if those of an accelerator were on one node."""
        grown = {
            name: replace(free, by_node=(free.total + gpus.get(name, 0),)) for name, free in (self.free or {}).items()
        }
        return Stock(None if self.free is None else MappingProxyType(grown))

    def without(self, gpus: Mapping[str, int]) -> Stock:
        """What is left when some are kept, of the nodes with most free ones: there what waits for them fits soonest."""
        kept = {name: free.without(gpus.get(name, 0)) for name, free in (self.free or {}).items()}
        return Stock(None if self.free is None else MappingProxyType(kept))

    def _free(self, variant: Variant) -> Free | None:
        if self.free is None or variant.accelerator is None:
            return None
        return self.free.get(variant.accelerator)


def stock_of(pools: Mapping[str, Pool] | None) -> Stock:
    """What the pools have free now."""
    if pools is None:
        return Stock(None)
    return Stock(MappingProxyType({name: _free_of(pool) for name, pool in pools.items()}))


def _free_of(pool: Pool) -> Free:
    by_node = pool.free_by_node or (max(pool.free_gpus, 0),)
    return Free(tuple(sorted(by_node)), pool.largest_node_gpus or max(pool.total_gpus, *by_node))


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
