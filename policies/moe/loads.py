"""Load of every expert from the engines' counters: increases, weighted by their age, or as series to be forecast.

Counters start again at zero when an engine starts or changes its size. Then all of them do, so one that fell tells of
all, and what they show has arrived since. What was not observed is not known, and never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray, Window


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Tokens that came to every expert, step after step.

    Args:
        step_seconds: Time between rows.
        tokens_per_second: Shape (T, L, E); what stands where `observed` is False means nothing.
        observed: Shape (T,).
    """

    step_seconds: float
    tokens_per_second: FloatArray
    observed: BoolArray


def arrivals(counters: FloatArray, step_seconds: float) -> Arrivals:
    """Arrivals between samples of counters.

    Args:
        counters: Tokens that ever came to each expert, on a regular grid, shape (T + 1, L, E); a sample of which
            anything is NaN was not observed. What came while some were missed is spread evenly over that time.
        step_seconds: Spacing of the grid.
    """
    if step_seconds <= 0:
        raise ValueError(f"step_seconds must be positive, got {step_seconds}")
    seen = np.flatnonzero(~np.isnan(counters).any(axis=(1, 2)))
    found = np.zeros((max(len(counters) - 1, 0), *counters.shape[1:]))
    observed = np.zeros(len(found), bool)
    for before, after in pairwise(seen):
        restarted = (counters[after] < counters[before]).any()
        more = counters[after] - (0.0 if restarted else counters[before])
        found[before:after] = more / ((after - before) * step_seconds)
        observed[before:after] = True
    return Arrivals(step_seconds, found, observed)


def weighted(found: Arrivals, half_life_seconds: float) -> FloatArray | None:
    """Mean load of every expert, in which a step counts half of one that is `half_life_seconds` younger.

    Returns:
        Tokens per second, shape (L, E), or None where nothing was observed.
    """
    if half_life_seconds <= 0:
        raise ValueError(f"half_life_seconds must be positive, got {half_life_seconds}")
    if not found.observed.any():
        return None
    age = found.step_seconds * np.arange(len(found.observed))[::-1]
    weight = np.where(found.observed, 0.5 ** ((age - age[found.observed].min()) / half_life_seconds), 0.0)
    return np.asarray(np.tensordot(weight / weight.sum(), found.tokens_per_second, axes=1))


def series(found: Arrivals, layer: int, *, end: float) -> Window:
    """The load of a layer's experts as series, an indicator for each, as everything that is forecast.

    Args:
        found: Arrivals of all layers.
        layer: Which.
        end: Instant of the last row, seconds since the epoch.
    """
    values = found.tokens_per_second[:, layer]
    names = tuple(f"expert_{expert}_tokens_per_second" for expert in range(values.shape[1]))
    observed = np.repeat(found.observed[:, None], len(names), axis=1)
    return Window(names, found.step_seconds, end, values.copy(), observed)
