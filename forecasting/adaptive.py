"""Adaptive levels: quantile forecasts corrected online by how those before them fared, for each column on its own.

An outcome's score is the normal quantile of the level at which its forecast held it; beyond the outermost quantiles the
scale goes on at the pace of that side. Were the forecasts right, scores would be standard normal. Three corrections,
each taken from outcomes that the origin knew:

    quantile at level p  =  forecast at score  m + s · (Φ⁻¹(p) + o_p)

m and s are the discounted mean and spread of scores, shrunk towards 0 and 1 by as much as chance explains: they do
nothing while the forecasts hold and follow a shift of the regime within tens of rows. o_p moves a little against each
miss of its level, so that in the long run every level is met as often as it promises, whatever the process.

References:
    Angelopoulos, Candès and Tibshirani (2023), Conformal PID Control for Time Series Prediction, NeurIPS.
    Gibbs and Candès (2021), Adaptive Conformal Inference Under Distribution Shift, NeurIPS.
    James and Stein (1961), Estimation with Quadratic Loss, Proc. 4th Berkeley Symposium.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray

MEMORY_ROWS = 40.0  # of the mean and the spread, at a horizon of one row
CHANCE = 4.0  # squared standard errors that are taken for chance
PACE = 0.05  # of a level, in scores for each miss
WIDEST = 4.0  # scores that surprise more teach no more: one spike is not a regime
FARTHEST = 1e6  # a score of what lies outside a forecast without any spread
MOST_OFFSET = 2.0


@dataclass(slots=True)
class AdaptiveLevels:
    """The corrections of I columns at one horizon; mutable.

    Args:
        levels: Of the quantiles, ascending within (0, 1), shape (Q,).
        columns: How many, I.
        horizon: Rows from origin to target; the scores of overlapping forecasts are worth less each.
    """

    levels: FloatArray
    columns: int
    horizon: int = 1
    _normal: FloatArray = field(init=False)
    _offsets: FloatArray = field(init=False)
    _mean: FloatArray = field(init=False)
    _square: FloatArray = field(init=False)
    _seen: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        if (
            self.levels.ndim != 1
            or not 0.0 < self.levels[0] <= self.levels[-1] < 1.0
            or np.any(np.diff(self.levels) <= 0.0)
        ):
            raise ValueError(f"levels must ascend within (0, 1), got {self.levels}")
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1 row, got {self.horizon}")
        self._normal = np.array([NormalDist().inv_cdf(float(level)) for level in self.levels])
        self._offsets = np.zeros((self.levels.size, self.columns))
        self._mean, self._seen = np.zeros(self.columns), np.zeros(self.columns)
        self._square = np.ones(self.columns)

    def correct(self, quantiles: FloatArray) -> FloatArray:
        """Corrected quantiles, ascending; shape (Q, I) in and out."""
        mean, spread = self._shift()
        wanted = mean + spread * (self._normal[:, None] + self._offsets)
        return np.sort(at_scores(quantiles, self._normal, wanted), axis=0)

    def learn(self, quantiles: FloatArray, outcome: FloatArray) -> None:
        """Hold forecasts as they were before any correction, shape (Q, I), against outcomes (I,); NaN tells nothing."""
        told = np.isfinite(outcome)
        score = score_of(quantiles, self._normal, np.where(told, outcome, quantiles[self.levels.size // 2]))
        mean, spread = self._shift()
        standard = (score - mean) / spread
        below = standard <= self._normal[:, None] + self._offsets
        pace = PACE / np.sqrt(self.horizon)
        moved = self._offsets + pace * (self.levels[:, None] - below)
        self._offsets = np.where(told, np.clip(moved, -MOST_OFFSET, MOST_OFFSET), self._offsets)
        self._follow(score, told)

    def _follow(self, score: FloatArray, told: BoolArray) -> None:
        """Move the mean and the spread; both are counted from a prior of a whole memory of standard normal scores."""
        memory = MEMORY_ROWS * np.sqrt(self.horizon)
        spread = np.sqrt(self._square)
        surprise = np.clip(score - self._mean, -WIDEST * spread, WIDEST * spread)
        share = told / np.minimum(self._seen + 0.5 * memory, memory)
        self._mean = self._mean + share * surprise
        self._square = self._square + share * ((1.0 - share) * surprise**2 - self._square)
        self._seen = self._seen + told

    def _shift(self) -> tuple[FloatArray, FloatArray]:
        """Mean and spread without what chance explains, shape (I,) each."""
        worth = MEMORY_ROWS / np.sqrt(self.horizon)
        mean = _beyond_chance(self._mean, self._square / worth)
        return mean, np.exp(_beyond_chance(0.5 * np.log(self._square), 0.5 / worth))


def _beyond_chance(found: FloatArray, variance: FloatArray | float) -> FloatArray:
    square = found * found
    kept = 1.0 - CHANCE * variance / np.where(square > 0.0, square, 1.0)
    return np.asarray(found * np.maximum(kept, 0.0))


def adapt(quantiles: FloatArray, outcomes: FloatArray, levels: FloatArray, *, horizon: int) -> FloatArray:
    """Correct the forecasts of consecutive targets, each by outcomes that its origin knew.

    Args:
        quantiles: Of every target `horizon` rows ahead, ascending, shape (T, Q, I).
        outcomes: NaN where missing, shape (T, I).
        levels: Shape (Q,).
        horizon: Rows from origin to target.

    Returns:
        Shape (T, Q, I), ascending.
    """
    state = AdaptiveLevels(levels, quantiles.shape[2], horizon)
    corrected = np.empty_like(quantiles)
    for row in range(len(quantiles)):
        if row >= horizon:
            state.learn(quantiles[row - horizon], outcomes[row - horizon])
        corrected[row] = state.correct(quantiles[row])
    return corrected


def score_of(quantiles: FloatArray, normal: FloatArray, outcome: FloatArray) -> FloatArray:
    """Normal scores of outcomes (I,) in forecasts (Q, I); in the middle of what a forecast holds for equally likely."""
    columns = np.arange(outcome.size)
    last = normal.size - 1
    under, until = (quantiles < outcome).sum(axis=0), (quantiles <= outcome).sum(axis=0)
    tied = until > under
    left, right = np.clip(under - 1, 0, last), np.clip(under, 0, last)
    low, high = quantiles[left, columns], quantiles[right, columns]
    share = np.divide(outcome - low, high - low, out=np.zeros(outcome.size), where=high > low)
    between = normal[left] + share * (normal[right] - normal[left])
    down, up = _paces(quantiles, normal)
    score = np.where(under == 0, normal[0] - _over(quantiles[0] - outcome, down), between)
    score = np.where(under > last, normal[-1] + _over(outcome - quantiles[-1], up), score)
    middle = 0.5 * (normal[np.clip(under, 0, last)] + normal[np.clip(until - 1, 0, last)])
    return np.asarray(np.where(tied, middle, score))


def at_scores(quantiles: FloatArray, normal: FloatArray, scores: FloatArray) -> FloatArray:
    """What forecasts (Q, I) hold at normal scores (P, I), shape (P, I)."""
    place = np.interp(scores, normal, np.arange(normal.size))
    left = np.minimum(place.astype(np.intp), normal.size - 1)
    right = np.minimum(left + 1, normal.size - 1)
    low = np.take_along_axis(quantiles, left, axis=0)
    inside = low + (place - left) * (np.take_along_axis(quantiles, right, axis=0) - low)
    down, up = _paces(quantiles, normal)
    return np.asarray(inside + up * np.maximum(scores - normal[-1], 0.0) - down * np.maximum(normal[0] - scores, 0.0))


def _paces(quantiles: FloatArray, normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Units per score below and above the middle, shape (I,); of both sides together where a side is flat."""
    middle = quantiles[normal.size // 2]
    whole = (quantiles[-1] - quantiles[0]) / max(normal[-1] - normal[0], 1e-9)
    down = (middle - quantiles[0]) / max(-normal[0], 1e-9)
    up = (quantiles[-1] - middle) / max(normal[-1], 1e-9)
    return np.where(down > 0.0, down, whole), np.where(up > 0.0, up, whole)


def _over(distance: FloatArray, pace: FloatArray) -> FloatArray:
    far = np.full(distance.shape, FARTHEST)
    return np.asarray(np.minimum(np.divide(distance, pace, out=far, where=pace > 0.0), FARTHEST))
