"""Scenarios of what comes next, from windows that have passed or from sampled paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foresail.domain.timeseries import FloatArray

DAMPING = 0.5  # half of a growth lasts: a single window's is part noise
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)


def from_windows(windows_rps: Sequence[FloatArray], *, count: int = 3, damping: float = DAMPING) -> list[FloatArray]:
    """As many equally likely scenarios as windows are known, at most `count`, shape (I, J) each.

    The present rate grows as it did into each of the last windows, damped, and is spread over the buckets as there:

        scenario_j = rps_now · (rps_j / rps_(j-1))^damping · mix_j

    Args:
        windows_rps: Oldest first, the present one last; at least one.
        count: How many of the last windows are taken.
        damping: 0: the rate stays, 1: it grows as it did.
    """
    totals = [float(window.sum()) for window in windows_rps]
    now = totals[-1]
    places = [place for place in range(1, len(windows_rps)) if totals[place - 1] > 0.0 and totals[place] > 0.0]
    grown = [windows_rps[j] / totals[j] * now * (totals[j] / totals[j - 1]) ** damping for j in places[-count:]]
    return grown or [windows_rps[-1]]


def from_paths(paths_rps: FloatArray, quantiles: Sequence[float] = QUANTILES) -> list[FloatArray]:
    """A few of many sampled paths, at quantiles of their mean rate, as their mean over time, shape (I, J) each.

    Args:
        paths_rps: Shape (S, H, I, J).
        quantiles: Of the paths by rate, 0…1; equally likely when evenly spaced.
    """
    means = paths_rps.mean(axis=1)
    order = np.argsort(means.sum(axis=(1, 2)), kind="stable")
    places = np.rint(np.array(quantiles) * (len(order) - 1)).astype(np.intp)
    return [means[place] for place in order[places]]
