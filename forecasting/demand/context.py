"""The context of a forecast of demand: what its origin knew of each indicator, beside the forecast itself.

Nothing in it depends on the units of an indicator, and 0 stands where nothing is known.
"""

from __future__ import annotations

import math

import numpy as np

from foresail.domain.timeseries import FloatArray, Window
from foresail.forecasting.season import DAY_SECONDS

LIMIT = 4.0  # of features that are ratios
SPANS_SECONDS = (60.0, 300.0, 1800.0)
FEATURES = (
    "log_minutes_ahead",
    "log_relative_spread",
    "skew",
    "last_place",
    "momentum_short",
    "momentum_long",
    "log_volatility_ratio",
    "day_sine",
    "day_cosine",
)
TINY = 1e-300


def make_context(recent: Window, ordered: FloatArray, steps: tuple[int, ...]) -> FloatArray:
    """What is known at the end of a window, shape (K, I, C), C as FEATURES.

    Args:
        recent: Rows up to the origin.
        ordered: The mixture's samples at K steps, sorted, shape (K, S, I).
        steps: Rows ahead, length K.
    """
    low, middle, high = (_at(ordered, level) for level in (0.16, 0.5, 0.84))
    spread = np.maximum(high - low, 1e-9 * np.abs(middle) + TINY)
    known = np.where(recent.observed & np.isfinite(recent.values), recent.values, np.nan)
    last, *means = (_mean(known, recent, seconds) for seconds in (recent.step_seconds, *SPANS_SECONDS))
    quick, slow = _volatility(known, recent, 120.0), _volatility(known, recent, 1800.0)
    shape = spread.shape
    angle = 2.0 * math.pi * (recent.end % DAY_SECONDS) / DAY_SECONDS
    minutes = np.log1p(np.array(steps) * recent.step_seconds / 60.0)
    features = (
        np.broadcast_to(minutes[:, None], shape),
        np.log(np.clip(spread / np.maximum(np.abs(middle), TINY), 1e-4, 1e4)),
        (high + low - 2.0 * middle) / spread,
        np.clip((last - middle) / spread, -LIMIT, LIMIT),
        np.clip((means[0] - means[1]) / spread, -LIMIT, LIMIT),
        np.clip((means[1] - means[2]) / spread, -LIMIT, LIMIT),
        np.broadcast_to(np.log(np.clip((quick + TINY) / (slow + TINY), 0.05, 20.0)), shape),
        np.full(shape, math.sin(angle)),
        np.full(shape, math.cos(angle)),
    )
    return np.asarray(np.nan_to_num(np.stack(features, axis=-1)))


def _at(ordered: FloatArray, level: float) -> FloatArray:
    return np.asarray(ordered[:, int(level * (ordered.shape[1] - 1))])


def _mean(known: FloatArray, recent: Window, seconds: float) -> FloatArray:
    rows = known[-max(1, round(seconds / recent.step_seconds)) :]
    counts = np.isfinite(rows).sum(axis=0)
    return np.asarray(np.where(counts > 0, np.nansum(rows, axis=0) / np.maximum(counts, 1), np.nan))


def _volatility(known: FloatArray, recent: Window, seconds: float) -> FloatArray:
    """Root mean square of differences between neighboring rows, shape (I,)."""
    rows = max(3, round(seconds / recent.step_seconds))
    moved = np.diff(known[-rows:], axis=0)
    counts = np.isfinite(moved).sum(axis=0)
    return np.asarray(np.sqrt(np.nansum(moved**2, axis=0) / np.maximum(counts, 1)))
