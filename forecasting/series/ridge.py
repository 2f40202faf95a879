"""Ridge regression of all columns on the differences of all columns from their own past, fitted again as rows arrive.

What is regressed is the way from an anchor (the last value, or a level mean) to the target, h rows ahead, so that with
all coefficients zero the anchor is forecast. Rows are served in blocks; a block's fit ends at its first origin.

References:
    Hoerl and Kennard (1970), Ridge Regression, Technometrics 12.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.forecasting.moving import IntArray
from foresail.forecasting.series.features import SPANS, calendar, known_as, level_means, regressors
from foresail.forecasting.series.task import Task

PENALTY = 50.0  # on standardised regressors, as rows that say zero
REFIT_ROWS = 144
MOST_ROWS = 3000  # a fit looks back so far
LEAST_ROWS = 24
MOST_DEVIATIONS = 4.0  # of a regressor; a spike says no more than that
TOGETHER = 16  # columns that are regressed on each other
BACK_TO = 0.45  # of the training part: forecasts as of before its end begin here, for their residuals


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Expectations of every row as of its origin.

    Args:
        anchors: As known at the target's origin, each shape (n, I).
        expected: Likewise; the anchor itself where nothing could be fitted yet.
        first: First row that a regression expected.
        parameters: Coefficients of one fit.
    """

    anchors: tuple[FloatArray, ...]
    expected: tuple[FloatArray, ...]
    first: int
    parameters: int


def regress(task: Task, period: int | None) -> Regression:
    """Forecast every row from `first` on from each anchor: the last value and the level means of 12 and 72 rows."""
    seen = known_as(task.carried, task.kinds)
    means = level_means(task.carried, SPANS[:2])
    anchors = tuple(task.lagged(rows) for rows in (task.carried, means[0], means[1]))
    expected = tuple(anchor.copy() for anchor in anchors)
    first = max(int(BACK_TO * task.train_rows), task.horizon)
    parameters = 0
    width = task.carried.shape[1]
    for start in range(0, width, TOGETHER):
        columns = np.arange(start, min(start + TOGETHER, width))
        inputs = _inputs(task, seen[:, columns], period)
        parameters += len(anchors) * columns.size * (inputs.shape[1] + 1)
        for rows, fit_rows in blocks(task, first):
            _serve(task, inputs, columns, rows, fit_rows, anchors, expected)
    return Regression(anchors, expected, first, parameters)


def blocks(task: Task, first: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Targets from `first` on, a block at a time, and the targets that its fit may see."""
    for start in range(first, len(task.series), REFIT_ROWS):
        end = task.fit_end(start)
        fit_rows = np.arange(max(task.horizon, end - MOST_ROWS), max(end, task.horizon))
        yield np.arange(start, min(start + REFIT_ROWS, len(task.series))), fit_rows


def _inputs(task: Task, seen: FloatArray, period: int | None) -> FloatArray:
    """Regressors by target: what its origin knew, and the target's own place in day and week."""
    known = task.lagged(regressors(seen, period, task.horizon))
    return np.concatenate([known, calendar(task.foreseen_times)], axis=1)


def _serve(
    task: Task,
    inputs: FloatArray,
    columns: IntArray,
    rows: IntArray,
    fit_rows: IntArray,
    anchors: Sequence[FloatArray],
    expected: Sequence[FloatArray],
) -> None:
    if fit_rows.size < LEAST_ROWS:
        return
    mean, deviation = inputs[fit_rows].mean(axis=0), inputs[fit_rows].std(axis=0)
    deviation = np.where(deviation > 1e-9 * np.abs(inputs[fit_rows]).max(axis=0), deviation, np.inf)
    known = _standardised(inputs[fit_rows], mean, deviation)
    asked = _standardised(inputs[rows], mean, deviation)
    outcomes = task.values[np.ix_(fit_rows, columns)]
    present = np.isfinite(outcomes)
    for mask, members in _alike(present):
        gram = known[mask].T @ known[mask]
        gram[np.diag_indices_from(gram)] += np.append(np.full(len(gram) - 1, PENALTY), 1e-6)
        which = columns[members]
        ways = np.concatenate(
            [outcomes[np.ix_(mask, members)] - anchor[np.ix_(fit_rows[mask], which)] for anchor in anchors], axis=1
        )
        reached = asked @ np.linalg.solve(gram, known[mask].T @ ways)
        for number, (anchor, expectation) in enumerate(zip(anchors, expected, strict=True)):
            part = reached[:, number * which.size : (number + 1) * which.size]
            expectation[np.ix_(rows, which)] = anchor[np.ix_(rows, which)] + part


def _standardised(inputs: FloatArray, mean: FloatArray, deviation: FloatArray) -> FloatArray:
    scaled = np.clip((inputs - mean) / deviation, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    return np.concatenate([scaled, np.ones((len(inputs), 1))], axis=1)


def _alike(present: BoolArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Columns that are observed in the same rows: those rows, and the columns."""
    groups: dict[bytes, list[int]] = {}
    for column in range(present.shape[1]):
        groups.setdefault(present[:, column].tobytes(), []).append(column)
    for members in groups.values():
        rows = np.flatnonzero(present[:, members[0]])
        if rows.size:
            yield rows, np.array(members)
