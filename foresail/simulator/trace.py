"""Traces: what was asked of a model over time, either each request or rates per interval.

Three forms of CSV are read, told apart by their header (interfaces of `foresail replay`):

    arrival_seconds,input_tokens,output_tokens                                     requests
    TIMESTAMP,ContextTokens,GeneratedTokens                                        requests, as Azure publishes them
    time_s,requests_per_second,mean_input_tokens,mean_output_tokens[,arrival_cv]   rates

More columns may stand beside these. Times of requests count from the first one.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from foresail.domain.errors import InputError
from foresail.domain.timeseries import FloatArray

REQUEST_COLUMNS: Final = ("arrival_seconds", "input_tokens", "output_tokens")
AZURE_COLUMNS: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
RATE_COLUMNS: Final = ("time_s", "requests_per_second", "mean_input_tokens", "mean_output_tokens")
CV_COLUMN: Final = "arrival_cv"


@dataclass(frozen=True, slots=True, eq=False)
class RequestTrace:
    """Single requests in order of arrival; each array has shape (N,), seconds from the first one and tokens."""

    arrival_seconds: FloatArray
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]

    @property
    def duration_seconds(self) -> float:
        """From the start to the last arrival."""
        return float(self.arrival_seconds[-1])

    def to_rates(self, step_seconds: float) -> RateTrace:
        """Rates per interval; token lengths of an interval without requests are those of the whole trace."""
        rows = int(self.duration_seconds // step_seconds) + 1
        row = (self.arrival_seconds // step_seconds).astype(np.int64)
        counts = np.bincount(row, minlength=rows).astype(np.float64)

        def mean(tokens: NDArray[np.int64]) -> FloatArray:
            sums = np.bincount(row, weights=tokens, minlength=rows)
            means: FloatArray = np.full(rows, float(tokens.mean()))
            return np.divide(sums, counts, out=means, where=counts > 0)

        return RateTrace(
            step_seconds, counts / step_seconds, mean(self.input_tokens), mean(self.output_tokens), np.ones(rows)
        )


@dataclass(frozen=True, slots=True, eq=False)
class RateTrace:
    """Rates over equal intervals from time 0.

    Args:
        step_seconds: Length of an interval.
        requests_per_second: Shape (N,), not negative.
        input_tokens: Mean per request, shape (N,).
        output_tokens: Mean per request, shape (N,).
        arrival_cv: Coefficient of variation of the time between two arrivals, shape (N,); 1 is a Poisson process.
    """

    step_seconds: float
    requests_per_second: FloatArray
    input_tokens: FloatArray
    output_tokens: FloatArray
    arrival_cv: FloatArray

    def __len__(self) -> int:
        return len(self.requests_per_second)

    @property
    def duration_seconds(self) -> float:
        """Length of the trace."""
        return len(self) * self.step_seconds

    def rows(self, start: int, end: int) -> RateTrace:
        """The part from row `start` to before row `end`."""
        part = slice(start, end)
        return RateTrace(
            self.step_seconds,
            self.requests_per_second[part],
            self.input_tokens[part],
            self.output_tokens[part],
            self.arrival_cv[part],
        )

    def faster(self, speed: float) -> RateTrace:
        """The same rates over intervals `speed` times shorter: days pass in hours, a second still has its requests."""
        return RateTrace(
            self.step_seconds / speed,
            self.requests_per_second,
            self.input_tokens,
            self.output_tokens,
            self.arrival_cv,
        )


def read_trace(path: Path) -> RequestTrace | RateTrace:
    """Read a trace of any of the three forms.

    Raises:
        InputError: It cannot be understood; says where and what to do.
    """
    columns = _read_columns(path)
    if set(REQUEST_COLUMNS) <= set(columns):
        arrival = _numbers(path, columns, "arrival_seconds")
        return _requests(path, columns, arrival, REQUEST_COLUMNS)
    if set(AZURE_COLUMNS) <= set(columns):
        return _requests(path, columns, _timestamps(path, columns["TIMESTAMP"]), AZURE_COLUMNS)
    if set(RATE_COLUMNS) <= set(columns):
        return _rates(path, columns)
    raise InputError(
        str(path),
        "header",
        "no known form of a trace",
        value=",".join(columns)[:100],
        remedy=f"use the columns {','.join(REQUEST_COLUMNS)} or {','.join(AZURE_COLUMNS)} or {','.join(RATE_COLUMNS)}",
    )


def _read_columns(path: Path) -> dict[str, list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            str(path), "file", f"cannot be read ({error})", value=path.name, remedy="name a CSV"
        ) from error
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(
                str(path),
                f"row {number}",
                "has another number of cells than the header",
                value=len(row),
                remedy="mend it",
            )
    if not rows:
        raise InputError(str(path), "rows", "the trace is empty", value=0, remedy="give at least one row")
    return {name.strip(): [row[place] for row in rows] for place, name in enumerate(header)}


def _numbers(path: Path, columns: Mapping[str, Sequence[str]], name: str, *, least: float = 0.0) -> FloatArray:
    numbers = np.empty(len(columns[name]))
    for place, cell in enumerate(columns[name]):
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < least:
            raise InputError(
                str(path), f"{name}, row {place + 2}", f"no number of at least {least:g}", value=cell, remedy="mend it"
            )
        numbers[place] = number
    return numbers


def _timestamps(path: Path, cells: Sequence[str]) -> FloatArray:
    try:
        instants = np.array([cell.strip() for cell in cells], dtype="datetime64[ns]")
    except ValueError as error:
        raise InputError(
            str(path), "TIMESTAMP", "no time", value=cells[0], remedy="write 2023-11-16 18:15:46.68"
        ) from error
    seconds: FloatArray = (instants - instants.min()).astype(np.int64) / 1e9
    return seconds


def _requests(
    path: Path, columns: Mapping[str, Sequence[str]], arrival: FloatArray, names: tuple[str, str, str]
) -> RequestTrace:
    order = np.argsort(arrival, kind="stable")
    arrival = arrival[order] - arrival.min()
    inputs = np.maximum(np.rint(_numbers(path, columns, names[1])[order]), 1).astype(np.int64)
    outputs = np.maximum(np.rint(_numbers(path, columns, names[2])[order]), 1).astype(np.int64)
    return RequestTrace(arrival, inputs, outputs)


def _rates(path: Path, columns: Mapping[str, Sequence[str]]) -> RateTrace:
    times = _numbers(path, columns, "time_s")
    steps = np.diff(times)
    step = float(steps[0]) if len(steps) else 600.0
    if len(steps) and (step <= 0 or not np.allclose(steps, step, rtol=1e-6)):
        place = int(np.argmax(~np.isclose(steps, step, rtol=1e-6))) if step > 0 else 0
        raise InputError(
            str(path),
            f"time_s, row {place + 3}",
            f"rows must be {step:g} s apart, as the first two are",
            value=columns["time_s"][place + 1],
            remedy="sort and fill the rows",
        )
    rates = _numbers(path, columns, "requests_per_second")
    lengths = (_numbers(path, columns, name) for name in RATE_COLUMNS[2:])
    cv = _numbers(path, columns, CV_COLUMN) if CV_COLUMN in columns else np.ones(len(times))
    inputs, outputs = (_fill(tokens, rates > 0) for tokens in lengths)
    return RateTrace(step, rates, inputs, outputs, cv)


def _fill(tokens: FloatArray, asked: NDArray[np.bool_]) -> FloatArray:
    """Token lengths, at least 1; where nothing was asked they are taken from the neighbors."""
    if not asked.any():
        return np.ones_like(tokens)
    rows = np.arange(len(tokens))
    filled: FloatArray = np.interp(rows, rows[asked], tokens[asked])
    return np.maximum(filled, 1.0)
