"""Virtual machines on machines with two NUMA nodes, as the planner sees them: shapes, counts, and what is free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from foresail.domain.timeseries import BoolArray
from foresail.policies.programs.linear import IntArray


@dataclass(frozen=True, eq=False)
class Machines:
    """N machines with two NUMA nodes each, and V virtual machines on them.

    Args:
        slot_cpu: CPU of the slots that are counted.
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

    slot_cpu: int
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
    def unit(self) -> int:
        """CPU that everything is a multiple of."""
        values = np.concatenate((self.parts[0][self.movable], self.free_cpu.ravel(), self.cpu.ravel()))
        return max(int(np.gcd.reduce(np.append(values, self.slot_cpu))), 1)

    def slots(self, free_cpu: IntArray) -> int:
        """Free slots."""
        return int((free_cpu // self.slot_cpu).sum())

    def _left(self, total: IntArray, part: IntArray) -> IntArray:
        left = total.copy()
        for numa in (0, 1):
            here = self.on[:, numa]
            np.subtract.at(left[:, numa], self.machine[here], part[here])
        return left
