"""Room of NUMA nodes after every amount that VMs who leave can free, in steps of CPU and memory."""

from __future__ import annotations

from typing import Final

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.comers import NEVER
from foresail.policies.rescheduling.machines.leavers import Leavers, least

_MOST_STEPS: Final = 256  # of memory; where it comes in finer ones, rooms are rounded up
_MOST_WAYS: Final = 150_000  # of VMs to leave, over all machines: of single ones, and of double ones
_MOST_ROOMS: Final = 3_000_000


class Grid:
    """Steps of CPU and memory.

    Attributes:
        steps: CPU and memory of one.
        most: Steps of the largest NUMA node.
    """

    def __init__(self, cluster: Machines) -> None:
        memory = int(cluster.memory.max(initial=0))
        coarse = max(cluster.memory_unit, -(-memory // _MOST_STEPS), 1)
        self.steps = cluster.cpu_unit, coarse if cluster.memory_unit else memory + 1
        self.most = int(cluster.cpu.max(initial=0)) // self.steps[0], memory // self.steps[1]
        cpu, top = (np.arange(most + 1) * step for most, step in zip(self.most, self.steps, strict=True))
        self.worth: FloatArray = cluster.node_worth(cpu[:, None], top[None, :] + self.steps[1] - 1).astype(float)

    def taken(self, cpu: IntArray, memory: IntArray) -> tuple[IntArray, IntArray]:
        """Whole steps that VMs take at least."""
        return cpu // self.steps[0], memory // self.steps[1]


def leavers(counts: tuple[IntArray, IntArray], size: IntArray, memory: IntArray, moves: int) -> tuple[Leavers, Leavers]:
    """Of NUMA nodes' single VMs, (2N, K), and of machines' double ones, (N, K), with not too many rooms."""
    ways = _MOST_WAYS
    while True:
        single, double = (Leavers(count, size, memory, moves, ways) for count in counts)
        if ways == 1 or int(_sizes(single, double).sum()) <= _MOST_ROOMS:
            return single, double
        ways = max(ways // 4, 1)


def _sizes(single: Leavers, double: Leavers) -> IntArray:
    """(2J,) rooms of each NUMA node for each amount that double VMs free."""
    return np.asarray(np.diff(single.ends)[(2 * double.group[:, None] + np.arange(2)).ravel()])


class Rooms:
    """R rooms: of each amount that a machine's double VMs free, those of NUMA node 0, then those of node 1.

    Attributes:
        cpu: (R,) steps.
        memory: (R,).
        amount: (R,) that single VMs free, in `single`.
        starts: (2J + 1,) rooms of double amount j on NUMA node b are those from starts[2j + b] on.
    """

    def __init__(self, cluster: Machines, grid: Grid, single: Leavers, double: Leavers) -> None:
        of = double.group
        sizes = _sizes(single, double)
        self.starts = np.append(0, np.cumsum(sizes))
        block = np.repeat(np.arange(2 * len(of)), sizes)
        freed, numa = block // 2, block % 2
        self.amount = single.ends[2 * of[freed] + numa] + np.arange(len(block)) - self.starts[block]
        left = (
            cluster.free_cpu[of[freed], numa] + double.cpu[freed] + single.cpu[self.amount],
            cluster.free_memory[of[freed], numa] + double.memory[freed] + single.memory[self.amount],
        )
        self.cpu, self.memory = (
            np.minimum(free // step, most) for free, step, most in zip(left, grid.steps, grid.most, strict=True)
        )
        self._most, self._width = grid.most, 2 * grid.most[1] + 1
        self._place = (self.cpu + grid.most[0]) * self._width + self.memory + grid.most[1]

    def values(self, table: FloatArray, cost: FloatArray, used: IntArray) -> FloatArray:
        """(R, U) what is earned in rooms, less (R,) costs, when (2, U) steps of each are used otherwise.

        Args:
            table: From `looked_up`.
            cost: Of each room.
            used: Steps of CPU and of memory.
        """
        return np.asarray(table[self._place[:, None] - self._back(used)] - cost[:, None])

    def best(self, table: FloatArray, cost: FloatArray, blocks: IntArray, used: IntArray) -> IntArray:
        """(B,) of each block of rooms, the one that is worth most, when (2, B) steps of it are used otherwise."""
        back = np.zeros(len(self.starts) - 1, np.int64)
        back[blocks] = self._back(used)
        sizes = np.diff(self.starts)
        paid = cost - table[self._place - np.repeat(back, sizes)]
        return least(paid, self.starts, blocks)

    def looked_up(self, table: FloatArray) -> FloatArray:
        """What rooms earn, with what is beyond them, so that none needs to be compared."""
        return np.pad(table, [(most, 0) for most in self._most], constant_values=NEVER).ravel()

    def _back(self, used: IntArray) -> IntArray:
        return np.asarray(used[0] * self._width + used[1])
