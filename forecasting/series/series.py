"""A series: the rows of a CSV in order of time, with what is missing marked and never filled with zero.

The first column is the time (ISO 8601, or seconds), every other one an indicator. An empty, `NaN` or infinite cell is
missing. Rows out of order are sorted; of rows with the same time one is left, each cell the last that was observed.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from foresail.domain.errors import InputError
from foresail.domain.timeseries import BoolArray, FloatArray

LARGEST = 1e100  # its square and sums of squares are still numbers


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """I indicators at n instants.

    Args:
        name: Where it was read from, for messages.
        columns: Names, length I.
        times: Seconds since the epoch, strictly ascending, shape (n,).
        values: Shape (n, I); NaN where missing.
    """

    name: str
    columns: tuple[str, ...]
    times: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.shape != (self.times.size, len(self.columns)):
            raise ValueError(f"values must be {(self.times.size, len(self.columns))}, got {self.values.shape}")
        self.times.flags.writeable = False
        self.values.flags.writeable = False

    def __len__(self) -> int:
        return int(self.times.size)

    @property
    def observed(self) -> BoolArray:
        """What is not missing, shape (n, I)."""
        return np.isfinite(self.values)

    def carried(self) -> FloatArray:
        """The value last observed at each row, shape (n, I); before the first one, the first one."""
        observed = self.observed
        rows = np.maximum.accumulate(np.where(observed, np.arange(len(self))[:, None], -1), axis=0)
        rows = np.where(rows < 0, observed.argmax(axis=0), rows)
        return np.take_along_axis(self.values, rows, axis=0)


def parse_series(text: str, name: str) -> Series:
    """Read a series.

    Raises:
        InputError: The text is no such table; names column and cell.
    """
    rows = _rows(text, name)
    header = tuple(cell.strip() for cell in rows[0][1]) if rows else ()
    _check_header(header, name)
    body = rows[1:]
    if not body:
        raise InputError(name, header[0], "has no rows below the header", value=0, remedy="give rows of observations")
    for line, row in body:
        if len(row) != len(header):
            raise InputError(
                name, f"line {line}", f"must have {len(header)} cells", value=len(row), remedy="fill or drop the row"
            )
    times = np.array([_instant(row[0], name, header[0], line) for line, row in body])
    values = np.array(
        [[_number(cell, name, header[i + 1], line) for i, cell in enumerate(row[1:])] for line, row in body]
    )
    return _in_order(Series(name, header[1:], times, values))


def _rows(text: str, name: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(text.splitlines())
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(
            name, f"line {reader.line_num}", "is not CSV", value=str(error), remedy="save it as plain CSV"
        ) from error


def _check_header(header: Sequence[str], name: str) -> None:
    if len(header) < 2:
        raise InputError(
            name,
            "header",
            "must name a time column and at least one indicator",
            value=",".join(header),
            remedy="give `time,NAME,…`",
        )
    if all(_is_number(cell) for cell in header[1:]):
        raise InputError(
            name, "header", "holds numbers", value=",".join(header)[:60], remedy="name the columns in the first row"
        )
    twice = next((cell for i, cell in enumerate(header) if cell in header[:i] or not cell), None)
    if twice is not None:
        raise InputError(
            name, "header", "column names must be unique and not empty", value=twice, remedy="rename the column"
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _instant(cell: str, name: str, column: str, line: int) -> float:
    text = cell.strip()
    try:
        instant = float(text) if _is_number(text) else _iso(text)
    except ValueError:
        instant = float("nan")
    if not np.isfinite(instant):
        raise InputError(
            name, column, f"line {line} is no time", value=cell, remedy="give ISO 8601 or seconds since the epoch"
        )
    return instant


def _iso(text: str) -> float:
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).timestamp()


def _number(cell: str, name: str, column: str, line: int) -> float:
    text = cell.strip()
    if not text:
        return float("nan")
    if not _is_number(text) or "_" in text:
        raise InputError(
            name, column, f"line {line} is not a number", value=cell, remedy="give a number, or leave the cell empty"
        )
    value = float(text)
    if np.isfinite(value) and abs(value) > LARGEST:
        raise InputError(
            name, column, f"line {line} is too large", value=cell, remedy=f"give at most {LARGEST:g}, in another unit"
        )
    return value if np.isfinite(value) else float("nan")


def _in_order(series: Series) -> Series:
    """Sort by time and merge rows of the same time."""
    order = np.argsort(series.times, kind="stable")
    times, values = series.times[order], series.values[order].copy()
    same = np.flatnonzero(np.diff(times) == 0.0)
    for row in same:  # ascending, so a run of equal times ends in its last row
        values[row + 1] = np.where(np.isfinite(values[row + 1]), values[row + 1], values[row])
    return Series(series.name, series.columns, np.delete(times, same), np.delete(values, same, axis=0))
