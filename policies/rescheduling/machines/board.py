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
        cpu, memory = self.cpu[self.machine[vm]], self.memory[self.machine[vm]]
        left = cpu + self.part_cpu[vm] * self.on[vm], memory + self.part_memory[vm] * self.on[vm]
        return int((self.cluster.node_worth(*left) - self.cluster.node_worth(cpu, memory)).sum())

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

    def able(self) -> BoolArray:
        """(V,) which may still move: none twice."""
        able = self.cluster.movable.copy()
        able[[step.vm for step in self.steps]] = False
        return able

    def step(self, vm: int, flat: int) -> Step:
        """To one of the places that `places` has, by its number when they are all in one row."""
        return Step(vm, flat, -1) if self.cluster.double[vm] else Step(vm, *divmod(flat, 2))

    def move(self, step: Step) -> None:
        """Move a VM that has not moved yet."""
        self._put(*step)
        self.steps.append(step)

    def take_back(self) -> None:
        """Undo the last move."""
        vm = self.steps.pop().vm
        self._put(vm, int(self.cluster.machine[vm]), int(self.cluster.node[vm]))

    def _put(self, vm: int, machine: int, node: int) -> None:
        old = self.on[vm].copy()
        new = np.array([node in (-1, numa) for numa in (0, 1)])
        source = self.machine[vm]
        for free, part in ((self.cpu, self.part_cpu[vm]), (self.memory, self.part_memory[vm])):
            free[machine, new] -= part
            free[source, old] += part
        self.machine[vm], self.node[vm], self.on[vm] = machine, node, new

    def worth(self) -> int:
        """What counts: free slots, or machines without VMs."""
        if self.cluster.whole:
            return len(self.cpu) - len(np.unique(self.machine))
        return int(self.cluster.node_worth(self.cpu, self.memory).sum())
