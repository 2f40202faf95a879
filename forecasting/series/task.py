"""A task: forecast every row of a series from `horizon` rows before it; and what can do that, a model.

Everything known up to a target's origin (`target - horizon`) may be used, nothing after it. Rows are computed together
for speed; that a row does not see its future is tested over all models by altering it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.moving import IntArray
from foresail.forecasting.series.features import Kind, back, kinds
from foresail.forecasting.series.series import Series


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is to be forecast.

    Args:
        series: n rows of I indicators.
        horizon: Rows between origin and target, at least 1.
        train_rows: Rows of the training part; forecasts are asked for all rows behind it.
        levels: Levels of the quantiles, ascending in (0, 1), shape (Q,).
        carried: The series with holes filled by what was last observed, shape (n, I).
        kinds: What each column is, by its training part, length I.
        refits: Whether what is fitted may be fitted again on the rows between the training part and an origin.
        seed: Of everything random.
    """

    series: Series
    horizon: int
    train_rows: int
    levels: FloatArray
    carried: FloatArray
    kinds: tuple[Kind, ...]
    refits: bool = True
    seed: int = 0

    @property
    def values(self) -> FloatArray:
        """The series, NaN where missing, shape (n, I)."""
        return self.series.values

    @property
    def targets(self) -> IntArray:
        """Rows behind the training part, shape (T,)."""
        return np.arange(self.train_rows, len(self.series))

    @property
    def step_seconds(self) -> float:
        """Median time between rows of the training part, 0 where it has fewer than two."""
        return float(np.median(np.diff(self.series.times[: self.train_rows]))) if self.train_rows > 1 else 0.0

    @property
    def foreseen_times(self) -> FloatArray:
        """When each row is, as its origin foresees it, seconds since the epoch, shape (n,)."""
        return self.lagged(self.series.times) + self.horizon * self.step_seconds

    def lagged(self, rows: FloatArray, lag: int | None = None) -> FloatArray:
        """Rows (n, …) moved so that a target finds what stood `lag` (default: the horizon) rows before it."""
        return back(rows, self.horizon if lag is None else lag)

    def fit_end(self, target: int) -> int:
        """The row before which a fit that serves `target` and rows behind it must end."""
        known = max(target - self.horizon + 1, 0)
        return known if self.refits else min(known, self.train_rows)


def make_task(
    series: Series, horizon: int, train_rows: int, *, levels: int = 100, refits: bool = True, seed: int = 0
) -> Task:
    """A task with `levels` quantiles at (i + ½)/levels."""
    return Task(
        series=series,
        horizon=horizon,
        train_rows=train_rows,
        levels=(np.arange(levels) + 0.5) / levels,
        carried=series.carried(),
        kinds=kinds(series.values[:train_rows]),
        refits=refits,
        seed=seed,
    )


class Model(Protocol):
    """A way to forecast; what it learned from the training part is its own."""

    @property
    def name(self) -> str:
        """As in `--models`."""

    @property
    def parameters(self) -> int:
        """Numbers that were fitted, 0 before."""

    def fit(self, task: Task) -> None:
        """Learn from the first `task.train_rows` rows."""

    def quantiles(self, task: Task) -> FloatArray:
        """Quantiles of every target in raw units, ascending, shape (T, Q, I)."""

    def samples(self, task: Task) -> FloatArray | None:
        """Joint samples of every target, shape (T, S, I); None: draw them from the quantiles by past ranks."""
