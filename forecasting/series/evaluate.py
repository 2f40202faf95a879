"""Evaluation by rolling origin: one forecast for every test row and horizon, and how it fared.

The training part is the first rows, the test part the last; what lies between belongs to neither, but is known to the
origins behind it. Scores are on the scale that makes the training part of each column run from 0 to 1, so that columns
can be averaged; `raw` has them in the columns' own units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foresail.domain.errors import InputError
from foresail.domain.timeseries import FloatArray
from foresail.forecasting.moving import IntArray
from foresail.forecasting.series.coins import coin_floor
from foresail.forecasting.series.copula import couple
from foresail.forecasting.series.features import Kind, kinds
from foresail.forecasting.series.figures import Figures, Scored, make_figures
from foresail.forecasting.series.series import Series
from foresail.forecasting.series.task import Model, make_task

LEAST_TRAIN_ROWS = 10
LEAST_SPAN = 1e-50  # of a column that varies: squares of the largest values over it are still numbers


@dataclass(frozen=True, slots=True)
class Rules:
    """How a series is split and what is asked.

    Args:
        train: Share of the rows that the training part takes, from the first on.
        test: Share that the test part takes, to the last.
        levels: Quantiles per forecast, at (i + ½)/levels.
        refits: Whether models may be fitted again on rows between the training part and an origin.
        seed: Of everything random.
    """

    train: float = 0.7
    test: float = 0.2
    levels: int = 100
    refits: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A model's forecasts of the test part at one horizon, and their figures.

    Args:
        model: Its name.
        horizon: Rows.
        quantiles: Raw units, shape (T, Q, I).
        samples: Joint, raw units, shape (T, S, I).
        target_rows: Rows of the series, from 0, shape (T,).
        figures: On the training part's scale.
        raw: In the columns' units.
        train_cpu_seconds: All that the model computed for this horizon.
        predict_milliseconds: One forecast of all columns.
        parameters: Numbers that were fitted.
    """

    model: str
    horizon: int
    quantiles: FloatArray
    samples: FloatArray
    target_rows: IntArray
    figures: Figures
    raw: Figures
    train_cpu_seconds: float
    predict_milliseconds: float
    parameters: int


@dataclass(frozen=True, slots=True)
class CoinFloor:
    """What no forecast can be below because of columns that are drawn afresh at every row.

    Args:
        columns: Those columns and their floors on the training part's scale.
        crps: Their share in the mean over all columns.
    """

    columns: dict[str, float]
    crps: float


def split(series: Series, rules: Rules, horizon: int) -> tuple[int, int]:
    """Rows of the training part, and the first row of the test part.

    Raises:
        InputError: A part, or a column in it, has too little to go by.
    """
    rows = len(series)
    train, test = int(rules.train * rows), int(rules.test * rows)
    least = LEAST_TRAIN_ROWS + horizon
    if train < least or test < 1:
        raise InputError(
            series.name,
            "rows",
            f"must leave {least} rows to train and 1 to test at horizon {horizon}",
            value=rows,
            remedy="give a longer series, a shorter horizon or another --split",
        )
    empty = np.flatnonzero(~series.observed[:train].any(axis=0))
    if empty.size:
        raise InputError(
            series.name,
            series.columns[int(empty[0])],
            "has no value in the training part",
            value="only missing cells",
            remedy="drop the column or give more rows",
        )
    return train, rows - test


def evaluate(series: Series, model: Model, horizon: int, rules: Rules, cpu_seconds: Callable[[], float]) -> Evaluation:
    """Forecast every test row from `horizon` rows before it.

    Args:
        series: All rows.
        model: What forecasts.
        horizon: Rows, at least 1.
        rules: Split, levels, seed.
        cpu_seconds: Reads the processor time used so far.

    Raises:
        InputError: The series is too short, or a column empty.
    """
    train, first = split(series, rules, horizon)
    task = make_task(series, horizon, train, levels=rules.levels, refits=rules.refits, seed=rules.seed)
    started = cpu_seconds()
    model.fit(task)
    fitted = cpu_seconds()
    quantiles = model.quantiles(task)
    joint = model.samples(task)
    outcomes = series.values[task.targets]
    skip = first - train
    samples = (
        couple(quantiles, outcomes, task.levels, horizon=horizon, first=skip, seed=rules.seed)
        if joint is None
        else joint[skip:]
    )
    ended = cpu_seconds()
    scored = Scored(series.columns, task.levels, quantiles[skip:], samples, outcomes[skip:])
    low, span = scale(series, train)
    return Evaluation(
        model=model.name,
        horizon=horizon,
        quantiles=scored.quantiles,
        samples=samples,
        target_rows=task.targets[skip:],
        figures=make_figures(scored.scaled(low, span), rules.seed),
        raw=make_figures(scored, rules.seed),
        train_cpu_seconds=ended - started,
        predict_milliseconds=1000.0 * (ended - fitted) / len(task.targets),
        parameters=model.parameters,
    )


def scale(series: Series, train: int) -> tuple[FloatArray, FloatArray]:
    """Least value and span of each column's training part, shape (I,) each; the span of a constant is 1."""
    low = np.nanmin(series.values[:train], axis=0)
    span = np.nanmax(series.values[:train], axis=0) - low
    return low, np.where(span > LEAST_SPAN, span, 1.0)


def find_coin_floor(series: Series, rules: Rules, horizon: int) -> CoinFloor:
    """The floor under every CRPS on this series."""
    train, first = split(series, rules, horizon)
    _, span = scale(series, train)
    floors = {
        name: coin_floor(series.values[:, i], first) / float(span[i])
        for i, (name, kind) in enumerate(zip(series.columns, kinds(series.values[:train]), strict=True))
        if kind is Kind.COIN_FLIP
    }
    return CoinFloor(floors, sum(floors.values()) / len(series.columns))
