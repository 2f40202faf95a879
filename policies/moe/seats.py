"""Experts in slots of GPUs, with replicas, loads and copies kept up to date as slots change: what a search works on.

Rows are independent layers, or several attempts at one. `price` says what it costs to bring an expert to a GPU: a copy
where the GPU did not hold it at the start, and TAKEN where it stands there now, which no operation may pay.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.moe.placement import EMPTY, IntArray, gpu_loads, members, replicas

TAKEN = 16  # far above the copies of any operation


class Seats:
    """A placement that changes.

    Args:
        loads: Load of every expert, shape (R, E).
        slots: Expert of every slot or EMPTY, none twice on a GPU, shape (R, M, S); it is changed in place.
        held: Whether each GPU holds each expert at the start, shape (R, M, E).
    """

    def __init__(self, loads: FloatArray, slots: IntArray, held: BoolArray) -> None:
        self.loads, self.slots, self.held = loads, slots, held
        self.count = replicas(slots, loads.shape[1])
        self.share = loads / np.maximum(self.count, 1)
        present = members(slots, loads.shape[1])
        self.price = np.where(held, np.int8(0), np.int8(1))
        self.price += np.int8(TAKEN) * present
        self.copies = np.asarray((present & ~held).sum(axis=(1, 2)))  # experts that are where they were not, (R,)
        self.load = gpu_loads(loads, slots)
        self.mean = loads.sum(axis=1) / slots.shape[1]

    def rows(self, chosen: IntArray) -> Self:
        """A copy of some rows."""
        return type(self)(self.loads[chosen], self.slots[chosen].copy(), self.held[chosen])

    @property
    def balance(self) -> FloatArray:
        """Load of the busiest GPU over the mean, shape (R,)."""
        mean = np.where(self.mean > 0.0, self.mean, 1.0)
        return np.asarray(np.where(self.mean > 0.0, self.load.max(axis=1) / mean, 1.0))

    def has(self, *place: Any) -> BoolArray:
        """Whether experts stand on GPUs, by any index of (R, M, E)."""
        return np.asarray(self.price[place] >= TAKEN)

    def put(self, rows: IntArray, gpu: IntArray, slot: IntArray, expert: IntArray) -> None:
        """Write an expert into one slot of each of some rows, over what stands there."""
        before = self.slots[rows, gpu, slot]
        there = before != EMPTY
        self._take(rows[there], gpu[there], before[there])
        self.slots[rows, gpu, slot] = expert
        self._count(rows, expert, 1)
        self._bring(rows, gpu, expert)
        self.load[rows, gpu] += self.share[rows, expert]

    def free(self, rows: IntArray, gpu: IntArray, slot: IntArray) -> None:
        """Empty one slot of each of some rows."""
        self._take(rows, gpu, self.slots[rows, gpu, slot])
        self.slots[rows, gpu, slot] = EMPTY

    def swap(self, rows: IntArray, one: tuple[IntArray, IntArray], other: tuple[IntArray, IntArray]) -> None:
        """Exchange the experts of two slots, each given as GPU and slot, in each of some rows."""
        (gpu, slot), (to_gpu, to_slot) = one, other
        a, b = self.slots[rows, gpu, slot], self.slots[rows, to_gpu, to_slot]
        self.slots[rows, gpu, slot], self.slots[rows, to_gpu, to_slot] = b, a
        self._leave(rows, gpu, a)
        self._leave(rows, to_gpu, b)
        self._bring(rows, gpu, b)
        self._bring(rows, to_gpu, a)
        more = self.share[rows, b] - self.share[rows, a]
        self.load[rows, gpu] += more
        self.load[rows, to_gpu] -= more

    def _take(self, rows: IntArray, gpu: IntArray, expert: IntArray) -> None:
        self.load[rows, gpu] -= self.share[rows, expert]
        self._leave(rows, gpu, expert)
        self._count(rows, expert, -1)

    def _bring(self, rows: IntArray, gpu: IntArray, expert: IntArray) -> None:
        self.copies[rows] += self.price[rows, gpu, expert]
        self.price[rows, gpu, expert] += np.int8(TAKEN)

    def _leave(self, rows: IntArray, gpu: IntArray, expert: IntArray) -> None:
        self.price[rows, gpu, expert] -= np.int8(TAKEN)
        self.copies[rows] -= self.price[rows, gpu, expert]

    def _count(self, rows: IntArray, expert: IntArray, more: int) -> None:
        """Change the number of replicas, and so what each of them carries."""
        count = self.count[rows, expert] + more
        share = self.loads[rows, expert] / np.maximum(count, 1)
        self.load[rows] += self.has(rows, slice(None), expert) * (share - self.share[rows, expert])[:, None]
        self.count[rows, expert], self.share[rows, expert] = count, share
