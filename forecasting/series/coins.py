"""Coin flips: columns that a scrape draws afresh from a few levels, such as one disk device out of several.

Nothing foresees the next flip, so such a column is forecast by its marginal (analogs add the drift of its levels), and
even the best forecast has a score above zero. Test: the values form two groups far apart, and which group comes next
does not depend on the group before, one, two or three rows back (χ² of the table of transitions).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from foresail.domain.timeseries import FloatArray

LEAST_ROWS = 100
LEAST_SHARE = 0.05  # of the rows in the smaller group
BETWEEN = 0.9  # of the variance lies between the groups
MOST_CHI2 = 15.0  # of one lag, one degree of freedom: a drifting share lifts it a little above 6.6 (1 %)
TRANSITION_LAGS = (1, 2, 3)
NEIGHBORHOOD = 72  # rows on either side whose values stand for the marginal


def is_coin_flip(known: FloatArray) -> bool:
    """Whether values (n,) are drawn afresh from two groups."""
    if known.size < LEAST_ROWS:
        return False
    threshold = 0.5 * (np.quantile(known, 0.02) + np.quantile(known, 0.98))
    high = known > threshold
    share = float(high.mean())
    if not LEAST_SHARE <= share <= 1.0 - LEAST_SHARE:
        return False
    apart = float(known[high].mean() - known[~high].mean())
    if share * (1.0 - share) * apart * apart < BETWEEN * float(known.var()):
        return False
    # χ² of a table of two by two is n φ², and φ the correlation of the two indicators.
    centered = high - share
    variance = share * (1.0 - share)
    return all(
        known.size * (float(np.mean(centered[lag:] * centered[:-lag])) / variance) ** 2 <= MOST_CHI2
        for lag in TRANSITION_LAGS
    )


def coin_floor(column: FloatArray, first: int) -> float:
    """CRPS that no forecast of a coin-flip column is below: half of Gini's mean difference around each row.

    It looks ahead as well as back, so it is a bound and no forecast.

    Args:
        column: Shape (n,), NaN where missing.
        first: First row of the test part.

    Returns:
        The mean over the rows from `first` on, in the column's unit.
    """
    known = column[np.isfinite(column)]
    behind = int(np.isfinite(column[:first]).sum())
    width = min(2 * NEIGHBORHOOD + 1, known.size)
    if width < 2 or behind >= known.size:
        return 0.0
    windows = np.sort(sliding_window_view(known, width), axis=1)
    signs = 2.0 * np.arange(width) - width + 1.0
    spread = windows @ signs / (width * (width - 1.0))
    places = np.clip(np.arange(behind, known.size) - NEIGHBORHOOD, 0, len(windows) - 1)
    return float(spread[places].mean())
