"""Moving means over rows, of which some do not count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import BoolArray, FloatArray

IntArray = NDArray[np.intp]


def moving_means(values: FloatArray, observed: BoolArray, spans: Sequence[int]) -> FloatArray:
    """Means of the rows that count among the last `span`, one span after the other, shape (len(spans), T, I).

    Where no row counts, the row's own value stands.
    """
    return Sums.of(values, observed).means(spans)


class Sums(NamedTuple):
    """Rows (I, T), and sums (I, T + 1) and numbers (T + 1,) of those that count before each row and after the last."""

    values: FloatArray
    sums: FloatArray
    numbers: FloatArray

    @classmethod
    def of(cls, values: FloatArray, observed: BoolArray) -> Self:
        """Add up values (T, I), observed (T,)."""
        columns = np.ascontiguousarray(values.T)
        sums = np.zeros((columns.shape[0], len(values) + 1))
        np.cumsum(columns * observed, axis=1, out=sums[:, 1:])
        numbers = np.zeros(len(values) + 1)
        np.cumsum(observed, out=numbers[1:])
        return cls(columns, sums, numbers)

    def means(self, spans: Sequence[int]) -> FloatArray:
        """Means of the last `span` rows at every row, shape (len(spans), T, I)."""
        found = np.repeat(self.sums[None, :, 1:], len(spans), axis=0)
        for total, span in zip(found, spans, strict=True):
            within = self.numbers[1:].copy()
            total[:, span:] -= self.sums[:, 1:-span]
            within[span:] -= self.numbers[1:-span]
            np.divide(total, np.maximum(within, 1.0), out=total)
            np.copyto(total, self.values, where=within == 0.0)
        return found.transpose(0, 2, 1)

    def means_since(self, starts: IntArray, *, most: int) -> FloatArray:
        """Means from `starts` (T, I) on, of `most` rows, until each row; shape (T, I)."""
        first = np.maximum(starts.T, np.arange(1, self.numbers.size) - most)
        within = self.numbers[1:] - self.numbers[first]
        total = self.sums[:, 1:] - np.take_along_axis(self.sums, first, axis=1)
        return np.where(within > 0.0, total / np.maximum(within, 1.0), self.values).T
