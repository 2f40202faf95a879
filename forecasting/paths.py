"""Joint paths: the blend's expectation plus whole rows of what it missed before.

A residual path is what the blend of now, placed at one past origin, would have missed at every step and in every
indicator. Paths are drawn as whole rows, so the dependence between indicators and along the horizon is the past's own.
Residuals are fitted to the level of now by the square root of the ratio of levels, as the noise of arrivals is.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.experts import MIDDLE, Experts, IntArray
from foresail.forecasting.past import Past

HALF_LIFE_SECONDS = 7200.0  # an origin's weight: newer noise is likelier
LEAST_OBSERVED = 0.75  # of a path's steps; the others repeat the step before
LEAST_RATIO, MOST_RATIO = 0.25, 4.0  # of levels
STRETCH = 2.5  # theory below: 1.5; the rest, measured: the weights were fitted to the same residuals
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
    weights: FloatArray,
    *,
    count: int,
    spread: tuple[float, float] = (1.0, 1.0),
) -> FloatArray:
    """Draw joint paths from the last row of the past on.

    Origins are drawn systematically, so a small change of the input is a small change of the paths.

    Args:
        experts: E experts, H steps.
        past: T rows, I indicators.
        origins: Where residual paths start, at least one.
        weights: Of the experts, shape (H, E, I).
        count: Number of paths S.
        spread: Factors on residuals below and above the expectation.

    Returns:
        Shape (S, H, I), not negative.
    """
    ages = (origins[-1] - origins) * past.step_seconds
    heard = np.cumsum(np.exp2(-ages / HALF_LIFE_SECONDS))
    picked = origins[np.searchsorted(heard, (np.arange(count) + 0.5) / count * heard[-1])]
    places = np.concatenate([picked, [len(past) - 1]])
    blend = experts.blend(places, weights)
    ahead = picked[:, None] + np.arange(1, weights.shape[0] + 1)
    residuals = (past.values[ahead] - blend[:-1]) * _fit(experts, picked)[:, None, :]
    below, above = (factor * small_sample_factor(origins.size / weights.shape[0]) for factor in spread)
    return np.asarray(np.maximum(blend[-1] + np.where(residuals > 0.0, above, below) * residuals, 0.0))


def _fit(experts: Experts, origins: IntArray) -> FloatArray:
    """Factors on residuals of past origins, shape (N, I)."""
    levels = experts.features[MIDDLE]
    then, now = levels[origins], levels[-1]
    ratio = np.where(then > 0.0, now / np.where(then > 0.0, then, 1.0), 1.0)
    return np.asarray(np.sqrt(np.clip(ratio, LEAST_RATIO, MOST_RATIO)))


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
