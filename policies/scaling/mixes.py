"""Mixes of variants that a ladder does not reach: fewer of one and more of another, around what the demand needs.

A ladder fills the cheapest variant per work first and rounds it up. The last replica of it may idle for the most part,
where a smaller one of another variant would do, and whoever shares a pool must be able to give way in it. So for every
pair of variants each count of the one is tried with the counts of the other that just carry the demand, starting from
the minima and from what runs: what runs is where a change is cheapest.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import FloatArray

Counts = NDArray[np.intp]

MOST_COUNTS = 1500  # over all pairs: with two variants and more than 125 replicas, not each count is tried
LEAST_SPLITS = 4  # of one pair, however many there are
ROUNDING = 1e-9
# Replicas around those that just carry the quantile, as it is the expected loss that decides.
AROUND = np.array([-1, 0, 1])


def variant_mixes(worth: FloatArray, need: float, *, current: Counts, least: Counts, most: Counts) -> Counts:
    """Counts by variant, shape (N, V), within the limits.

    Args:
        worth: Replicas of the reference that one replica of each variant is worth, shape (V,).
        need: Replicas of the reference that the demand takes.
        current: Replicas now, shape (V,).
        least: Shape (V,).
        most: Shape (V,).
    """
    pairs = [(one, other) for one in range(len(worth)) for other in range(len(worth)) if one != other]
    kept = np.clip(current, least, most)
    bases = [least, kept] if len(worth) > 2 else [least]  # of two variants a pair leaves no other at its base
    splits = max(MOST_COUNTS // (len(bases) * len(AROUND) * len(pairs)), LEAST_SPLITS)
    found = [least[None, :], kept[None, :]]
    for base, (one, other) in product(bases, pairs):
        rest = base.copy()
        rest[[one, other]] = 0
        missing = max(need - float(rest @ worth), 0.0)
        high = min(int(most[one]), math.ceil(missing / worth[one]) + 1)
        tried = _spread(int(least[one]), high, splits)
        fill = np.ceil(np.maximum(missing - tried * worth[one], 0.0) / worth[other] - ROUNDING)
        counts = np.repeat(rest[None, :], len(tried) * len(AROUND), axis=0)
        counts[:, one] = np.repeat(tried, len(AROUND))
        counts[:, other] = np.minimum(np.maximum(fill[:, None] + AROUND, least[other]), most[other]).ravel()
        found.append(counts)
    return np.vstack(found)


def _spread(low: int, high: int, most: int) -> Counts:
    """At most so many counts from low to high, both among them."""
    high = max(low, high)
    if high - low < most:
        return np.arange(low, high + 1)
    return np.linspace(low, high, most).astype(np.intp)
