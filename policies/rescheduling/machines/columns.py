"""Patterns of machines by column generation: prices come of the patterns so far, and better patterns of the prices."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf
from typing import Final

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.machines.board import Step
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.master import Master
from foresail.policies.rescheduling.machines.pricing import Patterns, Pricing
from foresail.policies.rescheduling.machines.task import EARLY, Task

_FEWER: Final = 0.98  # of the moves so far: less of a change is none
_SPARE: Final = 0.03  # of the fewest moves that may do in fractions: whole ones need some more
_NEAR: Final = 0.02  # of what counts, between relaxation and bound: nothing is to be had there
_KEPT: Final = 0.6  # of the best prices so far in those that are tried next: prices that jump about find little
_MANY_SHAPES: Final = 15  # whose prices are far off at first: then a grid of them is tried
# Of a slot's worth of CPU beyond a part of a slot that is worth nothing, and of a move.
_WORTHS: Final = ((0.5, 0.0), (0.8, 0.0), (0.9, 0.25), (1.0, 0.35))
_MOVES: Final = (0.3, 0.6)
_FEW: Final = ((0.5, 0.4), (0.45, 0.1))
_MOST_CPU_STEPS: Final = 512  # of a NUMA node: in finer ones there are too many rooms


def tractable(cluster: Machines) -> bool:
    """Whether CPU comes in steps that are coarse enough for patterns."""
    return int(cluster.cpu.max(initial=0)) <= _MOST_CPU_STEPS * cluster.cpu_unit


class Columns:
    """Patterns for a task.

    Attributes:
        master: Of all that are known.
        bound: No plan is worth more.
    """

    def __init__(self, task: Task, seeds: list[Step]) -> None:
        self._task = task
        self._pricing = Pricing(task.cluster, task.moves)
        self.master = Master(self._pricing, task.moves, task.price)
        self.master.add(_along(self._pricing, task.cluster, seeds))
        self.bound = self._task.most
        self._best: tuple[FloatArray, float] | None = None

    def generate(self, within: Callable[[], bool], *, every: bool) -> None:
        """Add patterns until whole ones can gain no more, or until none is better; some at least, for the bound."""
        self.master.limit(self._task.moves)
        added, most = 1, float(self._task.cluster.start)
        while added and (every or self._task.reachable(self.bound) > self._task.reachable(most)):
            gained, price, move = self.master.relax()
            most = self._task.cluster.start + gained + EARLY * self._task.moves + _NEAR
            added = 0
            for point in self._points(price, move):
                added += self._price(*point, within)
                if not within():
                    return

    def spare(self, within: Callable[[], bool]) -> None:
        """Where more moves are allowed than are of use, allow few more than are: fewer find an order more easily."""
        fewest, most, added = self._task.moves, inf, 1
        while added and fewest < _FEWER * most and within():
            fewest, most = self._fewest(), float(fewest)
            self.master.limit(fewest)
            _, price, move = self.master.relax()
            added = self._price(price, move, within)
        self.master.limit(min(fewest + ceil(_SPARE * fewest), self._task.moves))

    def _fewest(self) -> int:
        """Moves with which fractions of patterns still gain all that whole ones can."""
        wanted = self._task.reachable(self.bound) - self._task.cluster.start - EARLY * self._task.moves
        low, high = 0, self.master.moves
        while low < high:
            middle = (low + high) // 2
            self.master.limit(middle)
            low, high = (low, middle) if self.master.relax()[0] >= wanted else (middle + 1, high)
        return high

    def _points(self, price: FloatArray, move: float) -> list[tuple[FloatArray, float]]:
        """Prices to try: those of the relaxation, and some between them and the best so far."""
        if self._best is not None:
            kept, each = self._best
            return [(_KEPT * kept + (1 - _KEPT) * price, _KEPT * each + (1 - _KEPT) * move), (price, move)]
        cluster = self._task.cluster
        if cluster.whole:
            return [(price, move)]
        size = cluster.shapes[0][:, 0] / cluster.worth_cpu
        if len(size) > _MANY_SHAPES:
            grid = [(np.maximum(worth * (size - free), 0.0), each) for worth, free in _WORTHS for each in _MOVES]
            return [(price, move), *grid]
        return [(price, move), *((worth * np.minimum(size, 1.0), each) for worth, each in _FEW)]

    def _price(self, price: FloatArray, move: float, within: Callable[[], bool]) -> int:
        """Add the best patterns at prices, and see what they prove; says how many are new."""
        worth, found = self._pricing.best(price, move + EARLY + self._task.price, within)
        most = float(worth.sum()) + (move + EARLY) * self._task.moves
        if most < self.bound:
            self.bound, self._best = most, (price, move)
        return self.master.add(found)


def _along(pricing: Pricing, cluster: Machines, steps: list[Step]) -> Patterns:
    """Patterns of machines along a plan."""
    shape = cluster.shapes[1]
    leave, come = np.zeros((2, *pricing.count.shape), np.int64)
    rows: list[tuple[int, IntArray, IntArray]] = []
    for step in steps:
        source = int(cluster.machine[step.vm])
        leave[source, cluster.node[step.vm] % 3, shape[step.vm]] += 1
        come[step.machine, step.node % 3, shape[step.vm]] += 1
        rows += [(place, leave[place].copy(), come[place].copy()) for place in (source, step.machine)]
    machine = np.array([row[0] for row in rows], np.int64)
    left, came = (np.array([row[which] for row in rows], np.int64).reshape(-1, *leave.shape[1:]) for which in (1, 2))
    fits = (pricing.left(machine, left, came)[0] >= 0).all(axis=1)
    return pricing.pattern(machine[fits], left[fits], came[fits])
