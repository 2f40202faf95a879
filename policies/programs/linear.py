"""A mixed-integer linear program as arrays: columns, rows and entries are added in blocks and never one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foresail.domain.timeseries import BoolArray, FloatArray

IntArray = NDArray[np.int64]
INFINITY = float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Entries by column, as solvers want them: those of column j are at `start[j]` … `start[j + 1]`."""

    start: IntArray
    row: IntArray
    value: FloatArray


@dataclass(slots=True, eq=False)
class LinearProgram:
    """Minimise cost · x, lower ≤ x ≤ upper, row_lower ≤ A x ≤ row_upper, some x whole. Mutable: it grows in blocks."""

    _columns: list[FloatArray] = field(default_factory=list)
    _rows: list[FloatArray] = field(default_factory=list)
    _entries: list[tuple[IntArray, IntArray, FloatArray]] = field(default_factory=list)
    columns: int = 0
    rows: int = 0

    def add_columns(
        self,
        count: int,
        *,
        cost: ArrayLike = 0.0,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = INFINITY,
        whole: bool = False,
    ) -> IntArray:
        """Add `count` unknowns; returns their indexes."""
        block = np.empty((4, count))
        block[0], block[1], block[2], block[3] = cost, lower, upper, whole
        self._columns.append(block)
        self.columns += count
        return np.arange(self.columns - count, self.columns)

    def add_rows(self, count: int, *, lower: ArrayLike = -INFINITY, upper: ArrayLike = INFINITY) -> IntArray:
        """Add `count` constraints without entries; returns their indexes."""
        block = np.empty((2, count))
        block[0], block[1] = lower, upper
        self._rows.append(block)
        self.rows += count
        return np.arange(self.rows - count, self.rows)

    def put(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """Put entries; the three are broadcast against each other."""
        row, column, value = np.broadcast_arrays(rows, columns, np.asarray(values, dtype=np.float64))
        self._entries.append((row.ravel(), column.ravel(), value.ravel()))

    @property
    def cost(self) -> FloatArray:
        """Shape (columns,)."""
        return self._column_block(0)

    @property
    def lower(self) -> FloatArray:
        """Shape (columns,)."""
        return self._column_block(1)

    @property
    def upper(self) -> FloatArray:
        """Shape (columns,)."""
        return self._column_block(2)

    @property
    def whole(self) -> BoolArray:
        """Shape (columns,): which must be whole numbers."""
        return self._column_block(3) > 0.0

    def row_limits(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper limits, shape (rows,) each."""
        limits = np.concatenate([*self._rows, np.empty((2, 0))], axis=1)
        return limits[0], limits[1]

    def matrix(self) -> Matrix:
        """All entries, by column and then by row."""
        empty = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        row, column, value = (np.concatenate(parts) for parts in zip(*self._entries, empty, strict=True))
        order = np.lexsort((row, column))
        start = np.searchsorted(column[order], np.arange(self.columns + 1))
        return Matrix(start, row[order], value[order])

    def _column_block(self, which: int) -> FloatArray:
        return np.concatenate([*(block[which] for block in self._columns), np.empty(0)])
