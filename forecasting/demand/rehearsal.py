"""A rehearsal: the training-free mixture forecasts a past again and again, as it would have done then.

What comes of it is what a flow is trained on: for every origin, a few steps of the horizon and every indicator, the
mixture's quantiles, what was known at the origin (the context), and what then came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import BoolArray, FloatArray, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.context import make_context
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from foresail.forecasting.moving import IntArray
from foresail.forecasting.season import DAY_SECONDS

RECENT_SECONDS = 7200.0  # what the operator's windows hold
HISTORY_STEP_SECONDS = 300.0
HISTORY_RENEWAL_SECONDS = 600.0
FURTHER = 1.5  # times the horizon that was rehearsed: as far a model that was trained on it may look
NODES = (0.25, 0.5, 1.0)  # of the horizon
_KEY = WorkloadKey("rehearsal", "rehearsal")


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """Forecasts of a past, K steps ahead each.

    Args:
        origins: Instants, seconds since the epoch, ascending, shape (N,).
        steps: Rows ahead, ascending, length K.
        samples: The mixture's, sorted, shape (N, K, S, I).
        context: Shape (N, K, I, C), C as FEATURES.
        outcomes: What came, NaN where it was not observed, shape (N, K, I).
        references: What came a season before, or the last value where that is unknown: the seasonal-naive forecast,
            shape (N, K, I).
    """

    origins: FloatArray
    steps: tuple[int, ...]
    samples: FloatArray
    context: FloatArray
    outcomes: FloatArray
    references: FloatArray

    def __len__(self) -> int:
        return int(self.origins.shape[0])

    def take(self, rows: BoolArray) -> Rehearsal:
        """Some of the origins."""
        return Rehearsal(
            self.origins[rows],
            self.steps,
            self.samples[rows],
            self.context[rows],
            self.outcomes[rows],
            self.references[rows],
        )


def rehearse(
    past: Window,
    *,
    horizon_seconds: float,
    stride_seconds: float = 60.0,
    season_seconds: float = DAY_SECONDS,
    samples: int = 200,
    progress: Callable[[float], None] | None = None,
) -> Rehearsal:
    """Forecast from every `stride_seconds` of the past, behind its first two hours.

    Args:
        past: Days at the step at which forecasts will be asked for.
        horizon_seconds: The furthest step.
        stride_seconds: Between origins.
        season_seconds: Of the naive forecast.
        samples: Of the mixture.
        progress: Told the share that is done.

    Returns:
        Origins from which the mixture could forecast; possibly none.
    """
    rows = max(1, math.ceil(horizon_seconds / past.step_seconds - 1e-9))
    steps = tuple(sorted({max(1, round(rows * node)) for node in NODES}))
    stride = max(1, round(stride_seconds / past.step_seconds))
    season = round(season_seconds / past.step_seconds)
    truth = np.where(past.observed, past.values, np.nan)
    rehearsing = _Rehearsing(past, horizon_seconds, MixtureForecaster(samples=samples))
    ends = range(rehearsing.recent_rows, len(past) - rows, stride)
    moments = []
    for turn, row in enumerate(ends):
        recent, made = rehearsing.forecast(row)
        if isinstance(made, Forecast):
            targets = row - 1 + np.array(steps)
            ordered = np.sort(made.samples[:, targets - row], axis=0).transpose(1, 0, 2)
            context = make_context(recent, ordered, steps)
            moments.append(
                _Moment(recent.end, ordered, context, truth[targets], _naive(truth, row - 1, targets, season))
            )
        if progress is not None:
            progress((turn + 1) / len(ends))
    return _join(moments, steps, len(past.indicators))


class _Moment(NamedTuple):
    """A row of a rehearsal."""

    origin: float
    samples: FloatArray
    context: FloatArray
    outcomes: FloatArray
    references: FloatArray


@dataclass(slots=True)
class _Rehearsing:
    """The mixture on its way through a past; it is shown the history when it would renew its seasons."""

    past: Window
    horizon_seconds: float
    forecaster: MixtureForecaster
    _history_at: float = -math.inf

    @property
    def recent_rows(self) -> int:
        return round(RECENT_SECONDS / self.past.step_seconds)

    def forecast(self, row: int) -> tuple[Window, Forecast | Unknown]:
        """What was known, and forecast of it, before a row."""
        recent, history = cut(self.past, row - self.recent_rows, row), None
        if recent.end - self._history_at >= HISTORY_RENEWAL_SECONDS:
            history, self._history_at = coarsen(cut(self.past, 0, row), HISTORY_STEP_SECONDS), recent.end
        return recent, self.forecaster.forecast({_KEY: ForecastRequest(recent, history, self.horizon_seconds)})[_KEY]


def _join(moments: Sequence[_Moment], steps: tuple[int, ...], indicators: int) -> Rehearsal:
    if not moments:
        nothing = np.zeros((0, len(steps), indicators))
        return Rehearsal(np.zeros(0), steps, nothing[:, :, None], nothing[..., None], nothing, nothing)
    return Rehearsal(
        np.array([moment.origin for moment in moments]),
        steps,
        np.stack([moment.samples for moment in moments]),
        np.stack([moment.context for moment in moments]),
        np.stack([moment.outcomes for moment in moments]),
        np.stack([moment.references for moment in moments]),
    )


def _naive(truth: FloatArray, last: int, rows: IntArray, season: int) -> FloatArray:
    """What stood a season before these rows, else in the last row, shape (K, I)."""
    before = truth[np.maximum(rows - season, 0)]
    known = (rows >= season)[:, None] & (rows - season <= last)[:, None] & np.isfinite(before)
    return np.asarray(np.where(known, before, truth[last]))


def cut(window: Window, start: int, stop: int) -> Window:
    """Rows of a window."""
    return Window(
        window.indicators,
        window.step_seconds,
        window.end - (len(window) - stop) * window.step_seconds,
        window.values[start:stop],
        window.observed[start:stop],
    )


def coarsen(window: Window, step_seconds: float) -> Window:
    """Means over spans of `step_seconds` that end where the window ends; a span counts when half of it was observed."""
    rows = max(1, round(step_seconds / window.step_seconds))
    spans = len(window) // rows
    shape = (spans, rows, len(window.indicators))
    observed = window.observed[len(window) - spans * rows :].reshape(shape)
    values = np.where(observed, window.values[len(window) - spans * rows :].reshape(shape), 0.0)
    counts = observed.sum(axis=1)
    return Window(
        window.indicators,
        rows * window.step_seconds,
        window.end,
        values.sum(axis=1) / np.maximum(counts, 1),
        counts >= (rows + 1) // 2,
    )
