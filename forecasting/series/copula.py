"""An empirical copula: joint samples whose columns are quantiles, ordered as past rows came out together.

Each past row says at which level every column's outcome stood in its forecast. The ranks of those levels among the last
S rows known at the origin are the order of the S samples of each column: the marginals stay what was forecast, and
columns that were surprising together are so in the samples.

References:
    Clark et al. (2004), The Schaake Shuffle, J. Hydrometeorology 5.
    Schefzik et al. (2013), Uncertainty Quantification in Complex Simulation Models Using Ensemble Copula Coupling,
    Statistical Science 28.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.rolling import read_between

SAMPLES = 100


def couple(
    quantiles: FloatArray, outcomes: FloatArray, levels: FloatArray, *, horizon: int, first: int, seed: int
) -> FloatArray:
    """Joint samples of the targets from `first` on.

    Args:
        quantiles: Of consecutive targets, ascending over Q, shape (T, Q, I).
        outcomes: What came, NaN where missing, shape (T, I).
        levels: Shape (Q,).
        horizon: Rows from origin to target; an origin knows outcomes up to itself.
        first: Index of the first target asked for.
        seed: Of the order where the past does not tell one.

    Returns:
        Shape (T - first, S, I).
    """
    count, _, width = quantiles.shape
    rng = np.random.default_rng(seed)
    # A random level stands where no outcome is known: before the first target, and in holes.
    past = rng.random((SAMPLES + count, width))
    reached = _levels_reached(quantiles, outcomes, past[SAMPLES:])
    past[SAMPLES:] = reached
    # The last row that the origin of target t knows is target t - horizon.
    ends = np.maximum(np.arange(first, count) - horizon + 1, 0)
    windows = sliding_window_view(past, SAMPLES, axis=0)[ends]  # (T', I, S)
    ranks = windows.argsort(axis=2, kind="stable").argsort(axis=2, kind="stable")
    drawn = sample_levels(quantiles[first:], levels)
    return np.take_along_axis(drawn, ranks.transpose(0, 2, 1), axis=1)


def shuffle_columns(samples: FloatArray, seed: int) -> FloatArray:
    """The same samples (T, S, I) with each column in an order of its own: what the dependence is worth is lost."""
    return np.random.default_rng(seed).permuted(samples, axis=1)


def sample_levels(quantiles: FloatArray, levels: FloatArray) -> FloatArray:
    """Quantiles (T, Q, I) read at the S levels (s + ½)/S, linear between and flat beyond the given ones."""
    wanted = (np.arange(SAMPLES) + 0.5) / SAMPLES
    if levels.size == SAMPLES:
        return quantiles
    return read_at(quantiles, levels, wanted)


def read_at(quantiles: FloatArray, levels: FloatArray, wanted: FloatArray) -> FloatArray:
    """Quantiles (T, Q, I) at other levels (W,), linear between and flat beyond the given ones, shape (T, W, I)."""
    return read_between(quantiles, np.interp(wanted, levels, np.arange(levels.size)))


def _levels_reached(quantiles: FloatArray, outcomes: FloatArray, chance: FloatArray) -> FloatArray:
    """At which level each outcome stood: anywhere between the quantiles below and those not above it, by `chance`."""
    below = (quantiles < outcomes[:, None]).mean(axis=1)
    not_above = (quantiles <= outcomes[:, None]).mean(axis=1)
    return np.where(np.isfinite(outcomes), below + chance * (not_above - below), chance)
