"""Virtual machines on machines with two NUMA nodes, as the planner sees them: shapes, counts, and what is free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from foresail.domain.timeseries import BoolArray
from foresail.policies.programs.linear import IntArray


class Slot(NamedTuple):
    """Room for a VM of a size on one NUMA node, and how much it counts; memory 0: only CPU is looked at."""

    cpu: int
    memory: int = 0
    weight: int = 1


@dataclass(frozen=True, eq=False)
class Machines:
    """N machines with two NUMA nodes each, and V virtual machines on them.

    Args:
        slots: That are counted, each size by itself; without any, machines without VMs are what counts.
        cpu: (N, 2) of the NUMA nodes.
        memory: (N, 2).
        vm_cpu: (V,) total; a double one takes half on each NUMA node.
        vm_memory: (V,) likewise.
        double: (V,).
        machine: (V,) where each is.
        node: (V,) NUMA node, -1 for a double one.
        movable: (V,).
        apart: Groups of VMs of which no two may be on one machine.
        workloads: (V,) that each is of, empty: of none; empty where none is known. No two of one are in a wave.
    """

    slots: tuple[Slot, ...]
    cpu: IntArray
    memory: IntArray
    vm_cpu: IntArray
    vm_memory: IntArray
    double: BoolArray
    machine: IntArray
    node: IntArray
    movable: BoolArray
    apart: tuple[tuple[int, ...], ...] = ()
    workloads: tuple[str, ...] = ()

    @cached_property
    def parts(self) -> tuple[IntArray, IntArray]:
        """(V,) CPU and memory that each takes of each NUMA node that it is on."""
        halves = np.where(self.double, 2, 1)
        return self.vm_cpu // halves, self.vm_memory // halves

    @cached_property
    def on(self) -> BoolArray:
        """(V, 2) whether a VM is on a NUMA node of its machine."""
        return np.stack([self.double | (self.node == numa) for numa in (0, 1)], axis=1)

    @cached_property
    def free_cpu(self) -> IntArray:
        """(N, 2)."""
        return self._left(self.cpu, self.parts[0])

    @cached_property
    def free_memory(self) -> IntArray:
        """(N, 2)."""
        return self._left(self.memory, self.parts[1])

    @cached_property
    def shapes(self) -> tuple[IntArray, IntArray]:
        """(K, 3) CPU, memory, double of each shape of movable VMs, singles first; (V,) which a VM has, -1: pinned."""
        rows = np.stack((self.double, self.vm_cpu, self.vm_memory), axis=1)
        kinds, which = np.unique(rows[self.movable], axis=0, return_inverse=True)
        shape = np.full(len(rows), -1)
        shape[self.movable] = which
        return kinds[:, [1, 2, 0]].astype(np.int64), shape

    @cached_property
    def neighbors(self) -> dict[int, set[int]]:
        """VMs that each may not meet."""
        found: dict[int, set[int]] = {}
        for group in self.apart:
            for vm in group:
                found.setdefault(vm, set()).update(other for other in group if other != vm)
        return found

    @cached_property
    def whole(self) -> bool:
        """Whether machines without VMs are what counts."""
        return not self.slots

    @cached_property
    def worth_cpu(self) -> float:
        """CPU that one of what counts stands for: what is free and does not count is in fragments."""
        return 1.0 / sum(slot.weight / slot.cpu for slot in self.slots) if self.slots else float("inf")

    @cached_property
    def cpu_unit(self) -> int:
        """CPU that all VMs, slots and room are multiples of."""
        values = np.concatenate((self.parts[0][self.movable], self.free_cpu.ravel(), self.cpu.ravel()))
        sizes = np.array([slot.cpu for slot in self.slots], np.int64)
        return max(int(np.gcd.reduce(np.append(values, sizes))), 1)

    @cached_property
    def memory_unit(self) -> int:
        """Memory that all VMs that may move, and slots, are multiples of; 0: it can never be short."""
        sizes = np.array([slot.memory for slot in self.slots], np.int64)
        return 0 if self._memory_is_plenty else int(np.gcd.reduce(np.append(self.parts[1][self.movable], sizes)))

    @cached_property
    def _memory_is_plenty(self) -> bool:
        """Whether no VM has more memory for its CPU than every NUMA node has."""
        cpu, memory = self.parts
        least, per_cpu = self.memory.min(initial=0), (memory / np.maximum(cpu, 1)).max(initial=0.0)
        fits = (memory[cpu == 0] == 0).all() and least >= per_cpu * self.cpu.max(initial=0)
        return bool(fits and not any(slot.memory for slot in self.slots))

    @cached_property
    def start(self) -> int:
        """What counts before any move."""
        empty = len(self.cpu) - len(np.unique(self.machine))
        return empty if self.whole else int(self.node_worth(self.free_cpu, self.free_memory).sum())

    def node_worth(self, free_cpu: IntArray, free_memory: IntArray) -> IntArray:
        """What counts in free room of NUMA nodes, in their shape."""
        worth = np.zeros(np.broadcast_shapes(free_cpu.shape, free_memory.shape), np.int64)
        for slot in self.slots:
            count = free_cpu // slot.cpu
            worth += slot.weight * (np.minimum(count, free_memory // slot.memory) if slot.memory else count)
        return worth

    def _left(self, total: IntArray, part: IntArray) -> IntArray:
        left = total.copy()
        for numa in (0, 1):
            here = self.on[:, numa]
            np.subtract.at(left[:, numa], self.machine[here], part[here])
        return left
