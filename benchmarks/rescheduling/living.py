"""A cluster that lives: virtual machines leave and come while others are moved, as a scheduler places them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from foresail.cli.rescheduling.generation.families import NODE_CPU, NODE_MEMORY_MIB
from foresail.cli.rescheduling.generation.machines import NOISE, Machines
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.verification.claim import Move

SCATTER = 0.42  # as the instance was made, so that coming and going neither heals nor harms in the mean
Shape = tuple[int, int, bool]
Place = tuple[int, int]


class Living:
    """Who is where now.

    Args:
        instance: At the start; without groups that must be apart.
        rng: Of those who come and go.
    """

    def __init__(self, instance: VmInstance, rng: np.random.Generator) -> None:
        self._start, self._rng = instance, rng
        self._machines = Machines(len(instance.machines), rng)
        if (instance.machine_cpu != NODE_CPU).any() or (instance.machine_memory != NODE_MEMORY_MIB).any():
            raise ValueError("only clusters of the machines that are made up can live")
        shapes = zip(instance.cpu.tolist(), instance.memory.tolist(), instance.double.tolist(), strict=True)
        places = zip(instance.machine.tolist(), instance.numa_node.tolist(), strict=True)
        self._shapes: dict[str, Shape] = dict(zip(instance.vms, shapes, strict=True))
        self._places: dict[str, Place] = dict(zip(instance.vms, places, strict=True))
        self._kinds = list(self._shapes.values())
        self._born = 0
        for vm, place in self._places.items():
            self._machines.take(self._shapes[vm], place)

    def instance(self) -> VmInstance:
        """As it is now."""
        names = tuple(self._places)
        shapes = [self._shapes[vm] for vm in names]
        places = np.array([self._places[vm] for vm in names], np.int64).reshape(-1, 2)
        return replace(
            self._start,
            vms=names,
            cpu=np.array([cpu for cpu, _, _ in shapes], np.int64),
            memory=np.array([memory for _, memory, _ in shapes], np.int64),
            double=np.array([double for _, _, double in shapes], bool),
            machine=places[:, 0],
            numa_node=places[:, 1],
            movable=np.ones(len(names), bool),
        )

    def run(self, moves: Iterable[Move]) -> list[str]:
        """Make the moves of a wave that can still be made; returns who moved."""
        index = {name: place for place, name in enumerate(self._start.machines)}
        moved = []
        for move in moves:
            place = (index[move.to], -1 if move.numa_node is None else move.numa_node)
            if move.unit in self._places and self._fits(self._shapes[move.unit], place):
                self._machines.take(self._shapes[move.unit], place)
                self._machines.take(self._shapes[move.unit], self._places[move.unit], -1)
                self._places[move.unit] = place
                moved.append(move.unit)
        return moved

    def pass_time(self, seconds: float, changes_per_minute: float) -> None:
        """As many leave as come, in the mean; who comes is of the sizes that were there at the start."""
        count = int(self._rng.poisson(changes_per_minute * seconds / 120.0))
        for vm in self._rng.choice(list(self._places), min(count, len(self._places)), replace=False).tolist():
            self._machines.take(self._shapes[vm], self._places.pop(vm), -1)
        for kind in self._rng.integers(len(self._kinds), size=count).tolist():
            shape = self._kinds[kind]
            scattered = bool(self._rng.random() < SCATTER)
            place = self._machines.place(shape, noise=NOISE, scattered=scattered)
            if place is not None:
                self._born += 1
                self._shapes[f"new-{self._born}"], self._places[f"new-{self._born}"] = shape, place

    def fragment_rate(self) -> float:
        """Part of the free CPU that is in no slot."""
        free = self._machines.cpu
        return float((free % self._start.fragment_cpu).sum() / max(free.sum(), 1))

    def _fits(self, shape: Shape, place: Place) -> bool:
        cores, memory, double = shape
        nodes, parts = ([0, 1], 2) if double else ([place[1]], 1)
        cpu, free = self._machines.cpu[place[0], nodes], self._machines.memory[place[0], nodes]
        return bool((cpu >= cores // parts).all() and (free >= memory // parts).all())
