"""Baselines: a base that is known at the origin, and around it what the same base missed lately.

| base | with its residuals this is |
|---|---|
| the last value | last value + rolling residuals |
| zero | the rolling marginal |
| the exponentially smoothed level | simple exponential smoothing |
| the row one period before the target | seasonal naive |
| a regression | ridge + rolling conformal residuals |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.past import Past
from foresail.forecasting.season import DAY_SECONDS, find_periods
from foresail.forecasting.series.features import Kind
from foresail.forecasting.series.rolling import rolling_quantiles
from foresail.forecasting.series.task import Task

NEAR = 0.02  # of a period: as good as the same
LEAST_DAYS, LEAST_DAY_ROWS = 3, 6
EVERY_KIND = frozenset(Kind)
PREDICTABLE = frozenset({Kind.LEVEL, Kind.COUNTER})
MOVING = PREDICTABLE | {Kind.COIN_FLIP}


class Expert(Protocol):
    """One view of the future of every column."""

    @property
    def name(self) -> str:
        """Unique in a panel."""

    @property
    def serves(self) -> frozenset[Kind]:
        """Kinds of columns it is asked about."""

    def quantiles(self, task: Task, column: int) -> FloatArray:
        """Quantiles of all targets, raw units, shape (T, Q)."""


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """A base, shape (n, I), each row known at its target's origin, and the last `window` residuals around it."""

    name: str
    base: FloatArray
    window: int
    serves: frozenset[Kind] = PREDICTABLE

    def quantiles(self, task: Task, column: int) -> FloatArray:
        """Quantiles of all targets, shape (T, Q)."""
        base = self.base[:, column]
        residuals = task.values[:, column] - base
        residuals[: task.horizon] = np.nan  # their bases are not of a true origin
        spread = rolling_quantiles(residuals, task.targets - task.horizon + 1, self.window, task.levels)
        return np.asarray(base[task.targets, None] + spread)


def last_value(task: Task, window: int) -> Around:
    """The last value and what h rows changed it by."""
    return Around(f"last-{window}", task.lagged(task.carried), window, EVERY_KIND - {Kind.COIN_FLIP})


def marginal(task: Task, window: int) -> Around:
    """What the last `window` rows showed, in any order."""
    return Around(f"marginal-{window}", np.zeros_like(task.carried), window, frozenset({Kind.LEVEL, Kind.COIN_FLIP}))


def smoothed(task: Task, share: float, window: int) -> Around:
    """The level that follows each row by a share of its distance."""
    level = task.carried.copy()
    for row in range(1, len(level)):
        level[row] = level[row - 1] + share * (level[row] - level[row - 1])
    return Around(f"smoothed-{share}", task.lagged(level), window, frozenset({Kind.LEVEL}))


def seasonal(task: Task, period: int, window: int) -> Around:
    """The row a period (or as many as the horizon needs) before the target."""
    lag = period * -(-task.horizon // period)
    base = np.where(
        (np.arange(len(task.series)) >= lag)[:, None], task.lagged(task.carried, lag), task.lagged(task.carried)
    )
    return Around(f"seasonal-{period}", base, window)


def periods(task: Task) -> tuple[int, ...]:
    """Seasons of the training part in rows: what most columns agree on, then the day where it fits; at most two.

    Columns are taken as ranks, so that spikes and units do not tell.
    """
    training = task.carried[: task.train_rows]
    found = [
        period
        for column, kind in zip(training.T, task.kinds, strict=True)
        if kind is Kind.LEVEL
        for period in _column_periods(column)
    ]
    agreed = _most_agreed(found)
    day = _day(task)
    if day is not None and (agreed is None or abs(agreed - day) > NEAR * day):
        return (day,) if agreed is None else (agreed, day)
    return () if agreed is None else (agreed,)


def _column_periods(column: FloatArray) -> list[float]:
    ranks = np.searchsorted(np.sort(column), column, side="right") / column.size
    whole = np.ones(column.size, dtype=np.bool_)
    return list(find_periods(Past(ranks[:, None], whole, step_seconds=1.0, end=0.0, stale_rows=0)))


def _most_agreed(found: list[float]) -> int | None:
    """The period that most are near to; of one column alone, none, unless there is one column that says anything."""
    votes = [sum(abs(other - period) <= NEAR * period for other in found) for period in found]
    if not found or (max(votes) < 2 < len(found)):
        return None
    return max(round(found[votes.index(max(votes))]), 1)


def _day(task: Task) -> int | None:
    """Rows of a day, where the training part holds a few of them and enough rows each."""
    if task.train_rows < 2:
        return None
    rows = round(DAY_SECONDS / task.step_seconds)
    return rows if LEAST_DAY_ROWS <= rows <= task.train_rows // LEAST_DAYS else None
