"""Features: what is known at a row, in columns that are alike across units, and what kind a column is.

| kind | is | forecast by |
|---|---|---|
| constant | one value in the whole training part | its last value |
| coin-flip | two or more levels drawn afresh at every row, whatever the row before | its marginal, and analogs |
| counter | ever growing, but for resets to near zero | its own changes; other columns see its rate |
| level | everything else | all experts |

All features of a row are functions of it and earlier ones.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.forecasting.moving import moving_means
from foresail.forecasting.season import DAY_SECONDS, WEEK_SECONDS
from foresail.forecasting.series.coins import is_coin_flip

LAGS = 5
SPANS = (12, 72, 288)  # rows of the level means
LEAST_RISES = 10
MOST_FALLS = 0.01  # of a counter's changes
RISES_A_FALL = 5
RESET_SHARE = 0.5  # of the value before: what falls to more was only corrected


class Kind(StrEnum):
    """What a column is."""

    CONSTANT = "constant"
    COIN_FLIP = "coin-flip"
    COUNTER = "counter"
    LEVEL = "level"


def kinds(training: FloatArray) -> tuple[Kind, ...]:
    """The kind of each column of a training part (n, I), NaN where missing."""
    return tuple(_kind(column[np.isfinite(column)]) for column in training.T)


def _kind(known: FloatArray) -> Kind:
    if known.size == 0 or known.min() == known.max():
        return Kind.CONSTANT
    if is_counter(known):
        return Kind.COUNTER
    return Kind.COIN_FLIP if is_coin_flip(known) else Kind.LEVEL


def is_counter(known: FloatArray) -> bool:
    """Whether values (n,) grow or stand, but for rare falls: resets, and corrections by whoever interpolates."""
    changes = np.diff(known)
    falls, rises = int(np.sum(changes < 0.0)), int(np.sum(changes > 0.0))
    if known.min() < 0.0 or rises < LEAST_RISES:
        return False
    return falls <= MOST_FALLS * changes.size and falls <= rises / RISES_A_FALL


def rate(counter: FloatArray) -> FloatArray:
    """Growth of a counter (n,) since the row before; after a reset to near zero, all that it holds has grown since."""
    changes = np.diff(counter, prepend=counter[:1])
    reset = counter < RESET_SHARE * (counter - changes)
    return np.where(changes >= 0.0, changes, np.where(reset, counter, 0.0))


def known_as(carried: FloatArray, columns: tuple[Kind, ...]) -> FloatArray:
    """Columns (n, I) as others should see them: counters as rates."""
    seen = carried.copy()
    for i, kind in enumerate(columns):
        if kind is Kind.COUNTER:
            seen[:, i] = rate(carried[:, i])
    return seen


def level_means(rows: FloatArray, spans: tuple[int, ...]) -> FloatArray:
    """Means of the last `span` rows up to each row, shape (len(spans), n, I), about the first row for precision."""
    everything: BoolArray = np.ones(len(rows), dtype=np.bool_)
    return moving_means(rows - rows[:1], everything, spans) + rows[:1]


def calendar(times: FloatArray) -> FloatArray:
    """Where instants (n,) stand in the day and the week, shape (n, 6)."""
    day, week = 2.0 * np.pi * times / DAY_SECONDS, 2.0 * np.pi * times / WEEK_SECONDS
    waves = (np.sin(day), np.cos(day), np.sin(2.0 * day), np.cos(2.0 * day), np.sin(week), np.cos(week))
    return np.stack(waves, axis=1)


def regressors(seen: FloatArray, period: int | None, horizon: int) -> FloatArray:
    """Differences of each column (n, I) at each row from its own past, shape (n, F · I)."""
    last = seen
    means = level_means(seen, SPANS)
    found = [back(seen, lag) - last for lag in range(1, LAGS + 1)]
    found += [mean - last for mean in means]
    if period is not None:
        # What the row `horizon` ahead was a period (or two) earlier, over the level, and the way from there to it.
        lag = period * -(-horizon // period)
        smooth = level_means(seen, (6,))[0]
        found += [back(seen, lag - horizon) - means[1], back(smooth, lag - horizon) - back(smooth, lag)]
    return np.concatenate(found, axis=1)


def back(rows: FloatArray, lag: int) -> FloatArray:
    """Rows (n, …) moved so that each finds what stood `lag` rows before it, the first rows what stood first."""
    return rows[np.maximum(np.arange(len(rows)) - lag, 0)]
