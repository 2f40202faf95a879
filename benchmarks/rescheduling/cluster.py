"""A cluster of virtual machines that rivals move things on: plain arrays, and a list of the moves that were made."""

from __future__ import annotations

import numpy as np

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.verification.claim import Move

Place = tuple[int, int]  # machine, NUMA node: -1 for both


class Cluster:
    """Who is where, and what is free: CPU and memory of NUMA nodes, shape (N, 2) each.

    Args:
        instance: Is left as it is.
    """

    def __init__(self, instance: VmInstance) -> None:
        self.instance = instance
        self.cpu, self.memory = instance.machine_cpu.copy(), instance.machine_memory.copy()
        self.machine, self.node = instance.machine.copy(), instance.numa_node.copy()
        self.parts = np.where(instance.double, 2, 1)
        self.part_cpu, self.part_memory = instance.cpu // self.parts, instance.memory // self.parts
        self.on = np.stack([instance.double | (self.node == numa) for numa in (0, 1)], axis=1)  # (V, 2)
        self.moves: list[Move] = []
        for numa in (0, 1):
            held = self.on[:, numa]
            np.subtract.at(self.cpu[:, numa], self.machine[held], self.part_cpu[held])
            np.subtract.at(self.memory[:, numa], self.machine[held], self.part_memory[held])
        self._apart: dict[int, set[int]] = {}
        for group in instance.apart:
            for vm in group:
                self._apart.setdefault(vm, set()).update(other for other in group if other != vm)

    def fits(self, vm: int) -> IntArray:
        """Where a VM fits elsewhere while it stays: shape (N, 2), or (N, 1) for a double one; 1 for yes."""
        room = (self.cpu >= self.part_cpu[vm]) & (self.memory >= self.part_memory[vm])
        if self.instance.double[vm]:
            room = room.all(axis=1, keepdims=True)
        room[self.machine[vm]] = False
        room[[self.machine[other] for other in self._apart.get(vm, ())]] = False
        return np.asarray(room, np.int64)

    def move(self, vm: int, place: Place) -> None:
        """Move a VM."""
        self._take(vm, place, 1)
        self._take(vm, (int(self.machine[vm]), int(self.node[vm])), -1)
        self.machine[vm], self.node[vm] = place
        self.on[vm] = [place[1] in (-1, numa) for numa in (0, 1)]
        names = self.instance
        self.moves.append(Move(names.vms[vm], names.machines[place[0]], place[1]))

    def place(self, vm: int, flat: int) -> Place:
        """The place that `fits` has at a flat index."""
        return (flat, -1) if self.instance.double[vm] else (flat // 2, flat % 2)

    def slots(self) -> int:
        """Slots that are free."""
        return int((self.cpu // self.instance.fragment_cpu).sum())

    def fragment_rate(self) -> float:
        """Part of the free CPU that is in no slot."""
        free = int(self.cpu.sum())
        return int((self.cpu % self.instance.fragment_cpu).sum()) / free if free else 0.0

    def empty(self) -> int:
        """Machines without VMs."""
        return int((self.cpu == self.instance.machine_cpu).all(axis=1).sum())

    def _take(self, vm: int, place: Place, sign: int) -> None:
        nodes = [0, 1] if place[1] < 0 else [place[1]]
        self.cpu[place[0], nodes] -= sign * self.part_cpu[vm]
        self.memory[place[0], nodes] -= sign * self.part_memory[vm]
