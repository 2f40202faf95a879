"""The hierarchy of indicators: those that tell most about the others come first, and condition what comes after.

How much one indicator tells is the sum of its squared rank correlations with the others' surprises, in the same row and
in the next ones. Names and units play no part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.moving import IntArray

LEVELS = 3
LAGS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Indicators in levels.

    Args:
        order: Indicators, coarse ones first, length I.
        levels: The level of each indicator, 0 the coarsest, length I.
    """

    order: tuple[int, ...]
    levels: tuple[int, ...]


def find_hierarchy(scores: FloatArray) -> Hierarchy:
    """Order indicators by what their scores (N, I), NaN where missing, tell about the others'."""
    told = sum(np.square(_correlations(_ranks(scores), lag)) for lag in LAGS)
    power = np.asarray(told).sum(axis=1)
    order: IntArray = np.argsort(-power, kind="stable")
    levels = np.empty(order.size, dtype=np.intp)
    levels[order] = np.arange(order.size) * LEVELS // order.size
    return Hierarchy(tuple(int(i) for i in order), tuple(int(level) for level in levels))


def _ranks(scores: FloatArray) -> FloatArray:
    """Ranks about their middle in [-1, 1], shape (N, I); 0 where missing."""
    ranks = np.zeros_like(scores)
    for i, column in enumerate(scores.T):
        seen = np.flatnonzero(np.isfinite(column))
        ranks[seen[np.argsort(column[seen], kind="stable")], i] = np.linspace(-1.0, 1.0, seen.size)
    return ranks


def _correlations(ranks: FloatArray, lag: int) -> FloatArray:
    """How row t of each indicator goes with row t + lag of every other, shape (I, I), 0 on the diagonal."""
    size = np.sqrt(np.square(ranks).sum(axis=0))
    size = np.where(size > 0.0, size, np.inf)
    found = ranks[: len(ranks) - lag].T @ ranks[lag:] / np.outer(size, size)
    np.fill_diagonal(found, 0.0)
    return found
