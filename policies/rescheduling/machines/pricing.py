"""The best change of each machine at given prices, over CPU and memory, all machines at once.

A pattern of a machine lets some VMs leave and others come. There is a price of a VM of each shape, which whoever lets
it leave pays and whoever takes it earns, and one of a move; a pattern is worth what its free room is, less what it
pays. What VMs that come earn in a room is the same for all machines: a table, looked up for every amount that VMs who
leave a NUMA node can free, and for every use of both NUMA nodes by double VMs that come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.comers import NEVER, Comers
from foresail.policies.rescheduling.machines.leavers import least
from foresail.policies.rescheduling.machines.rooms import Grid, Rooms, leavers

_AT_A_TIME: Final = 8_000_000  # values


@dataclass(frozen=True, eq=False)
class Patterns:
    """M patterns.

    Args:
        machine: (M,).
        leave: (M, 3, K) VMs that leave, by NUMA node (2: both) and shape.
        come: (M, 3, K).
        worth: (M,) of the machine afterwards.
    """

    machine: IntArray
    leave: IntArray
    come: IntArray
    worth: IntArray


class Pricing:
    """The machines of a cluster, prepared to be priced for plans of at most so many moves.

    Attributes:
        shapes: K.
        count: (N, 3, K) VMs that are there.
        base: (N,) worth of the machines as they are.
    """

    def __init__(self, cluster: Machines, moves: int) -> None:
        self._cluster = cluster
        kinds, which = cluster.shapes
        self.kinds = kinds
        self.shapes, double = len(kinds), kinds[:, 2] > 0
        self.size, self.memory = (kinds[:, axis] // np.where(double, 2, 1) for axis in (0, 1))
        machines = len(cluster.cpu)
        self.count = np.zeros((machines, 3, self.shapes), np.int64)
        here = np.flatnonzero(which >= 0)
        places = np.where(cluster.double, 2, cluster.node)
        np.add.at(self.count, (cluster.machine[here], places[here], which[here]), 1)
        self._pinned = np.bincount(cluster.machine[which < 0], minlength=machines) > 0
        nothing = np.zeros_like(self.count)
        self.base = self.worth(np.arange(machines), nothing, nothing)
        self._grid = Grid(cluster)
        self._takes = self._grid.taken(self.size, self.memory)
        self._taking = (self._takes[0] > 0) | (self._takes[1] > 0)  # those that take nothing have no price
        self._come = np.flatnonzero(self._taking & ~double), np.flatnonzero(self._taking & double)
        memory = self.memory if self._grid.most[1] else np.zeros_like(self.memory)
        counts = self.count[:, :2].reshape(-1, self.shapes), self.count[:, 2]
        self._single, self._double = leavers(counts, self.size, memory, moves)
        self._rooms = Rooms(cluster, self._grid, self._single, self._double)

    def best(
        self, price: FloatArray, move: float, within: Callable[[], bool] = lambda: True
    ) -> tuple[FloatArray, Patterns]:
        """(N,) what no pattern of each machine is worth more than, and the best patterns of those that have one.

        When time is up, the best patterns by then, of which nothing is concluded: worth is infinite.
        """
        price = np.where(self._taking, price, 0.0)
        (cost, ways), (double_cost, double_ways) = (of.costs(price + move) for of in (self._single, self._double))
        cost = cost[self._rooms.amount]
        nobody = np.full_like(self._grid.worth, NEVER)
        nobody[0, 0] = 0.0
        single, double = (
            Comers(rest, who, *self._takes, price)
            for rest, who in zip((self._grid.worth, nobody), self._come, strict=True)
        )
        uses, earned = np.stack(double.frontier()), self._rooms.looked_up(single.value)
        total, use, complete = self._best_uses(earned, cost, uses, double.value[uses[0], uses[1]], within)
        total -= double_cost
        freed = least(-total, self._double.ends, np.arange(len(self.base)))
        worth = total[freed]
        used = uses[:, use[freed]]
        leave, come = np.zeros((2, *self.count.shape), np.int64)
        leave[:, 2], real = self._double.read(freed, double_ways)
        come[:, 2] = double.read(used[0], used[1])
        for numa in (0, 1):
            rooms = self._rooms.best(earned, cost, 2 * freed + numa, used)
            leave[:, numa], fine = self._single.read(self._rooms.amount[rooms], ways)
            come[:, numa] = single.read(self._rooms.cpu[rooms] - used[0], self._rooms.memory[rooms] - used[1])
            real &= fine
        if self._cluster.whole:
            worth = self._emptied(worth, price + move, leave, come, real)
        machine = np.flatnonzero(real)
        most = worth if complete else np.full_like(worth, np.inf)
        return most, self.pattern(machine, leave[machine], come[machine])

    def _best_uses(
        self, table: FloatArray, cost: FloatArray, uses: IntArray, earned: FloatArray, within: Callable[[], bool]
    ) -> tuple[FloatArray, IntArray, bool]:
        """(J,) worth of a machine for each amount that doubles free, with its best use by doubles that come; which.

        Last, whether there was time for all uses.
        """
        best, which = np.full(len(self._double.group), -np.inf), np.zeros(len(self._double.group), np.int64)
        at_once = max(_AT_A_TIME // max(len(cost), 1), 1)
        for begin in range(0, len(earned), at_once):
            if begin and not within():
                return best, which, False
            part = slice(begin, begin + at_once)
            value = self._rooms.values(table, cost, uses[:, part])
            nodes = np.maximum.reduceat(value, self._rooms.starts[:-1], axis=0)
            total = nodes[::2] + nodes[1::2] + earned[part]
            place = total.argmax(axis=1)
            most = total[np.arange(len(place)), place]
            better = most > best
            best[better], which[better] = most[better], begin + place[better]
        return best, which, True

    def _emptied(
        self, worth: FloatArray, paid: FloatArray, leave: IntArray, come: IntArray, real: BoolArray
    ) -> FloatArray:
        """Where a machine without VMs is what counts: let all leave if that is better."""
        empty = np.where(self._pinned, NEVER, 1.0 - self.count.sum(axis=1) @ paid)
        better = empty > worth
        leave[better], come[better], real[better] = self.count[better], 0, True
        return np.maximum(worth, empty)

    def pattern(self, machine: IntArray, leave: IntArray, come: IntArray) -> Patterns:
        """Patterns and their worth; comers beyond what memory allows are left out."""
        come = self._within_memory(machine, leave, come)
        return Patterns(machine, leave, come, self.worth(machine, leave, come))

    def worth(self, machine: IntArray, leave: IntArray, come: IntArray) -> IntArray:
        """(M,) after patterns."""
        if self._cluster.whole:
            left = (self.count[machine] - leave + come).sum(axis=(1, 2))
            return np.asarray((left == 0) & ~self._pinned[machine], np.int64)
        return np.asarray(self._cluster.node_worth(*self.left(machine, leave, come)).sum(axis=1))

    def left(self, machine: IntArray, leave: IntArray, come: IntArray) -> tuple[IntArray, IntArray]:
        """(M, 2) CPU and memory that are free after patterns."""
        free = self._cluster.free_cpu, self._cluster.free_memory
        nets = ((leave - come) @ size for size in (self.size, self.memory))
        cpu, memory = (kept[machine] + net[:, :2] + net[:, 2:] for kept, net in zip(free, nets, strict=True))
        return cpu, memory

    def _within_memory(self, machine: IntArray, leave: IntArray, come: IntArray) -> IntArray:
        """Comers are left out until memory holds, those with most memory first; none where steps are exact."""
        left, come = self.left(machine, leave, come)[1], come.copy()
        for row, numa in zip(*(axis.tolist() for axis in np.nonzero(left < 0)), strict=True):
            while left[row, numa] < 0 and (come[row, numa].any() or come[row, 2].any()):
                where = numa if come[row, numa].any() else 2
                kind = int(np.where(come[row, where] > 0, self.memory, -1).argmax())
                come[row, where, kind] -= 1
                left[row, [0, 1] if where == 2 else [numa]] += self.memory[kind]
        return come
