"""The mixture: weights of the experts by what they would have scored, per indicator and along the horizon.

    w_e ∝ exp(-a · (C_e / min C - 1) - b · (K_e / min K - 1))

C is the discounted mean CRPS over the recent window, K the mean CRPS over the long history: a flat night says nothing
about who foresees the morning, the history does. Only ratios count, so scale does not matter. Recent scores are taken
at a few steps of the horizon (nodes) and the weights drawn out linearly between them, which leaves them convex. Before
there is any score all experts weigh the same.

How sharp (a) is itself chosen by score, the softest unless a sharper blend gains: on real traces similar experts
average their errors out (equal weights beat a sharp choice by 3 %), on plain noise one expert is right and the rest
only add noise (there a soft blend loses 7 %).

The scales of noise are weighed in the same way, by the CRPS of the blend whose residuals they stretch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.averaging import softmax
from foresail.forecasting.demand.experts import PLAIN, SCALES, Experts, make_experts
from foresail.forecasting.moving import IntArray
from foresail.forecasting.past import Past
from foresail.forecasting.scores import residual_crps, scaled_crps
from foresail.forecasting.season import profile

SHARPNESSES = (2.0, 8.0, 32.0)  # the softest first
SHARPER_MUST_GAIN = 0.01  # of the score, for each step in sharpness
HISTORY_SHARPNESS = 10.0
SCALES_SHARPNESS = 20.0
HALF_LIFE_SECONDS = 3600.0
NODES = 3
MOST_ORIGINS = 120  # neighbors tell nearly the same
HALF_TRUST = 20.0  # origins at which recent scores get half their say
WORST_EXCESS = 100.0  # more makes no difference
ROUNDING = 1e-6  # of mean demand: smaller scores are as good as 0, and their ratios would be those of rounding


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Who has which say.

    Args:
        weights: Of the experts along the horizon, shape (H, E, I), each column over E sums to 1.
        scales: Of the scales of noise, at the end of the horizon, shape (len(SCALES), I), likewise.
    """

    weights: FloatArray
    scales: FloatArray


class Missed(NamedTuple):
    """What every expert missed a step ahead, shape (N, E, I), from which rows, and weights of these, sum 1, (N,)."""

    residuals: FloatArray
    rows: IntArray
    weights: FloatArray


def alone(mixture: Mixture, expert: int) -> Mixture:
    """One expert has all the say."""
    weights = np.zeros_like(mixture.weights)
    weights[:, expert] = 1.0
    return Mixture(weights, mixture.scales)


def weigh(experts: Experts, past: Past, origins: IntArray, *, excess: FloatArray | None) -> Mixture:
    """Weights along the horizon.

    Args:
        experts: E experts, H steps.
        past: What they were computed on.
        origins: Rows to score them from, all H steps of which lie in the past.
        excess: Scores over the best one's, less 1, in the history; shape (E, I), or None.
    """
    steps = experts.gains.shape[1]
    nodes = sorted({round(step) for step in np.linspace(1, steps, NODES)})
    judged = np.zeros((len(experts.names), past.values.shape[1])) if excess is None else HISTORY_SHARPNESS * excess
    missed = [_missed(experts, past, origins, n, most=MOST_ORIGINS, half_life_seconds=HALF_LIFE_SECONDS) for n in nodes]
    trust = origins.size / (origins.size + HALF_TRUST)
    candidates, scores = zip(*(_candidates(past, each, judged, trust) for each in missed), strict=True)
    # One choice for all steps and indicators: a choice for each would follow the noise of the scores.
    chosen = int((np.mean(scores, axis=0) * (1.0 + SHARPER_MUST_GAIN * np.arange(len(SHARPNESSES)))).argmin())
    weights = along_horizon(np.stack([weights[chosen] for weights in candidates]), nodes)
    return Mixture(weights, _weigh_scales(experts, past, missed[-1], weights[-1], trust))


