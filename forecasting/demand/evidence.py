"""What rows of demand tell of a workload's daily and weekly shape: a linear Gaussian model, in closed form.

Logarithms of demand over its own mean are

    y(t) = level + shape(t) · coefficients + lasting(t) + burst(t)

Lasting is an Ornstein-Uhlenbeck process with a memory, burst is white; what both have in variance is the squared scale
of the rest, and the burst's share of it says how bursty a workload is. Level and coefficients are Gaussian given the
rest's scale and kind, so their posterior and the evidence for scale and kind are exact.

References:
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, §2.7: explicit basis functions.
    Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, §3.4: innovations of regressors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.season import WEEK_SECONDS

# Waves per week: week, half a week, the day with a neighbor on each side (days of the week differ), parts of the day.
WAVES = np.array([1.0, 2.0, 6.0, 7.0, 8.0, 14.0, 21.0, 28.0])
COEFFICIENTS = 2 * WAVES.size
# Kinds of rest: how long what lasts of it lasts, seconds, and which share of its variance lasts for one row only.
MEMORY = np.repeat(1200.0 * 4.0 ** np.arange(4.0), 3)
BURST = np.tile([0.0, 0.4, 0.8], 4)
FLOOR = 0.05  # of a workload's mean demand, added before the logarithm: nights of zero are finite
LEVEL_SPREAD = 3.0  # of the log level, in which 1 is a factor of 2.7: next to flat


def design(times: FloatArray) -> FloatArray:
    """One, and the waves of day and week, at instants (N,), epoch seconds, UTC; shape (N, 1 + P)."""
    angle = 2.0 * np.pi / WEEK_SECONDS * np.mod(times, WEEK_SECONDS)[:, None] * WAVES
    return np.concatenate([np.ones((times.size, 1)), np.sin(angle), np.cos(angle)], axis=1)


def counted(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The rows (n,) that are finite and not negative."""
    counts = np.isfinite(values) & (values >= 0.0)
    return times[counts], values[counts]


def own_measure(values: FloatArray) -> float:
    """What a workload's demand is measured in: its mean, 1 before it has shown any row."""
    return float(values.mean()) if values.size else 1.0


def to_logs(values: FloatArray, measure: float) -> FloatArray:
    """Logarithms of demand over its measure, finite at zero."""
    return np.asarray(np.log(values / (measure if measure > 0.0 else 1.0) + FLOOR))


class Told(NamedTuple):
    """All that rows tell of a workload, for each of G kinds of rest; leading axes may be added, arrays of any library.

    Each row is taken as what is new in it after the rows before, which makes rows independent.

    Args:
        gram: Of the rows of the design, shape (…, G, 1 + P, 1 + P).
        cross: Of these with the logarithms, shape (…, G, 1 + P).
        square: Of the logarithms with themselves, shape (…, G).
        sharpness: Sum of the logarithms of the rows' precisions, shape (…, G).
        rows: How many, shape (…).
        state: The lasting part's mean after the last row, as a row: of the design, then of the logarithms; what the
            first says times level and coefficients is to be taken off the second, shape (…, G, 2 + P).
        doubt: The lasting part's variance then, over the squared scale, shape (…, G).
    """

    gram: Any
    cross: Any
    square: Any
    sharpness: Any
    rows: Any
    state: Any
    doubt: Any


def tell(times: FloatArray, logs: FloatArray) -> Told:
    """What rows (n,) at ascending instants (n,) tell, in units of the rest's scale; a gap is a long step."""
    carried = np.exp(-np.diff(times, prepend=-np.inf)[:, None] / MEMORY)
    both = np.concatenate([design(times), logs[:, None]], axis=1)
    fresh, spread = np.empty((times.size, BURST.size, both.shape[1])), np.empty((times.size, BURST.size))
    state, doubt = np.zeros(fresh.shape[1:]), 1.0 - BURST
    for row, carry in enumerate(carried):
        doubt = aged(doubt, carry, BURST)
        fresh[row] = both[row] - carry[:, None] * state
        spread[row] = doubt + BURST
        state = both[row] - (BURST / spread[row])[:, None] * fresh[row]
        doubt = doubt * BURST / spread[row]
    gram = (fresh / spread[..., None]).transpose(1, 2, 0) @ fresh.transpose(1, 0, 2)
    sharpness = -np.log(spread).sum(axis=0)
    count = np.array(float(times.size))
    return Told(gram[:, :-1, :-1], gram[:, :-1, -1], gram[:, -1, -1], sharpness, count, state, doubt)


def aged(doubt: FloatArray, carried: FloatArray, burst: FloatArray) -> FloatArray:
    """Variance of the lasting part, over the squared scale, after a while of which memory carries over a share."""
    return np.asarray(carried**2 * doubt + (1.0 - carried**2) * (1.0 - burst))


def update(told: Told, means: Any, spreads: Any, scale: Any, *, module: Any = np) -> tuple[Any, Any, Any]:
    """Gaussians over level and coefficients after rows: one formula for who fits a prior and for who uses it.

    Args:
        told: With leading axes that broadcast.
        means: Of the coefficients in each archetype, shape (K, P).
        spreads: Their standard deviations, shape (K, P).
        scale: Of the rest, shape (…, J).
        module: numpy or torch, whichever the arrays are of.

    Returns:
        Means (…, J, G, K, 1 + P), precisions (…, J, G, K, 1 + P, 1 + P), log evidence (…, J, G, K).
    """
    flat = 0.0 * means[:, :1]
    means, spreads = (
        module.concatenate([flat, means], axis=1),
        module.concatenate([flat + LEVEL_SPREAD, spreads], axis=1),
    )
    sharp = scale[..., None, None] ** -2.0
    precision = told.gram[..., None, :, None, :, :] * sharp[..., None, None]
    precision = precision + spreads[..., None] ** -2.0 * module.eye(means.shape[1], dtype=means.dtype)
    explained = module.einsum("...gpq,kq->...gkp", told.gram, means)
    pull = (told.cross[..., None, :] - explained)[..., None, :, :, :] * sharp[..., None]
    square = told.square[..., None] - (means * (2.0 * told.cross[..., None, :] - explained)).sum(axis=-1)
    moved = module.linalg.solve(precision, pull[..., None])[..., 0]
    evidence = (
        0.5 * told.sharpness[..., None, :, None]
        - told.rows[..., None, None, None] * module.log(scale)[..., None, None]
        - module.log(spreads).sum(axis=-1)
        - 0.5 * module.linalg.slogdet(precision)[1]
        - 0.5 * (square[..., None, :, :] * sharp - (pull * moved).sum(axis=-1))
    )
    return means + moved, precision, evidence
