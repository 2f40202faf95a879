"""Rolling quantiles: what the last rows that were observed showed, for many origins at once.

A residual belongs to its target and is known from that row on; so an origin sees residuals of targets up to itself.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.moving import IntArray

MOST_CELLS = 2_000_000  # sorted at once


def rolling_quantiles(column: FloatArray, ends: IntArray, window: int, levels: FloatArray) -> FloatArray:
    """Quantiles of the last `window` observed values before each end.

    Args:
        column: Shape (n,), NaN where missing.
        ends: One past the last row that may be seen, ascending, shape (T,).
        window: Values, at least 1; fewer where there are not as many.
        levels: Shape (Q,).

    Returns:
        Shape (T, Q); 0 where nothing was observed before the end.
    """
    observed = np.isfinite(column)
    known = column[observed]
    counts = np.concatenate(([0], np.cumsum(observed)))[np.clip(ends, 0, column.size)]
    found = np.zeros((ends.size, levels.size))
    for count in np.unique(counts[counts < window]):
        if count > 0:
            found[counts == count] = sorted_quantiles(np.sort(known[None, :count], axis=1), levels)
    full = np.flatnonzero(counts >= window)
    if full.size:
        windows = sliding_window_view(known, window)
        for rows in np.array_split(full, -(-full.size * window // MOST_CELLS)):
            found[rows] = sorted_quantiles(np.sort(windows[counts[rows] - window], axis=1), levels)
    return found


def sorted_quantiles(ordered: FloatArray, levels: FloatArray) -> FloatArray:
    """Quantiles of rows (T, w) that are sorted, value k at level (k + ½)/w, linear between, shape (T, Q)."""
    width = ordered.shape[1]
    return read_between(ordered, np.clip(levels * width - 0.5, 0.0, width - 1.0))


def read_between(rows: FloatArray, places: FloatArray) -> FloatArray:
    """Rows (T, n, …) read at places 0 … n - 1 of their second axis, shape (W,), linear between: shape (T, W, …)."""
    left = places.astype(np.intp)
    right = np.minimum(left + 1, rows.shape[1] - 1)
    low = rows[:, left]
    share = (places - left).reshape(-1, *[1] * (rows.ndim - 2))
    return np.asarray(low + share * (rows[:, right] - low))
