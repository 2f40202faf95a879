"""A quantile forest: what changed after past rows that random trees hold for alike, around the last value.

Trees choose by themselves which of a column's own past, the other columns and the clock tell; rows that share leaves
with the row at hand are weighed by how many, and quantiles are those of their weighted residuals. Leaves are filled
again with all rows known at every block's first origin; trees are grown again when there are twice as many rows.

References:
    Meinshausen (2006), Quantile Regression Forests, JMLR 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.moving import IntArray
from foresail.forecasting.series.analogs import weighted_quantiles
from foresail.forecasting.series.baselines import PREDICTABLE
from foresail.forecasting.series.features import Kind, back, calendar, known_as, level_means
from foresail.forecasting.series.task import Task
from foresail.forecasting.series.trees import Trees, grow

TREES = 50
QUESTIONS = 20  # at each node
LEAF_ROWS = 5
BLOCK_ROWS = 72
LIBRARY_ROWS = 3000
LEAST_ROWS = 50
GROW_AGAIN = 2.0
SPANS = (3, 6, 12, 36, 72, 144)  # rows of the level means
WAY_SPANS = (6, 36)  # of the changes' sizes
UNSEEN = 1e-9  # weight of a row that shares no leaf


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Residuals of alike rows around the last value.

    Args:
        expected: What a regression expected, each row known at its target's origin, shape (n, I).
        first: First row that a regression expected.
        period: Rows of the season, if there is one.
        name: Unique in a panel.
        serves: Kinds of columns it is asked about.
    """

    expected: FloatArray
    first: int
    period: int | None
    name: str = "forest"
    serves: frozenset[Kind] = PREDICTABLE

    def quantiles(self, task: Task, column: int) -> FloatArray:
        """Quantiles of all targets, shape (T, Q)."""
        anchor = task.lagged(task.carried)[:, column]
        residuals = task.values[:, column] - anchor
        known = np.flatnonzero(np.isfinite(residuals[self.first :])) + self.first
        inputs = self._inputs(task, column)
        found = np.repeat(anchor[task.targets, None], task.levels.size, axis=1)
        leaves, grown = np.empty((0, TREES), np.intp), 0
        for start in range(task.train_rows, len(task.series), BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, len(task.series)))
            library = known[known < task.fit_end(start)]
            if library.size < LEAST_ROWS:
                continue
            if library.size >= GROW_AGAIN * grown:
                grown = library.size
                leaves = _grown(inputs, residuals, library[-LIBRARY_ROWS:], task.seed).leaves(inputs)
            library = library[-LIBRARY_ROWS:]
            library = library[np.argsort(residuals[library], kind="stable")]
            weights = shared_leaves(leaves[rows], leaves[library])
            found[rows - task.train_rows] += weighted_quantiles(residuals[library], weights, task.levels)
        return found

    def _inputs(self, task: Task, column: int) -> FloatArray:
        """What a target's origin knew, and the target's own place in day and week, shape (n, F)."""
        seen = known_as(task.carried, task.kinds)
        own, values = seen[:, column : column + 1], task.carried[:, column : column + 1]
        ways = np.abs(np.diff(own, axis=0, prepend=own[:1]))
        parts = [values, *(back(own, lag) for lag in range(4)), *level_means(own, SPANS), *level_means(ways, WAY_SPANS)]
        parts += [values - level_means(values, (72,))[0], *(values - back(values, lag) for lag in (1, 2))]
        if self.period is not None:
            lag = self.period * -(-task.horizon // self.period) - task.horizon
            smooth = level_means(own, (6,))[0]
            parts += [back(own, lag), back(smooth, max(lag - 3, 0))]
        known = task.lagged(np.concatenate([*parts, seen], axis=1))
        expected = self.expected[:, column : column + 1]
        there = calendar(task.foreseen_times)
        return np.concatenate([expected, expected - task.lagged(values), known, there], axis=1)


def shared_leaves(here: IntArray, past: IntArray) -> FloatArray:
    """How alike past rows (M, trees) are to rows (N, trees): shares of their leaves, shape (N, M).

    A leaf is shared by all past rows in it alike, so every tree gives each row a weight of 1 in all.
    """
    order = np.argsort(past, axis=None, kind="stable")
    filled, owners = past.ravel()[order], order // past.shape[1]
    starts = np.searchsorted(filled, here.ravel())
    sizes = np.searchsorted(filled, here.ravel(), side="right") - starts
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    members = owners[np.repeat(starts, sizes) + within]
    askers = np.repeat(np.arange(here.size) // here.shape[1], sizes)
    shares = np.repeat(1.0 / np.maximum(sizes, 1), sizes)
    cells = len(here) * len(past)
    return np.asarray(np.bincount(askers * len(past) + members, shares, cells).reshape(len(here), -1) + UNSEEN)


def _grown(inputs: FloatArray, residuals: FloatArray, library: IntArray, seed: int) -> Trees:
    return grow(inputs[library], residuals[library], trees=TREES, questions=QUESTIONS, leaf=LEAF_ROWS, seed=seed)
