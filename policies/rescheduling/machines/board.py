"""Virtual machines while a plan is made: what is free, who is where, and what each move would do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from foresail.domain.timeseries import BoolArray
from foresail.policies.rescheduling.machines.cluster import Machines


class Step(NamedTuple):
    """A VM to a machine and NUMA node, -1: both."""

    vm: int
    machine: int
    node: int


class Board:
    """Changed in place."""

    def __init__(self, cluster: Machines) -> None:
        self.cluster = cluster
        self.cpu, self.memory = cluster.free_cpu.copy(), cluster.free_memory.copy()
        self.machine, self.node, self.on = cluster.machine.copy(), cluster.node.copy(), cluster.on.copy()
        self.part_cpu, self.part_memory = cluster.parts
        self.steps: list[Step] = []

    def fits(self, vm: int, machine: int, node: int) -> bool:
        """Whether it may come there now, while it stays where it is."""
        return machine != self.machine[vm] and self.has_room(vm, machine, node) and not self.meets(vm, machine)

    def has_room(self, vm: int, machine: int, node: int) -> bool:
        """Whether there is CPU and memory for it."""
        nodes = slice(None) if node < 0 else slice(node, node + 1)
        cpu, memory = self.cpu[machine, nodes], self.memory[machine, nodes]
        return bool((cpu >= self.part_cpu[vm]).all() and (memory >= self.part_memory[vm]).all())

    def completed(self, vm: int) -> int:
        """Slots that its leaving completes."""
        slot, free = self.cluster.slot_cpu, self.cpu[self.machine[vm]]
        return int(((free + self.part_cpu[vm] * self.on[vm]) // slot - free // slot).sum())

    def meets(self, vm: int, machine: int) -> bool:
        """Whether one that it may not meet is there."""
        return any(self.machine[other] == machine for other in self.cluster.neighbors.get(vm, ()))

    def places(self, vm: int) -> BoolArray:
        """(N, 2), or (N, 1) for a double one: where it fits."""
        room: BoolArray = (self.cpu >= self.part_cpu[vm]) & (self.memory >= self.part_memory[vm])
        if self.cluster.double[vm]:
            room = np.asarray(room.all(axis=1, keepdims=True))
        room[self.machine[vm]] = False
        for other in self.cluster.neighbors.get(vm, ()):
            room[self.machine[other]] = False
        return room

    def move(self, step: Step) -> None:
        """Move."""
        vm, machine, node = step
        old = self.on[vm].copy()
        new = np.array([node in (-1, numa) for numa in (0, 1)])
        source = self.machine[vm]
        for free, part in ((self.cpu, self.part_cpu[vm]), (self.memory, self.part_memory[vm])):
            free[machine, new] -= part
            free[source, old] += part
        self.machine[vm], self.node[vm], self.on[vm] = machine, node, new
        self.steps.append(step)

    def slots(self) -> int:
        """Free slots."""
        return self.cluster.slots(self.cpu)
