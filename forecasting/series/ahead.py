"""Ahead: forecasts of rows behind the end of a series.

The series is lengthened by rows of which nothing is known, and a model is asked for the last of them: its origin is the
last row that was observed. Rows before it are forecast too, as a model's experts are weighed by how they fared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.errors import ForecastError, InputError
from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.copula import couple, read_at
from foresail.forecasting.series.evaluate import LEAST_TRAIN_ROWS
from foresail.forecasting.series.series import Series
from foresail.forecasting.series.task import Model, Task, make_task

TRAIN_SHARE = 0.7
MOST_WEIGHED_ROWS = 1000  # half of an expert's score is of the last 346 rows
MOST_ROWS = 4000  # that are looked at: fits go back 3000 rows from the first that is weighed


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """The forecast of one row behind the end.

    Args:
        horizon: Rows behind the last one.
        time_seconds: Its instant, seconds since the epoch.
        levels: Of the quantiles, shape (Q,).
        quantiles: Ascending over Q, raw units, shape (Q, I).
        samples: Joint, raw units, shape (S, I).
    """

    horizon: int
    time_seconds: float
    levels: FloatArray
    quantiles: FloatArray
    samples: FloatArray

    def at(self, wanted: FloatArray) -> FloatArray:
        """Quantiles at other levels (W,), linear between and flat beyond those known, shape (W, I)."""
        return np.asarray(read_at(self.quantiles[None], self.levels, wanted)[0])


def step_seconds(series: Series) -> float:
    """The median time between two rows.

    Raises:
        InputError: There is only one row.
    """
    if len(series) < 2:
        raise InputError(
            series.name, "rows", "must be two at least, to tell their step", value=len(series), remedy="give more rows"
        )
    return float(np.median(np.diff(series.times)))


def extend(series: Series, rows: int) -> Series:
    """The series and `rows` more of which nothing is known, a step apart."""
    times = series.times[-1] + step_seconds(series) * np.arange(1, rows + 1)
    unknown = np.full((rows, len(series.columns)), np.nan)
    return Series(
        series.name, series.columns, np.concatenate([series.times, times]), np.concatenate([series.values, unknown])
    )


def ahead_task(series: Series, horizon: int, *, levels: int = 100, seed: int = 0) -> Task:
    """The task whose last target is `horizon` rows behind the end.

    Raises:
        InputError: The series is too short, or a column has no value to go by.
    """
    least = LEAST_TRAIN_ROWS + horizon
    if len(series) < least:
        raise InputError(
            series.name,
            "rows",
            f"must be {least} at least to look {horizon} rows ahead",
            value=len(series),
            remedy="give more rows or a shorter horizon",
        )
    series = _last(series, MOST_ROWS)
    train = max(int(TRAIN_SHARE * len(series)), len(series) - MOST_WEIGHED_ROWS, least)
    empty = np.flatnonzero(~series.observed[:train].any(axis=0))
    if empty.size:
        raise InputError(
            series.name,
            series.columns[int(empty[0])],
            f"has no value in the first {train} of the last {len(series)} rows",
            value="only missing cells",
            remedy="drop the column or give more rows",
        )
    return make_task(extend(series, horizon), horizon, train, levels=levels, seed=seed)


def _last(series: Series, rows: int) -> Series:
    return Series(series.name, series.columns, series.times[-rows:], series.values[-rows:])


def forecast_ahead(task: Task, model: Model) -> Ahead:
    """Forecast the last target of `task`.

    Raises:
        ForecastError: The model answers with what is no forecast.
    """
    quantiles = model.quantiles(task)
    joint = model.samples(task)
    if joint is None:
        outcomes, first = task.values[task.targets], len(task.targets) - 1
        joint = couple(quantiles, outcomes, task.levels, horizon=task.horizon, first=first, seed=task.seed)
    last = quantiles[-1]
    if not (np.isfinite(last).all() and np.isfinite(joint[-1]).all() and (np.diff(last, axis=0) >= 0.0).all()):
        raise ForecastError(
            f"{model.name} gave quantiles at {task.horizon} rows ahead that are not finite and ascending"
        )
    # In an order of chance, so that the first few are as good a sample as any.
    samples = np.random.default_rng(task.seed).permutation(joint[-1])
    return Ahead(task.horizon, float(task.series.times[-1]), task.levels, last, samples)
