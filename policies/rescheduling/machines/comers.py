"""What VMs that come can earn in the room that a NUMA node has: a knapsack over CPU and memory, the same for all."""

from __future__ import annotations

from typing import Final

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray

NEVER: Final = -1e9
_LEAST = 1e-12  # of a gain that is one


class Comers:
    """The best use of every room, of CPU c and memory m in grid units.

    Args:
        rest: (C + 1, M + 1) what room is worth when nobody comes.
        shapes: Who may come.
        size: (K,) CPU of each shape.
        memory: (K,).
        price: (K,) earned by each that comes.

    Attributes:
        value: (C + 1, M + 1).
    """

    def __init__(self, rest: FloatArray, shapes: IntArray, size: IntArray, memory: IntArray, price: FloatArray) -> None:
        self.value = rest.copy()
        self._size, self._memory = size, memory
        self._last = np.full(rest.shape, -1, np.int64)
        for shape in _undominated(shapes[price[shapes] > _LEAST], size, memory, price):
            self._offer(shape, int(size[shape]), int(memory[shape]), float(price[shape]))

    def _offer(self, shape: int, size: int, memory: int, gain: float) -> None:
        most_cpu, most_memory = self.value.shape
        if size >= most_cpu or memory >= most_memory:
            return
        for cpu in range(size, most_cpu) if size else ():
            self._take(shape, gain, np.s_[cpu, memory:], np.s_[cpu - size, : most_memory - memory])
        for room in () if size else range(memory, most_memory):
            self._take(shape, gain, np.s_[:, room], np.s_[:, room - memory])

    def _take(self, shape: int, gain: float, here: tuple[object, ...], less: tuple[object, ...]) -> None:
        other, value = self.value[less] + gain, self.value[here]  # type: ignore[index]
        better = other > value + _LEAST
        value[better] = other[better]
        self._last[here][better] = shape  # type: ignore[index]

    def frontier(self) -> tuple[IntArray, IntArray]:
        """CPU and memory of rooms that earn more than any that is smaller."""
        best = np.maximum.accumulate(np.maximum.accumulate(self.value, axis=0), axis=1)
        smaller = np.full_like(best, NEVER)
        smaller[1:] = best[:-1]
        smaller[:, 1:] = np.maximum(smaller[:, 1:], best[:, :-1])
        cpu, memory = np.nonzero(self.value > smaller + _LEAST)
        return cpu, memory

    def read(self, cpu: IntArray, memory: IntArray) -> IntArray:
        """(M, K) who comes into each of M rooms."""
        come = np.zeros((len(cpu), len(self._size)), np.int64)
        cpu, memory, rows = cpu.copy(), memory.copy(), np.arange(len(cpu))
        while len(rows := rows[self._last[cpu[rows], memory[rows]] >= 0]):
            last = self._last[cpu[rows], memory[rows]]
            come[rows, last] += 1
            cpu[rows] -= self._size[last]
            memory[rows] -= self._memory[last]
        return come


def _undominated(shapes: IntArray, size: IntArray, memory: IntArray, price: FloatArray) -> list[int]:
    """Without those that take as much as another, or more, and earn less."""
    kept: list[int] = []
    for shape in sorted(shapes.tolist(), key=lambda one: (-price[one], size[one], memory[one])):
        if not any(size[other] <= size[shape] and memory[other] <= memory[shape] for other in kept):
            kept.append(shape)
    return kept
