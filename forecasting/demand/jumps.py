"""Jumps of the level, found by holding neighboring spans against each other.

A jump is where the mean of two minutes differs from that of the two minutes before by far more than it usually does,
and by enough to matter. What it teaches: the level is the mean since the last jump; and a jump seen once in hours need
not be expected again in the next ten minutes, though every past path of ten minutes that crosses it shows it. So of K
jumps all but KNOWN_ONCE count: after a single one, paths across it hardly do, after many they all do.

References:
    Page (1954), Continuous Inspection Schemes, Biometrika 41.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import FloatArray

IntArray = NDArray[np.intp]

SPAN_SECONDS = 120.0
UNUSUAL = 6.0  # times the median difference; normal noise reaches 4 of its standard deviations
LEAST_CHANGE = 0.2  # of the higher level: what is smaller costs no replica
KNOWN_ONCE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Jumps:
    """What was found on T rows of I indicators.

    Args:
        starts: First row of the level that holds at each row, as far as it was known there, shape (T, I).
        rows: First rows of new levels, of any indicator, ascending, shape (K,).
    """

    starts: IntArray
    rows: IntArray

    def likelihood(self, origins: IntArray, steps: int) -> FloatArray:
        """How much paths of `steps` rows from these origins count, 0 … 1, shape (N,)."""
        crosses = np.searchsorted(self.rows, origins + steps, side="right") > np.searchsorted(
            self.rows, origins, side="right"
        )
        return np.where(crosses, max(1.0 - KNOWN_ONCE / self.rows.size, 0.0), 1.0)


def find_jumps(means: FloatArray, span: int) -> Jumps | None:
    """The jumps, from means of the last `span` rows at every row, shape (T, I); None where there is none."""
    excess = _excess(means.T, span)
    largest = excess.max(axis=0, initial=0.0)
    found = np.flatnonzero(largest > 0.0)
    if found.size == 0:
        return None
    starts = np.zeros(means.shape, dtype=np.intp)
    # A difference at row n says that the new level holds since row n - span + 1; the first of them is of 2 · span - 1.
    starts[2 * span - 1 :] = np.where(excess.T > 0.0, np.arange(span, len(means) - span + 1)[:, None], 0)
    # It rises and falls over two spans around a jump: that is where the difference is largest.
    runs = np.split(found, np.flatnonzero(np.diff(found) > 1) + 1)
    rows = np.array([run[largest[run].argmax()] for run in runs]) + span
    return Jumps(np.maximum.accumulate(starts, axis=0), rows)


def _excess(means: FloatArray, span: int) -> FloatArray:
    """Differences over what makes them jumps, 0 where they are none, of means (I, T), from row 2 · span - 1 on."""
    if means.shape[1] <= 4 * span:
        return np.zeros((means.shape[0], 0))
    young, old = means[:, 2 * span - 1 :], means[:, span - 1 : -span]
    change = np.abs(young - old)
    middle = change.shape[1] // 2
    typical = np.partition(change, middle, axis=1)[:, middle, None]
    bar = np.maximum(LEAST_CHANGE * np.maximum(young, old), UNUSUAL * typical)
    return np.where(change > bar, change / np.where(bar > 0.0, bar, 1.0), 0.0)
