"""What is asked of a plan for virtual machines, how plans compare, and what fills one up."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Final

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.earning import earning
from foresail.policies.rescheduling.machines.board import Board, Step
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.emptying import empty
from foresail.policies.rescheduling.machines.greedy import descend, tidy
from foresail.policies.rescheduling.waves import Flow

ROUNDING: Final = 1e-6
EARLY: Final = 1e-4  # that a move must be worth beyond its price: of plans that are as good, the one with fewer moves
_FINEST: Final = 1000  # parts of what counts in which prices come, where a bound can be rounded to them
_SAME: Final = 1e-12  # a price so near to parts is meant to be them, and is even after many moves


@dataclass(frozen=True, slots=True)
class Task:
    """At most so many moves that are worth most, less what they cost.

    Args:
        cluster: Before them.
        moves: At most.
        price: Of a move, in what counts: slots, or machines without VMs.
    """

    cluster: Machines
    moves: int
    price: float = 0.0

    @property
    def step(self) -> float:
        """What plans are worth is a multiple of this."""
        return 1.0 / self._parts

    @property
    def _parts(self) -> int:
        price = Fraction(self.price).limit_denominator(_FINEST)
        return price.denominator if abs(price - self.price) <= _SAME else _FINEST**2

    @property
    def most(self) -> float:
        """What no plan can be worth more than, whatever its moves."""
        cluster = self.cluster
        return float(len(cluster.cpu)) if cluster.whole else float(cluster.free_cpu.sum()) / cluster.worth_cpu

    def reachable(self, bound: float) -> float:
        """The most that a plan below a bound can be worth."""
        return floor(bound * self._parts + ROUNDING) / self._parts

    def is_open(self, board: Board, bound: float) -> bool:
        """Whether a plan may be better."""
        return self.net(board) < self.reachable(bound) - ROUNDING

    def net(self, board: Board) -> float:
        """What a plan is worth."""
        return board.worth() - self.price * len(board.steps)

    def better(self, board: Board, best: Board) -> Board:
        """The one that is worth more, or as much in fewer moves; else `best`."""
        gain = self.net(board) - self.net(best)
        fewer = len(board.steps) < len(best.steps)
        return board if gain > ROUNDING or (gain > -ROUNDING and fewer) else best

    def first(self, moves: int) -> Board:
        """The better of two simple plans: what counts first, or fragments first."""
        plan = self.filled(Board(self.cluster), moves)
        if self.cluster.whole:
            return plan
        return self.better(self.thrifty(self.filled(tidy(Board(self.cluster), moves), moves)), plan)

    def filled(self, board: Board, moves: int | None = None) -> Board:
        """With simple moves that earn their price, while there may be more."""
        fill = empty if self.cluster.whole else descend
        return fill(board, self.moves if moves is None else moves, self.price)

    def thrifty(self, board: Board) -> Board:
        """Without moves that do not earn their price, alone or with those that need them."""
        cluster, steps = self.cluster, board.steps
        free = np.hstack((cluster.free_cpu, cluster.free_memory))
        flows = [flow(cluster, step) for step in steps]
        near = {"homes": cluster.machine.tolist(), "neighbors": cluster.neighbors}
        kept, other = earning(free, flows, self._worth, self.price + EARLY, **near), Board(cluster)
        for place in kept:
            other.move(steps[place])
        return other

    def _worth(self, machines: IntArray, free: IntArray) -> FloatArray:
        """(M,) of machines with so much free: (M, 4)."""
        cpu, memory = free[:, :2], free[:, 2:]
        if self.cluster.whole:
            empty = (cpu == self.cluster.cpu[machines]) & (memory == self.cluster.memory[machines])
            return np.asarray(empty.all(axis=1), np.float64)
        return np.asarray(self.cluster.node_worth(cpu, memory).sum(axis=1), np.float64)


def flow(cluster: Machines, step: Step) -> Flow:
    """A move as room sees it: CPU, then memory, of both NUMA nodes."""
    cpu, memory = (int(part[step.vm]) for part in cluster.parts)
    gives, takes = cluster.on[step.vm], np.array([step.node in (-1, numa) for numa in (0, 1)])
    size = np.array([cpu, cpu, memory, memory], np.int64)
    source = int(cluster.machine[step.vm])
    workload = cluster.workloads[step.vm] if cluster.workloads else ""
    return Flow(step.vm, source, step.machine, size * np.tile(gives, 2), size * np.tile(takes, 2), workload)