def _candidates(past: Past, missed: Missed | None, judged: FloatArray, trust: float) -> tuple[FloatArray, FloatArray]:
    """Weights of each sharpness at one step, shape (K, E, I), and the blends' scores over the softest one's, (K,)."""
    if missed is None:
        return np.repeat(softmax(-judged)[None], len(SHARPNESSES), axis=0), np.ones(len(SHARPNESSES))
    excess = trust * _excess(residual_crps(missed.residuals, missed.weights), past)
    candidates = np.stack([softmax(-sharpness * excess - judged) for sharpness in SHARPNESSES])
    # Experts are linear, so what a blend missed is the blend of what they missed.
    scores = residual_crps(np.einsum("kei,nei->nki", candidates, missed.residuals), missed.weights)
    return candidates, np.divide(scores, scores[0], out=np.ones_like(scores), where=scores[0] > 0.0).mean(axis=1)


def _weigh_scales(experts: Experts, past: Past, missed: Missed | None, weights: FloatArray, trust: float) -> FloatArray:
    """Weights of the scales, shape (len(SCALES), I), by what a blend with these weights, shape (E, I), missed."""
    if missed is None:
        return np.repeat(np.eye(len(SCALES))[:1].T, past.values.shape[1], axis=1)  # as the noise of arrivals
    residuals = np.einsum("ei,nei->ni", weights, missed.residuals)[:, None, :]
    scales = experts.scales[:, missed.rows].transpose(1, 0, 2)
    scores = scaled_crps(np.broadcast_to(residuals, scales.shape), scales, missed.weights)
    return softmax(-SCALES_SHARPNESS * trust * _excess(scores, past))


def along_horizon(at_nodes: FloatArray, nodes: list[int]) -> FloatArray:
    """Values at ascending steps, shape (N, E, I), drawn out linearly to steps 1 … last, shape (H, E, I)."""
    place = np.interp(np.arange(1, nodes[-1] + 1), nodes, np.arange(len(nodes)))
    left = np.minimum(place.astype(np.intp), max(len(nodes) - 2, 0))
    right = np.minimum(left + 1, len(nodes) - 1)
    share = (place - left)[:, None, None]
    return np.asarray((1.0 - share) * at_nodes[left] + share * at_nodes[right])


def experience(history: Past, periods: tuple[float, ...], horizon_seconds: float) -> FloatArray | None:
    """What each expert's score in the long history exceeds the best one's by, shape (E, I); None when it is short.

    The same experts on coarse rows. All of them are scored where the seasonal ones have at least one period behind.
    """
    steps = history.rows(horizon_seconds)
    period = max(periods, default=0.0)
    tail = history.since(history.rows(horizon_seconds + period) + 2 if periods else 0)
    if tail is None or len(tail) < 3 * steps + 10:
        return None
    offsets = (np.arange(len(tail) + steps, dtype=np.float64) - (len(tail) - 1)) * history.step_seconds
    ahead = steps * history.step_seconds
    seasons = [profile(history, period, offsets=offsets, ahead_seconds=ahead) for period in periods]
    known = [season for season in seasons if season is not None]
    if len(known) < len(periods):
        return None
    experts = make_experts(tail, steps, known)
    origins = np.arange(min(10, len(tail) // 4), len(tail) - steps)
    missed = _missed(experts, tail, origins, steps, most=3 * MOST_ORIGINS, half_life_seconds=np.inf)
    if missed is None:
        return None
    # Who among the plain experts is good changes within hours: the history only judges the seasonal ones against them.
    excess = _excess(residual_crps(missed.residuals, missed.weights), tail)
    excess[: len(PLAIN)] = excess[: len(PLAIN)].min(axis=0)
    return excess


def _missed(
    experts: Experts, past: Past, origins: IntArray, step: int, *, most: int, half_life_seconds: float
) -> Missed | None:
    """What was missed at one step; None with fewer than three origins."""
    usable = origins[past.observed[origins] & past.observed[origins + step]]
    usable = usable[:: -(-usable.size // most)] if usable.size > most else usable
    if usable.size < 3:
        return None
    residuals = past.values[usable + step] - experts.bases(usable, step)
    weights = np.exp2((usable - usable[-1]) * past.step_seconds / half_life_seconds)
    return Missed(residuals.transpose(1, 0, 2), usable, weights / weights.sum())


def _excess(scores: FloatArray, past: Past) -> FloatArray:
    """By how much scores, shape (E, I), exceed the best one's; what lies within rounding of demand is as good as 0."""
    floor = ROUNDING * past.values.mean(axis=0)
    best = scores.min(axis=0) + floor
    return np.asarray(np.minimum((scores + floor) / np.where(best > 0.0, best, 1.0) - (best > 0.0), WORST_EXCESS))
