"""The best change of each machine at given prices, by knapsacks over CPU, all machines at once.

A pattern of a machine lets some VMs leave and others come. There is a price of a VM of each shape, which whoever lets
it leave pays and whoever takes it earns, and one of a move; a pattern is worth its slots, less what it pays. The
singles of each NUMA node and the doubles are knapsacks of their own over the net CPU that they free; all that is left
is which net amounts go together. Memory is not in it, so that the bound made of it holds, with memory or without.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.machines.cluster import Machines

NEVER = -1e9


@dataclass(frozen=True, eq=False)
class Patterns:
    """M patterns.

    Args:
        machine: (M,).
        leave: (M, 3, K) VMs that leave, by NUMA node (2: both) and shape.
        come: (M, 3, K).
        slots: (M,) afterwards.
    """

    machine: IntArray
    leave: IntArray
    come: IntArray
    slots: IntArray


def pricing_cells(cluster: Machines) -> int:
    """How many pairs of net amounts all machines have: too many where CPU comes in fine units."""
    return len(cluster.cpu) * (2 * int(cluster.cpu.max(initial=0) // cluster.unit) + 1) ** 2


class Pricing:
    """Knapsacks of a cluster."""

    def __init__(self, cluster: Machines) -> None:
        self.cluster = cluster
        kinds, which = cluster.shapes
        self.unit = cluster.unit
        self.shapes = len(kinds)
        self.double = kinds[:, 2] > 0
        self.size = kinds[:, 0] // np.where(self.double, 2, 1) // self.unit
        self.slot = cluster.slot_cpu // self.unit
        self.free, self.cap = cluster.free_cpu // self.unit, cluster.cpu // self.unit
        self.memory = kinds[:, 1] // np.where(self.double, 2, 1)
        machines = len(cluster.cpu)
        self.count = np.zeros((machines, 3, self.shapes), np.int64)
        here = np.flatnonzero(which >= 0)
        np.add.at(
            self.count, (cluster.machine[here], np.where(cluster.double[here], 2, cluster.node[here]), which[here]), 1
        )
        self.most = int(self.cap.max(initial=0))
        self.width = 2 * self.most + 1

    def best(self, price: FloatArray, move: float) -> tuple[FloatArray, Patterns]:
        """(N,) what the best pattern of each machine is worth, and the patterns."""
        machines = np.arange(len(self.free))
        pairs = _Knapsack(self, self.count[:, :2].reshape(-1, self.shapes), ~self.double, price, move)
        doubles = _Knapsack(self, self.count[:, 2], self.double, price, move)
        net = np.arange(self.width) - self.most
        total = doubles.value.copy()  # (N, S): worth by what doubles free
        choice = []
        for numa in (0, 1):
            # (N, D, S): free after doubles free d and singles s more.
            left = self.free[:, numa, None, None] + net[:, None] + net[None, :]
            fine = (left >= 0) & (left <= self.cap[:, numa, None, None])
            worth = np.where(fine, pairs.value[numa::2, None, :] + left // self.slot, NEVER)
            best = worth.argmax(axis=2)
            choice.append(best)
            total += np.take_along_axis(worth, best[:, :, None], axis=2)[:, :, 0]
        chosen = total.argmax(axis=1)
        value = total[machines, chosen]
        picks = [best[machines, chosen] for best in choice]
        leave, come = np.zeros_like(self.count), np.zeros_like(self.count)
        gone, came = pairs.read(np.stack(picks, axis=1).ravel())
        leave[:, :2], come[:, :2] = gone.reshape(-1, 2, self.shapes), came.reshape(-1, 2, self.shapes)
        leave[:, 2], come[:, 2] = doubles.read(chosen)
        return value, Patterns(machines, leave, come, self.slots(machines, leave, come))

    def slots(self, machine: IntArray, leave: IntArray, come: IntArray) -> IntArray:
        """(M,) slots after patterns."""
        return np.asarray((self.left(machine, leave, come) // self.slot).sum(axis=1))

    def left(self, machine: IntArray, leave: IntArray, come: IntArray) -> IntArray:
        """(M, 2) CPU free after patterns."""
        net = (leave - come) @ self.size
        return np.asarray(self.free[machine] + net[:, :2] + net[:, 2:])


class _Knapsack:
    """Worth of the best VMs that leave and come, by the net CPU that is freed: shape (N, S)."""

    def __init__(self, pricing: Pricing, counts: IntArray, able: np.ndarray, price: FloatArray, move: float) -> None:
        self._able = np.flatnonzero(able)
        self._size = pricing.size
        self._shapes, self._zero = pricing.shapes, pricing.most
        value = np.full((len(counts), pricing.width), NEVER)
        value[:, self._zero] = 0.0
        self._left: list[np.ndarray] = []
        for shape in self._able.tolist():
            count = counts[:, shape]
            value, taken = self._leave(value, int(self._size[shape]), count, price[shape] + move)
            self._left.append(taken)
        # Of comers of a size, only the one that earns most is worth taking; of several, the one with least memory.
        order = self._able[np.lexsort((pricing.memory[self._able], -price[self._able], self._size[self._able]))]
        self._comers = order[np.unique(self._size[order], return_index=True)[1]]
        self._came: list[np.ndarray] = []
        for shape in self._comers.tolist():
            self._came.append(self._come(value, int(self._size[shape]), price[shape]))
        self.value = value

    def _leave(self, value: np.ndarray, size: int, count: np.ndarray, cost: float) -> tuple[np.ndarray, np.ndarray]:
        best, taken = value.copy(), np.zeros(value.shape, np.int16)
        for times in range(1, min(int(count.max(initial=0)), self._zero // max(size, 1)) + 1):
            shifted = np.full(value.shape, NEVER)
            rows = count >= times
            shifted[rows, times * size :] = value[rows, : -times * size] - times * cost
            better = shifted > best + 1e-12
            best[better] = shifted[better]
            taken[better] = times
        return best, taken

    def _come(self, value: np.ndarray, size: int, gain: float) -> np.ndarray:
        took = np.zeros(value.shape, bool)
        for state in range(value.shape[1] - size - 1, -1, -1):
            other = value[:, state + size] + gain
            better = other > value[:, state] + 1e-12
            value[better, state] = other[better]
            took[:, state] = better
        return took

    def read(self, states: IntArray) -> tuple[IntArray, IntArray]:
        """Walk back from states to what was taken: who leaves and who comes, (M, K) each."""
        leave, come = np.zeros((2, len(states), self._shapes), np.int64)
        states, rows = states.copy(), np.arange(len(states))
        for shape, took in zip(self._comers[::-1].tolist(), self._came[::-1], strict=True):
            going = took[rows, states]
            while going.any():
                come[going, shape] += 1
                states[going] += self._size[shape]
                going = going & took[rows, np.minimum(states, took.shape[1] - 1)]
        for shape, taken in zip(self._able[::-1].tolist(), self._left[::-1], strict=True):
            times = taken[rows, states]
            leave[:, shape] = times
            states -= times * self._size[shape]
        return leave, come
