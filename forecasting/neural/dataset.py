"""The data set: every row's scores in the mixture's forecast, and what the row's origin knew of each indicator.

All of a row's context is of its origin or before, free of units, and 0 where nothing is known:

| what | of each indicator |
|---|---|
| errors | its last scores, their means and sizes over some windows |
| places | where the last values, level means, and a day ago would stand in the forecast of the target |
| shape | of that forecast: how wide against the usual, how skewed, how heavy its tails |
| calendar | the target's place in day and week |
| kind | constant, coin-flip, counter or level |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.marginals import Marginals
from foresail.forecasting.season import DAY_SECONDS
from foresail.forecasting.series.features import Kind, calendar, level_means
from foresail.forecasting.series.task import Task

ERROR_LAGS = (0, 1, 2, 3)
ERROR_SPANS = (6, 36, 144)
PLACE_LAGS = (0, 1, 2, 3, 6)
LEVEL_SPANS = (6, 24, 72, 288)
UNFORESEEN = (Kind.CONSTANT, Kind.COIN_FLIP)  # nothing known foresees more than the mixture does
USUAL_ROWS = 288
WIDEST = 3.0  # of the logarithm of a ratio


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """N rows to learn from.

    Args:
        scores: NaN where missing, and where nothing can be learned, shape (N, I).
        context: Shape (N, I, C).
        marginals: Whose scores they are.
        outcomes: Raw units, shape (N, I).
    """

    scores: FloatArray
    context: FloatArray
    marginals: Marginals
    outcomes: FloatArray

    def __len__(self) -> int:
        return len(self.scores)

    def rows(self, start: int, end: int) -> Examples:
        """Those from `start` to before `end`."""
        part = slice(start, end)
        marginals = Marginals(self.marginals.quantiles[part], self.marginals.levels)
        return Examples(self.scores[part], self.context[part], marginals, self.outcomes[part])


def make_examples(task: Task, quantiles: FloatArray, *, seed: int) -> Examples:
    """Examples of all targets of a task from the mixture's quantiles of them (T, Q, I)."""
    marginals = Marginals(quantiles, task.levels)
    outcomes = task.values[task.targets]
    # A row's chance is its own: rows that follow change nothing in it.
    chance = np.random.default_rng(seed).random(outcomes.shape)
    scores = marginals.scores(outcomes, chance)
    scores[:, [kind in UNFORESEEN for kind in task.kinds]] = np.nan
    return Examples(scores, _context(task, marginals, scores), marginals, outcomes)


def _context(task: Task, marginals: Marginals, scores: FloatArray) -> FloatArray:
    columns = [*_errors(scores, task.horizon), *_places(task, marginals), *_forms(marginals)]
    there = calendar(task.foreseen_times[task.targets])
    alike = [np.broadcast_to(row[:, None], scores.shape) for row in there.T]
    fixed = [np.broadcast_to(row, scores.shape) for row in _fixed(task)]
    return np.stack([*columns, *alike, *fixed], axis=2)


def _errors(scores: FloatArray, horizon: int) -> list[FloatArray]:
    """Scores that were known at each target's origin, and means of them and of their sizes."""
    seen = np.isfinite(scores)
    known = np.where(seen, scores, 0.0)
    found = [_delayed(known, horizon + lag) for lag in ERROR_LAGS]
    size = np.where(seen, np.abs(scores) - 0.8, 0.0)  # E|z| of a standard normal is .80
    for span in ERROR_SPANS:
        found += [_delayed(_moving(rows, span), horizon) * span**0.5 / 2.0 for rows in (known, size)]
    return found


def _delayed(rows: FloatArray, lag: int) -> FloatArray:
    """Rows (T, I) moved `lag` rows on, zeros first."""
    return np.concatenate([np.zeros_like(rows[:lag]), rows[: max(len(rows) - lag, 0)]])


def _moving(rows: FloatArray, span: int) -> FloatArray:
    """Means of the last `span` rows, those before the first as zero."""
    sums = np.cumsum(np.concatenate([np.zeros((span, rows.shape[1])), rows]), axis=0)
    return (sums[span:] - sums[:-span]) / span


def _places(task: Task, marginals: Marginals) -> list[FloatArray]:
    """Where earlier values would stand in the forecast of each target."""
    anchors = [task.lagged(task.carried, task.horizon + lag) for lag in PLACE_LAGS]
    anchors += [task.lagged(rows) for rows in level_means(task.carried, LEVEL_SPANS)]
    day = _day_rows(task)
    if day is not None:
        lag = day * -(-task.horizon // day)
        anchors += [task.lagged(task.carried, lag), task.lagged(level_means(task.carried, (6,))[0], lag)]
    else:
        anchors += anchors[:2]
    return [marginals.scores(rows[task.targets]) / 2.0 for rows in anchors]


def _forms(marginals: Marginals) -> list[FloatArray]:
    """How wide each forecast is against the usual one, how skewed and how heavy its tails are."""
    places = np.interp((0.01, 0.1, 0.5, 0.9, 0.99), marginals.levels, np.arange(marginals.levels.size))
    lowest, low, middle, high, highest = (marginals.quantiles[:, round(place)] for place in places)
    width = high - low
    usual = _usual(width)
    skew = np.divide(high + low - 2.0 * middle, width, out=np.zeros_like(width), where=width > 0.0)
    return [_log_ratio(width, usual), skew, _log_ratio(highest - high, width), _log_ratio(low - lowest, width)]


def _usual(width: FloatArray) -> FloatArray:
    """Mean of the last widths, this one included."""
    sums = np.cumsum(width, axis=0)
    sums[USUAL_ROWS:] -= sums[:-USUAL_ROWS].copy()
    return sums / np.minimum(np.arange(len(width)) + 1.0, USUAL_ROWS)[:, None]


def _log_ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    ratio = np.divide(part, whole, out=np.ones_like(part), where=whole > 0.0)
    return np.clip(np.log(np.maximum(ratio, np.exp(-WIDEST))), -WIDEST, WIDEST)


def _day_rows(task: Task) -> int | None:
    rows = round(DAY_SECONDS / task.step_seconds) if task.step_seconds > 0.0 else 0
    return rows if 6 <= rows <= task.train_rows else None


def _fixed(task: Task) -> list[FloatArray]:
    """What does not change with the row, shape (I,) each."""
    kinds = [np.array([1.0 if kind is one else 0.0 for kind in task.kinds]) for one in Kind]
    return [*kinds, np.full(len(task.kinds), np.log1p(task.horizon) / 3.0)]
