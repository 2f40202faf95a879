"""Joint paths: the blend's expectation plus whole rows of what it missed before.

A residual path is what the blend of now, placed at one past origin, would have missed at every step and in every
indicator. Paths are drawn as whole rows, so the dependence between indicators and along the horizon is the past's own.
Residuals are fitted to now by the ratio of what noise grows with, then and now: the scales, as far as each has proved
right. Paths across a jump of the level count for what is known of jumps (jumps.py).
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.experts import Experts
from foresail.forecasting.demand.mixture import Mixture
from foresail.forecasting.moving import IntArray
from foresail.forecasting.past import Past

HALF_LIFE_SECONDS = 7200.0  # an origin's weight: newer noise is likelier
LEAST_OBSERVED = 0.75  # of a path's steps; the others repeat the step before
LEAST_RATIO, MOST_RATIO = 0.4, 2.0  # of noise now to then; that it has grown is less sure than that it is calm
STRETCH = 3.0  # theory below: 1.5; the rest, measured: the weights were fitted to the same residuals
WIDE = 0.5  # log-normal spread of the forecast that knows next to nothing: 90 % between 0.44 and 2.3 times


def usable_origins(past: Past, steps: int, *, warm_up_rows: int) -> IntArray:
    """Rows that count themselves, are warm, and are followed by `steps` rows of which most count, ascending."""
    first = min(warm_up_rows, len(past) // 8)
    rows = np.arange(first, max(first, len(past) - steps))
    counted = np.concatenate([[0], np.cumsum(past.observed)])
    seen = counted[rows + steps + 1] - counted[rows + 1]
    return np.asarray(rows[past.observed[rows] & (seen >= LEAST_OBSERVED * steps)])


def draw(
    experts: Experts,
    past: Past,
    origins: IntArray,
    mixture: Mixture,
    *,
    count: int,
    spread: tuple[FloatArray | float, FloatArray | float] = (1.0, 1.0),
) -> FloatArray:
    """Draw joint paths from the last row of the past on.

    Origins are drawn systematically, so a small change of the input is a small change of the paths.

    Args:
        experts: E experts, H steps.
        past: T rows, I indicators.
        origins: Where residual paths start, at least one.
        mixture: Weights of the experts and of the scales.
        count: Number of paths S.
        spread: Factors on residuals below and above the expectation, of all or of each indicator.

    Returns:
        Shape (S, H, I), not negative.
    """
    steps = mixture.weights.shape[0]
    ages = (origins[-1] - origins) * past.step_seconds
    likely = 1.0 if experts.jumps is None else experts.jumps.likelihood(origins, steps)
    weights = likely * np.exp2(-ages / HALF_LIFE_SECONDS)
    heard = np.cumsum(weights)
    worth = heard[-1] ** 2 / np.square(weights).sum()  # as many paths of equal weight
    picked = origins[np.searchsorted(heard, (np.arange(count) + 0.5) / count * heard[-1])]
    places = np.concatenate([picked, [len(past) - 1]])
    blend = experts.blend(places, mixture.weights)
    ahead = picked[:, None] + np.arange(1, steps + 1)
    residuals = past.values[ahead]
    residuals -= blend[:-1]
    residuals *= _fit(experts, picked, mixture.scales)[:, None, :]
    below, above = (factor * small_sample_factor(worth / steps) for factor in spread)
    residuals *= np.where(residuals > 0.0, above, below)
    residuals += blend[-1]
    return np.asarray(np.maximum(residuals, 0.0, out=residuals))


def _fit(experts: Experts, origins: IntArray, shares: FloatArray) -> FloatArray:
    """Factors on residuals of past origins, shape (N, I): the weighted geometric mean of the scales' ratios."""
    ratios = np.log(experts.scales[:, -1:] / experts.scales[:, origins])
    logs = np.einsum("ci,cni->ni", shares, ratios)
    return np.asarray(np.exp(np.clip(logs, np.log(LEAST_RATIO), np.log(MOST_RATIO))))


def small_sample_factor(blocks: float) -> float:
    """By how much quantiles from few residuals must be stretched to hold what they promise.

    Overlapping paths are worth as many independent ones, n, as fit side by side. Student's t over the normal and the
    uncertain mean, to first order, are (1 + (z² + 1) / 4n) (1 + 1 / 2n): about 1 + 1.5 / n for the 90 … 97 % quantiles.
    """
    return 1.0 + min(STRETCH / max(blocks, 1.0), 0.5)


def wide(last: FloatArray, *, count: int, steps: int) -> FloatArray:
    """Paths that say little more than the order of magnitude: the last value, shape (I,), times log-normal factors."""
    paths = np.exp(WIDE * normal_quantiles(count))[:, None, None] * last
    return np.asarray(np.repeat(paths, steps, axis=1))


@lru_cache(maxsize=8)
def normal_quantiles(count: int) -> FloatArray:
    """Quantiles of the standard normal in the middle of `count` equal parts."""
    quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / count) for i in range(count)])
    quantiles.flags.writeable = False
    return quantiles
