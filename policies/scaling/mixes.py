"""Mixes of variants that a ladder does not reach: fewer of one and more of another, around what the demand needs.

A ladder fills the cheapest variant per work first and rounds it up. The last replica of it may idle for the most part,
where a smaller one of another variant would do, and whoever shares a pool must be able to give way in it. So for every
pair of variants each count of the one is tried with the counts of the other that just carry the demand, starting from
the minima and from what runs: what runs is where a change is cheapest.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import FloatArray

Counts = NDArray[np.intp]

MOST_COUNTS = 1500  # over all pairs: with two variants and more than 125 replicas, not each count is tried
LEAST_SPLITS = 4  # of one pair, however many there are
ROUNDING = 1e-9
AROUND = (-1, 0, 1)  # replicas around those that just carry the quantile, as it is the expected loss that decides


def variant_mixes(worth: FloatArray, need: float, *, current: Counts, least: Counts, most: Counts) -> Counts:
    """Counts by variant, shape (N, V), within the limits.

    Args:
        worth: Replicas of the reference that one replica of each variant is worth, shape (V,).
        need: Replicas of the reference that the demand takes.
        current: Replicas now, shape (V,).
        least: Shape (V,).
        most: Shape (V,).
    """
    bases = np.unique([least, np.clip(current, least, most)], axis=0)
    variants = range(len(worth))
    splits = max(MOST_COUNTS // (len(bases) * len(AROUND) * len(worth) * (len(worth) - 1)), LEAST_SPLITS)
    found = [bases]
    for base, one, other in product(bases, variants, variants):
        if one == other:
            continue
        rest = base.copy()
        rest[[one, other]] = 0
        missing = max(need - float(rest @ worth), 0.0)
        high = min(int(most[one]), int(np.ceil(missing / worth[one])) + 1)
        tried = _spread(int(least[one]), high, splits)
        fill = np.ceil(np.maximum(missing - tried * worth[one], 0.0) / worth[other] - ROUNDING)
        around = np.clip(fill[:, None] + np.array(AROUND), least[other], most[other])
        found.append(_with(rest, one, np.repeat(tried, len(AROUND)), other, around.ravel().astype(np.intp)))
    return np.unique(np.vstack(found), axis=0)


def _spread(low: int, high: int, most: int) -> Counts:
    """At most so many counts from low to high, both among them."""
    return np.unique(np.linspace(low, max(low, high), min(max(high - low, 0) + 1, most)).astype(np.intp))


def _with(rest: Counts, one: int, ones: Counts, other: int, others: Counts) -> Counts:
    counts = np.repeat(rest[None, :], len(ones), axis=0)
    counts[:, one], counts[:, other] = ones, others
    return counts
