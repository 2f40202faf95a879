"""PIT, the probability integral transform: the level of its forecast at which an outcome came."""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray

DUST = 1e-9  # of the largest quantile of a column


def pit(quantiles: FloatArray, outcomes: FloatArray, seed: int) -> FloatArray:
    """At which level each outcome stood in its forecast.

    Between two quantiles, and where several are the outcome itself, all levels that fit are equally likely.

    Args:
        quantiles: At levels (i + ½)/Q, ascending over Q, shape (T, Q, I).
        outcomes: NaN where missing, shape (T, I).
        seed: Of that choice.

    Returns:
        In 0 … 1, NaN where the outcome is, shape (T, I).

    References:
        Czado et al. (2009), Predictive Model Assessment for Count Data, Biometrics 65.
    """
    count = quantiles.shape[1]
    # What averaging leaves of a value that is likely, such as 1e-107 of 0, is that value.
    dust = DUST * np.abs(quantiles).max(axis=(0, 1), initial=0.0)
    below = (quantiles < (outcomes - dust)[:, None]).sum(axis=1)
    not_above = (quantiles <= (outcomes + dust)[:, None]).sum(axis=1)
    lowest, highest = np.maximum(below - 0.5, 0.0) / count, np.minimum(not_above + 0.5, count) / count
    chance = np.random.default_rng(seed).random(outcomes.shape)
    return np.where(np.isfinite(outcomes), lowest + chance * (highest - lowest), np.nan)
