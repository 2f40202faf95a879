"""Adaptive levels: quantile forecasts corrected online by how those before them fared, for each column on its own.

An outcome's score is the normal quantile of the level at which its forecast held it; beyond the outermost quantiles the
scale goes on at the pace of that side. Were the forecasts right, scores would be standard normal. Three corrections,
each taken from outcomes that the origin knew:

    quantile at level p  =  forecast at score  m + s · (Φ⁻¹(p) + o_p)

m and s are the discounted mean and spread of scores, shrunk towards 0 and 1 by as much as chance explains. They follow
a shift of the regime within tens of rows, and are used only while there is evidence for them: while the forecasts of
late would have scored better with them than without. o_p moves a little against each miss of its level, so that in the
long run every level is met as often as it promises, whatever the process.

References:
    Angelopoulos, Candès and Tibshirani (2023), Conformal PID Control for Time Series Prediction, NeurIPS.
    Gibbs and Candès (2021), Adaptive Conformal Inference Under Distribution Shift, NeurIPS.
    James and Stein (1961), Estimation with Quadratic Loss, Proc. 4th Berkeley Symposium.
    Page (1954), Continuous Inspection Schemes, Biometrika 41: evidence that is added up, never below 0.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.forecasting.moving import IntArray
from foresail.forecasting.scores import pinball

MEMORY_ROWS = 40.0  # of the mean and the spread, at a horizon of one row
CHANCE = 4.0  # squared standard errors that are taken for chance
PACE = 0.05  # of a level, in scores for each miss
WIDEST = 4.0  # scores that surprise more teach no more: one spike is not a regime
FARTHEST = 1e6  # a score of what lies outside a forecast without any spread
MOST_OFFSET = 2.0
LEAST_SPREAD, MOST_SPREAD = 0.3, 4.0
TAIL = 0.025  # on each side
EVIDENCE = 4.0  # gains, in usual scores, before a shift is used, at a horizon of one row
MOST_GAIN = 4.0  # that one outcome can tell


class Score(NamedTuple):
    """Normal scores of outcomes: mean and mean square over the levels at which a forecast held them, shape (I,).

    A forecast may hold an outcome at many levels at once, between `low` and `high`; all are equally likely.
    """

    mean: FloatArray
    square: FloatArray
    low: FloatArray
    high: FloatArray


class Shift(NamedTuple):
    """Mean and spread of scores, and whether there was evidence for them, shape (I,) each."""

    mean: FloatArray
    spread: FloatArray
    used: BoolArray

    @property
    def effective(self) -> tuple[FloatArray, FloatArray]:
        """What is applied."""
        return np.where(self.used, self.mean, 0.0), np.where(self.used, self.spread, 1.0)


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
    _evidence: FloatArray = field(init=False)
    _usual: FloatArray = field(init=False)
    _issued: deque[Shift] = field(init=False)  # the last `horizon` shifts: of forecasts whose outcome is to come

    def __post_init__(self) -> None:
        ascending = self.levels.ndim == 1 and self.levels.size > 0 and bool(np.all(np.diff(self.levels) > 0.0))
        if not (ascending and self.levels[0] > 0.0 and self.levels[-1] < 1.0):
            raise ValueError(f"levels must ascend within (0, 1), got {self.levels}")
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1 row, got {self.horizon}")
        self._normal = np.array([NormalDist().inv_cdf(float(level)) for level in self.levels])
        self._offsets = np.zeros((self.levels.size, self.columns))
        self._mean, self._square = np.zeros(self.columns), np.ones(self.columns)
        self._seen, self._evidence = np.zeros(self.columns), np.zeros(self.columns)
        self._usual = np.zeros((2, self.columns))
        self._issued = deque([self._shift()], maxlen=self.horizon)

    @property
    def _memory(self) -> float:
        """Rows; the scores of forecasts that overlap are worth less each, so longer for longer horizons."""
        return MEMORY_ROWS * float(np.sqrt(self.horizon))

    def correct(self, quantiles: FloatArray) -> FloatArray:
        """Corrected quantiles, ascending; shape (Q, I) in and out."""
        mean, spread = self._issued[-1].effective
        wanted = mean + spread * (self._normal[:, None] + self._offsets)
        return np.sort(at_scores(quantiles, self._normal, wanted), axis=0)

    def learn(self, quantiles: FloatArray, outcome: FloatArray) -> None:
        """Hold forecasts as they were before any correction, shape (Q, I), against outcomes (I,); NaN tells nothing.

        Call it once for each row, in order.
        """
        told = np.isfinite(outcome)
        score = score_of(quantiles, self._normal, np.where(told, outcome, quantiles[self.levels.size // 2]))
        shift = self._issued[0]
        self._move_offsets(score, shift, told)
        self._weigh_evidence(quantiles, outcome, shift, told)
        self._follow(score, told)
        self._issued.append(self._shift())

    def _weigh_evidence(self, quantiles: FloatArray, outcome: FloatArray, shift: Shift, told: BoolArray) -> None:
        """What the shift would have gained over the usual loss, added up: of the whole forecast and of its tails."""
        plain = self._normal[:, None] + self._offsets
        without = self._losses(outcome - at_scores(quantiles, self._normal, plain))
        with_it = self._losses(outcome - at_scores(quantiles, self._normal, shift.mean + shift.spread * plain))
        rate = 1.0 / np.minimum(self._seen + 1.0, self._memory)
        self._usual = np.where(told, self._usual + rate * (without - self._usual), self._usual)
        gains = np.divide(without - with_it, self._usual, out=np.zeros_like(without), where=told & (self._usual > 0.0))
        kept = (1.0 - 1.0 / self._memory) * self._evidence + np.clip(gains, -MOST_GAIN, MOST_GAIN).mean(axis=0)
        self._evidence = np.where(told, np.maximum(kept, 0.0), self._evidence)

    def _losses(self, missed: FloatArray) -> FloatArray:
        """Mean pinball losses over all levels and over the outermost, from outcome - quantile (Q, I); shape (2, I)."""
        losses = pinball(missed, self.levels[:, None])
        outermost = np.minimum(self.levels, 1.0 - self.levels) <= max(TAIL, min(self.levels[0], 1.0 - self.levels[-1]))
        return np.stack([losses.mean(axis=0), losses[outermost].mean(axis=0)])

    def _move_offsets(self, score: Score, shift: Shift, told: BoolArray) -> None:
        mean, spread = shift.effective
        limits = mean + spread * (self._normal[:, None] + self._offsets)
        width = score.high - score.low
        inside = (limits - score.low) / np.where(width > 0.0, width, 1.0)
        below = np.where(width > 0.0, np.clip(inside, 0.0, 1.0), limits >= score.low)
        moved = self._offsets + PACE / np.sqrt(self.horizon) * (self.levels[:, None] - below)
        self._offsets = np.where(told, np.clip(moved, -MOST_OFFSET, MOST_OFFSET), self._offsets)

    def _follow(self, score: Score, told: BoolArray) -> None:
        """Move the mean and the spread; both are counted from a prior of half a memory of standard normal scores."""
        most = WIDEST * np.sqrt(self._square)
        surprise = np.clip(score.mean - self._mean, -most, most)
        share = told / np.minimum(self._seen + 0.5 * self._memory, self._memory)
        self._mean = self._mean + share * surprise
        within = np.maximum(score.square - score.mean**2, 0.0)  # of what the forecast held at many levels
        self._square = self._square + share * ((1.0 - share) * surprise**2 + within - self._square)
        self._seen = self._seen + told

    def _shift(self) -> Shift:
        """Mean and spread without what chance explains."""
        worth = MEMORY_ROWS / np.sqrt(self.horizon)
        mean = _beyond_chance(self._mean, self._square / worth)
        spread = np.exp(_beyond_chance(0.5 * np.log(self._square), 0.5 / worth))
        return Shift(
            mean, np.clip(spread, LEAST_SPREAD, MOST_SPREAD), self._evidence > EVIDENCE * np.sqrt(self.horizon)
        )


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


def score_of(quantiles: FloatArray, normal: FloatArray, outcome: FloatArray) -> Score:
    """Normal scores of outcomes (I,) in forecasts (Q, I)."""
    last = normal.size - 1
    under, until = (quantiles < outcome).sum(axis=0), (quantiles <= outcome).sum(axis=0)
    between = _between(quantiles, normal, outcome, under)
    down, up = _paces(quantiles, normal)
    plain = np.where(under == 0, normal[0] - _over(quantiles[0] - outcome, down), between)
    plain = np.where(under > last, normal[-1] + _over(outcome - quantiles[-1], up), plain)
    sums, squares = (np.concatenate([[0.0], np.cumsum(normal**power)]) for power in (1, 2))
    held = np.maximum(until - under, 1)
    tied = until > under
    mean = np.where(tied, (sums[until] - sums[under]) / held, plain)
    square = np.where(tied, (squares[until] - squares[under]) / held, plain**2)
    first, final = normal[np.minimum(under, last)], normal[np.maximum(until - 1, 0)]
    return Score(mean, square, np.where(tied, first, plain), np.where(tied, final, plain))


def _between(quantiles: FloatArray, normal: FloatArray, outcome: FloatArray, under: IntArray) -> FloatArray:
    """Scores on the line between the quantiles next to an outcome, `under` of which lie below it."""
    columns, last = np.arange(outcome.size), normal.size - 1
    left, right = np.maximum(under - 1, 0), np.minimum(under, last)
    low, high = quantiles[left, columns], quantiles[right, columns]
    share = np.divide(outcome - low, high - low, out=np.zeros(outcome.size), where=high > low)
    return np.asarray(normal[left] + share * (normal[right] - normal[left]))


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
