"""The energy score: CRPS of joint samples, distances in place of differences.

    ES = 1/S Σ_s |x_s - y| - 1/(2 S (S - 1)) Σ_{s ≠ r} |x_s - x_r|

References:
    Gneiting and Raftery (2007), Strictly Proper Scoring Rules, Prediction, and Estimation, JASA 102.
"""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray

ROWS_AT_ONCE = 64


def energy_score(samples: FloatArray, outcomes: FloatArray) -> FloatArray:
    """Energy score of each row over all pairs of different samples.

    Args:
        samples: Shape (T, S, I), S at least 2.
        outcomes: Shape (T, I), all observed.

    Returns:
        Shape (T,).
    """
    scores = np.empty(len(samples))
    for start in range(0, len(samples), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        missed = np.sqrt(np.square(samples[rows] - outcomes[rows, None]).sum(axis=2)).mean(axis=1)
        scores[rows] = missed - 0.5 * _mean_distance(samples[rows])
    return scores


def _mean_distance(samples: FloatArray) -> FloatArray:
    """Mean distance of different samples, shape (T,); by products about the mean, which lose no digits."""
    count = samples.shape[1]
    centered = samples - samples.mean(axis=1, keepdims=True)
    products = centered @ centered.transpose(0, 2, 1)
    norms = np.diagonal(products, axis1=1, axis2=2)
    squared = np.maximum(norms[:, :, None] + norms[:, None, :] - 2.0 * products, 0.0)
    squared[:, np.arange(count), np.arange(count)] = 0.0
    return np.asarray(np.sqrt(squared).sum(axis=(1, 2)) / (count * (count - 1.0)))
