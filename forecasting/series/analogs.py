"""Analogs: what happened after past rows that were like this one, the likelier the more alike.

Rows are alike when the same regression expects about the same, the level, the recent ways and the time of day are
about the same, all as ranks among the past rows, so that units do not matter. A Gaussian kernel weighs them; quantiles
are those of the weighted residuals, so the spread is as wide, and as skewed, as it was after such rows.

References:
    Lorenz (1969), Atmospheric Predictability as Revealed by Naturally Occurring Analogues, J. Atmos. Sci. 26.
    Delle Monache et al. (2013), Probabilistic Weather Prediction with an Analog Ensemble, Mon. Wea. Rev. 141.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.moving import IntArray
from foresail.forecasting.season import DAY_SECONDS
from foresail.forecasting.series.baselines import MOVING
from foresail.forecasting.series.features import Kind, level_means
from foresail.forecasting.series.task import Task

BANDWIDTH = 0.2  # in ranks 0 … 1
CLOCK_SHARE = 0.15  # radius of the day's circle, in ranks
LIBRARY_ROWS = 2500
BLOCK_ROWS = 72
LEAST_ROWS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Analogs:
    """Residuals of similar rows around an anchor.

    Args:
        name: Unique in a panel.
        anchor: Shape (n, I), each row known at its target's origin.
        expected: What a regression expected, likewise.
        first: First row that a regression expected.
        serves: Kinds of columns it is asked about.
    """

    name: str
    anchor: FloatArray
    expected: FloatArray
    first: int
    serves: frozenset[Kind] = MOVING

    def quantiles(self, task: Task, column: int) -> FloatArray:
        """Quantiles of all targets, shape (T, Q)."""
        states = self._states(task, column)
        residuals = task.values[:, column] - self.anchor[:, column]
        known = np.flatnonzero(np.isfinite(residuals[self.first :])) + self.first
        found = np.repeat(self.anchor[task.targets, column, None], task.levels.size, axis=1)
        for start in range(task.train_rows, len(task.series), BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, len(task.series)))
            library = known[known < task.fit_end(start)][-LIBRARY_ROWS:]
            if library.size >= LEAST_ROWS:
                found[rows - task.train_rows] += _nearest(states, residuals, library, rows, task)
        return found

    def _states(self, task: Task, column: int) -> FloatArray:
        """What a target's origin knew, shape (n, F)."""
        values = task.carried[:, column : column + 1]
        ways = np.abs(np.diff(values, axis=0, prepend=values[:1]))
        parts = [values - level_means(values, (72,))[0], *level_means(ways, (6, 72))]
        expected = self.expected[:, column]
        last = task.lagged(values)[:, 0]
        return np.stack([expected - last, expected, *(task.lagged(part)[:, 0] for part in parts)], axis=1)


def _nearest(states: FloatArray, residuals: FloatArray, library: IntArray, rows: IntArray, task: Task) -> FloatArray:
    past, here = _ranks(states[library], states[library]), _ranks(states[library], states[rows])
    angle = 2.0 * np.pi * task.lagged(task.series.times) / DAY_SECONDS
    clock = CLOCK_SHARE * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    past, here = np.concatenate([past, clock[library]], axis=1), np.concatenate([here, clock[rows]], axis=1)
    order = np.argsort(residuals[library], kind="stable")
    return weighted_quantiles(residuals[library][order], _kernel(here, past[order]), task.levels)


def _ranks(among: FloatArray, asked: FloatArray) -> FloatArray:
    """Shares of `among` (M, F) that are below each of `asked` (N, F)."""
    ordered = np.sort(among, axis=0)
    places = [np.searchsorted(ordered[:, k], asked[:, k]) for k in range(among.shape[1])]
    return np.stack(places, axis=1) / len(among)


def _kernel(here: FloatArray, past: FloatArray) -> FloatArray:
    squared = np.square(here).sum(axis=1)[:, None] + np.square(past).sum(axis=1) - 2.0 * here @ past.T
    nearest = squared.min(axis=1, keepdims=True)  # the most alike always counts, however far
    return np.asarray(np.exp((nearest - squared) / (2.0 * BANDWIDTH**2)))


def weighted_quantiles(ordered: FloatArray, weights: FloatArray, levels: FloatArray) -> FloatArray:
    """Quantiles of ascending values (M,) under N sets of weights (N, M), shape (N, Q)."""
    cumulated = np.cumsum(weights, axis=1)
    cumulated /= cumulated[:, -1:]
    offsets = np.arange(len(weights))[:, None]  # one ascending line of all sets, searched at once
    places = np.searchsorted((cumulated + offsets).ravel(), (levels + offsets).ravel()).reshape(-1, levels.size)
    return np.asarray(ordered[np.minimum(places - offsets * ordered.size, ordered.size - 1)])
