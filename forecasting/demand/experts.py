"""Experts: simple views of the future, each a line through features of the past known at its origin.

| expert | what it expects h rows ahead |
|---|---|
| last-value | the last row |
| level-60s, level-300s | the mean of the last 60 s, 300 s |
| trend, slow-trend | a level, and the damped slope between two levels of different age |
| level-since-jump | the mean since the last jump of the level, of an hour at most |
| marginal | the mean of the last hour: with its residuals, what the hour showed in any order |
| seasonal | what past periods showed at that phase |
| seasonal-level | the level, moved by as much as past periods moved from here |

Every one of them is linear in the features, so a blend of experts is one too, and has residuals of its own. How wide
those are to be now is told by scales, each a view of what noise grows with:

| scale | residuals are as large as |
|---|---|
| arrivals | the square root of the level, as the noise of arrivals is |
| level | the level, as when few clients make all demand |
| bursts | the mean change from row to row in the last five minutes |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.jumps import SPAN_SECONDS, Jumps, find_jumps
from foresail.forecasting.moving import IntArray, Sums, moving_means
from foresail.forecasting.past import Past

SHORT_SECONDS, MIDDLE_SECONDS, LONG_SECONDS, HOUR_SECONDS = 60.0, 300.0, 1200.0, 3600.0
DAMPING_SECONDS = 300.0  # a slope is believed for about five minutes
PLAIN = ("last-value", "level-60s", "level-300s", "trend", "slow-trend", "marginal", "level-since-jump")
LAST, SHORT, MIDDLE, LONG, HOUR, SINCE = range(6)
SCALES = ("arrivals", "level", "bursts")
LEAST_SCALE = 0.2  # of a scale's mean, added to it: a quiet minute does not make noise vanish


@dataclass(frozen=True, slots=True, eq=False)
class Experts:
    """E experts on T origins, H rows ahead, of I indicators.

    Args:
        names: Length E.
        features: What was known at each origin, shape (F, T, I).
        gains: How much of each feature an expert expects h rows ahead, shape (E, H, F).
        seasons: Profiles at rows 0 … T - 1 + H, shape (P, T + H, I).
        follows: Which profile's value h rows ahead an expert adds, 0 or 1, shape (E, P).
        scales: What residuals may be proportional to, positive, shape (len(SCALES), T, I).
        jumps: Of the level, None without.
    """

    names: tuple[str, ...]
    features: FloatArray
    gains: FloatArray
    seasons: FloatArray
    follows: FloatArray
    scales: FloatArray
    jumps: Jumps | None

    def bases(self, origins: IntArray, step: int) -> FloatArray:
        """Every expert's expectation `step` (1 … H) rows after each origin, shape (E, N, I)."""
        plain = np.tensordot(self.gains[:, step - 1], self.features[:, origins], axes=(1, 0))
        if self.seasons.shape[0] == 0:
            return np.asarray(plain)
        return np.asarray(plain + np.tensordot(self.follows, self.seasons[:, origins + step], axes=(1, 0)))

    def blend(self, origins: IntArray, weights: FloatArray) -> FloatArray:
        """The weighted expectation along the whole horizon; `weights` (H, E, I) → (N, H, I)."""
        steps = self.gains.shape[1]
        gains = np.einsum("hei,ehf->ifh", weights, self.gains)
        # A matrix product per indicator: (I, N, F) @ (I, F, H).
        plain = (self.features[:, origins].transpose(2, 1, 0) @ gains).transpose(1, 2, 0)
        if self.seasons.shape[0] == 0:
            return np.asarray(plain)
        shares = np.einsum("hei,ep->phi", weights, self.follows)
        ahead = origins[:, None] + np.arange(1, steps + 1)[None, :]
        return np.asarray(plain + np.einsum("phi,pnhi->nhi", shares, self.seasons[:, ahead]))


def make_experts(past: Past, steps: int, seasons: Sequence[FloatArray]) -> Experts:
    """The experts on every row of `past`; `seasons` are profiles at its rows and `steps` further, (T + steps, I)."""
    spans = [past.rows(seconds) for seconds in (SHORT_SECONDS, MIDDLE_SECONDS, LONG_SECONDS, HOUR_SECONDS)]
    everything = np.ones(len(past), dtype=np.bool_)
    span = past.rows(SPAN_SECONDS)
    sums = Sums.of(past.values, past.observed)
    means = sums.means([*spans, span])
    jumps = find_jumps(means[-1], span)
    since = means[HOUR - 1] if jumps is None else sums.means_since(jumps.starts, most=spans[3])
    features = np.stack(
        [past.values, *means[:-1], since]
        + [moving_means(season[: len(past)], everything, spans[1:2])[0] for season in seasons]
    )
    names = list(PLAIN)
    for number in range(len(seasons)):
        suffix = "" if number == 0 else f"-{number + 1}"
        names += [f"seasonal{suffix}", f"seasonal-level{suffix}"]
    gains = np.zeros((len(names), steps, len(features)))
    gains[0, :, LAST] = gains[1, :, SHORT] = gains[2, :, MIDDLE] = gains[5, :, HOUR] = 1.0
    gains[6, :, SINCE] = 1.0
    _add_slope(gains[3], SHORT, MIDDLE, spans[1] - spans[0], past.step_seconds)
    _add_slope(gains[4], MIDDLE, LONG, spans[2] - spans[1], past.step_seconds)
    follows = np.zeros((len(names), len(seasons)))
    for number in range(len(seasons)):
        seasonal = len(PLAIN) + 2 * number
        follows[seasonal : seasonal + 2, number] = 1.0
        gains[seasonal + 1, :, MIDDLE] = 1.0
        gains[seasonal + 1, :, SINCE + 1 + number] = -1.0
    profiles = np.stack(seasons) if seasons else np.zeros((0, len(past) + steps, past.values.shape[1]))
    return Experts(tuple(names), features, gains, profiles, follows, _make_scales(past, means[1], spans[1]), jumps)


def _add_slope(gains: FloatArray, young: int, old: int, rows_apart: int, step_seconds: float) -> None:
    """The young level plus the slope between both, damped: the mean ages of two spans differ by half their lengths."""
    damping = np.exp(-step_seconds / DAMPING_SECONDS)
    reach = np.cumsum(damping ** np.arange(1, gains.shape[0] + 1)) / max(0.5 * rows_apart, 1.0)
    gains[:, young] = 1.0 + reach
    gains[:, old] = -reach


def _make_scales(past: Past, level: FloatArray, span: int) -> FloatArray:
    """The scales; `level` (T, I) is the mean of the last `span` rows."""
    changes = np.zeros_like(past.values)
    np.abs(past.values[1:] - past.values[:-1], out=changes[1:])
    scales = np.empty((len(SCALES), *level.T.shape))  # rows lie side by side, which numpy is quick with
    scales[1] = level.T
    np.sqrt(scales[1], out=scales[0])
    scales[2] = moving_means(changes, past.observed, [span])[0].T
    scales += LEAST_SCALE * scales.mean(axis=2, keepdims=True)
    return np.maximum(scales, np.finfo(np.float64).tiny, out=scales).transpose(0, 2, 1)
