"""Scores of probabilistic forecasts: CRPS of samples, and of an expert whose spread is its own residuals.

    CRPS(F, y) = E|X - y| - ½ E|X - X'|,     X, X' independent from F

References:
    Gneiting and Raftery (2007), Strictly Proper Scoring Rules, Prediction, and Estimation, JASA 102.
"""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray


def crps(samples: FloatArray, outcome: FloatArray) -> FloatArray:
    """CRPS of equally likely samples, shape (S, …), against outcomes, shape (…); the ensemble (1/S²) estimator."""
    ordered = np.sort(samples, axis=0)
    count = ordered.shape[0]
    # ½ E|X - X'| of a sorted sample is Σ (2k - S + 1) x_k / S².
    signs = (2.0 * np.arange(count) - count + 1.0) / (count * count)
    sharpness = np.tensordot(signs, ordered, axes=(0, 0))
    return np.asarray(np.abs(samples - outcome).mean(axis=0) - sharpness)


def pinball(missed: FloatArray, level: float | FloatArray) -> FloatArray:
    """Loss of quantiles at a level from outcome - quantile, which broadcasts against the level."""
    return np.asarray(np.maximum(level * missed, (level - 1.0) * missed))


def residual_crps(residuals: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted mean CRPS of forecasts whose spread is what the same expert's residuals were.

    Forecast n is `base_n + r_m` with probability `w_m`, its outcome `base_n + r_n`; the mean over n with the same
    weights is Σ w_n w_m |r_n - r_m| - ½ Σ w_m w_k |r_m - r_k| = ½ Σ w_n w_m |r_n - r_m|, half of Gini's mean
    difference: the sum over the gaps between neighbors in order of W (1 - W) gap, W the weight below the gap.

    Args:
        residuals: Shape (N, …).
        weights: Shape (N,), sum 1.

    Returns:
        Shape (…).
    """
    columns = _columns(residuals)
    order = np.argsort(columns, axis=-1)
    gaps = np.diff(np.take_along_axis(columns, order, axis=-1), axis=-1)
    below = np.cumsum(weights[order], axis=-1)[..., :-1]
    return np.asarray((below * (1.0 - below) * gaps).sum(axis=-1))


def _columns(rows: FloatArray) -> FloatArray:
    """Rows (N, …) as columns (…, N) that lie side by side, which numpy sorts and adds up several times as fast."""
    return np.ascontiguousarray(np.moveaxis(rows, 0, -1))


def scaled_crps(residuals: FloatArray, scales: FloatArray, weights: FloatArray) -> FloatArray:
    """The same of forecasts whose spread is what residuals were in units of a scale, times the scale at their origin.

    Forecast n is `base_n + s_n z_m` with z = r / s, so its score is s_n (Σ w_m |z_n - z_m| - ½ Σ w_m w_k |z_m - z_k|).

    Args:
        residuals: Shape (N, …).
        scales: Positive, of the same shape, or one that broadcasts with it.
        weights: Shape (N,), sum 1.

    Returns:
        Shape (…).
    """
    sizes = _columns(np.broadcast_to(scales, residuals.shape))
    standard = _columns(residuals) / sizes
    order = np.argsort(standard, axis=-1)
    standard, share = np.take_along_axis(standard, order, axis=-1), weights[order]
    below, sums = np.cumsum(share, axis=-1), np.cumsum(share * standard, axis=-1)
    apart = standard * (2.0 * below - 1.0) + sums[..., -1:] - 2.0 * sums
    spread = (share * apart).sum(axis=-1, keepdims=True)
    return np.asarray((share * np.take_along_axis(sizes, order, axis=-1) * (apart - 0.5 * spread)).sum(axis=-1))
