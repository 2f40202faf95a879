"""Virtual machines where they could be, in no order yet: the board on which plans are taken back in part and made anew.

Parts of slots count a little, and the more the fuller they are, so that moves which only lead to a slot are made too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.machines.board import Board, Step
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.neighbourhood import improve

_PLACES: Final = 3  # of a machine: NUMA node 0, 1, both
_PART: Final = 0.3  # slots that all but a whole slot is worth when moves are compared
_SCORED: Final = 0.1  # of that, when plans are


class RoamingBoard:
    """Free CPU and memory, and where VMs are; changed in place. VMs that must be apart from others stay put.

    Attributes:
        kind: (V,) shape of each VM.
        host: (V,) machine of each VM now.
        place_host: (3N,) machine that a place belongs to: each NUMA node, and both.
        fixed: (V,) VMs that do not move.
        leaving: (V,) slots, and parts of them, that are gained when a VM goes.
        arriving: (K, 3N) likewise when a VM of a shape comes; -inf: it does not fit.
        origin: (V,) machine of each VM at the start.
    """

    def __init__(self, cluster: Machines) -> None:
        self.cluster = cluster
        shapes, self.kind = cluster.shapes
        self.place_host = np.repeat(np.arange(len(cluster.cpu)), _PLACES)
        self.origin, self.host = cluster.machine, cluster.machine.copy()
        self.cpu, self.memory = cluster.free_cpu.copy(), cluster.free_memory.copy()
        self.fixed = ~cluster.movable
        self.fixed[list(cluster.neighbors)] = True
        self._home, self._part = cluster.node % _PLACES, cluster.parts
        self._where = self._home.copy()
        self._double = shapes[:, 2] > 0
        self._shape = shapes[:, :2] // np.where(self._double, 2, 1)[:, None]
        self.leaving = np.zeros(len(self.kind))
        self.arriving = np.empty((len(shapes), len(self.place_host)))
        self._look(np.arange(len(cluster.cpu)))

    def worth(self) -> float:
        """Free slots, and a little for parts of them."""
        slots = int(self.cluster.node_worth(self.cpu, self.memory).sum())
        return slots + _SCORED * float(self._value(self.cpu, self.memory).sum() - slots)

    def move(self, unit: int, place: int) -> None:
        """To a place on another machine; on the machine where it began, to where it was if there is room."""
        machine, where = divmod(place, _PLACES)
        if machine != self.origin[unit] or not self.home(unit):
            self.put(unit, machine, where)

    def put(self, vm: int, machine: int, where: int) -> None:
        """To a NUMA node of a machine, 2: both."""
        old, had, takes = int(self.host[vm]), _on(int(self._where[vm])), _on(where)
        for free, part in zip((self.cpu, self.memory), self._part, strict=True):
            free[old, had] += part[vm]
            free[machine, takes] -= part[vm]
        self.host[vm], self._where[vm] = machine, where
        self._look(np.array([old, machine]))

    def home(self, unit: int) -> bool:
        """Send a VM back to where it began, if there is room; says whether there was."""
        machine, where = int(self.origin[unit]), int(self._home[unit])
        place = machine * _PLACES + where
        room = self.host[unit] != machine and not self.fixed[unit]
        room = bool(room and self.arriving[self.kind[unit], place] > -np.inf)
        if room:
            self.put(unit, machine, where)
        return room

    def snapshot(self) -> tuple[NDArray[Any], ...]:
        """How it stands."""
        return tuple(array.copy() for array in self._arrays())

    def restore(self, snapshot: tuple[NDArray[Any], ...]) -> None:
        """Put it back to how it stood."""
        for array, before in zip(self._arrays(), snapshot, strict=True):
            array[:] = before

    def away(self) -> list[Step]:
        """What brings VMs straight to where they are, in no order."""
        vms = np.flatnonzero(self.host != self.origin).tolist()
        return [Step(vm, int(self.host[vm]), -1 if self._where[vm] == 2 else int(self._where[vm])) for vm in vms]

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.cpu, self.memory, self.host, self._where, self.leaving, self.arriving

    def _look(self, machines: IntArray) -> None:
        """Work out again what leaving and arriving is worth on machines that changed."""
        free = self.cpu[machines], self.memory[machines]
        cpu, memory = (kept - self._shape[:, axis, None, None] for axis, kept in enumerate(free))
        change = np.where((cpu >= 0) & (memory >= 0), self._value(cpu, memory) - self._value(*free), -np.inf)
        double = self._double[:, None]
        places = [np.where(double, -np.inf, change[:, :, numa]) for numa in (0, 1)]
        places.append(np.where(double, change.sum(axis=2), -np.inf))
        self.arriving.reshape(len(double), -1, _PLACES)[:, machines] = np.stack(places, axis=2)
        here = np.zeros(len(self.cpu), bool)
        here[machines] = True
        vms = np.flatnonzero(here[self.host])
        on = (self._where[vms, None] == 2) | (self._where[vms, None] == np.arange(2))
        before = self.cpu[self.host[vms]], self.memory[self.host[vms]]
        after = (kept + part[vms, None] * on for kept, part in zip(before, self._part, strict=True))
        self.leaving[vms] = (self._value(*after) - self._value(*before)).sum(axis=1)

    def _value(self, cpu: IntArray, memory: IntArray) -> FloatArray:
        """Slots, and what parts of them are worth."""
        whole = self.cluster.node_worth(cpu, memory)
        part = np.clip(cpu / self.cluster.worth_cpu - whole, 0.0, 1.0)
        return np.asarray(whole + _PART * part**2)


def improved(
    start: Board, moves: int, rng: np.random.Generator, again: Callable[[], bool], price: float = 0.0
) -> Board:
    """What is made better of a plan by taking back some of it at a time, as far as that can be carried out."""
    roaming = RoamingBoard(start.cluster)
    for vm, machine, node in start.steps:
        roaming.put(vm, machine, node % _PLACES)
    improve(roaming, moves, rng, again, price)
    return carried_out(start.cluster, roaming.away())


def carried_out(cluster: Machines, steps: Iterable[Step]) -> Board:
    """Steps, each when it fits, whichever completes most slots first; those that never do are left out."""
    board, todo = Board(cluster), list(steps)
    while possible := [step for step in todo if board.fits(*step)]:
        step = max(possible, key=lambda one: (board.completed(one.vm), int(board.part_cpu[one.vm])))
        board.move(step)
        todo.remove(step)
    return board


def _on(where: int) -> list[int]:
    return [0, 1] if where == 2 else [where]
