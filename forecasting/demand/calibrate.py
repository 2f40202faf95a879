"""Calibration: forecasts are kept until their time has come, then held against what was observed.

Each indicator has two factors on its spread, below and above the expectation. They move after each outcome so that in
the long run 5 % fall outside on each side:

    log s ← log s + GAIN · (1 if outside, else 0, less 5 %)

Promises overlap: a single jump breaks all that were made within a horizon before it. So those of a long horizon count
less each, else one jump would widen forecasts of ten minutes for hours.

References:
    Gibbs and Candès (2021), Adaptive Conformal Inference Under Distribution Shift, NeurIPS.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.forecasting.demand.promises import PEAK_STEPS, Promises
from foresail.forecasting.past import Past

OUTSIDE = 0.05  # on each side
GAIN = 0.015  # twice as much costs 1 % of CRPS where the spread was right already
LEAST_SPREAD, MOST_SPREAD = 0.6, 2.5
OVERLAPPING = 10  # promises whose misses count in full; of more, each counts in proportion
LEAST_OUTCOMES = 80  # 20 minutes of a cycle of 15 s
MOST_OUTCOMES = 960  # four hours
TOLERATED = 0.05  # between the share outside and what was promised, both sides together


class Limits(NamedTuple):
    """Between which a forecast expects the peak, shape (I,) each."""

    low: FloatArray
    high: FloatArray


@dataclass(slots=True)
class Calibration:
    """How a workload's forecasts have fared; mutable, one per workload."""

    below: FloatArray = field(default_factory=lambda: np.ones(1))
    above: FloatArray = field(default_factory=lambda: np.ones(1))
    _promises: Promises[Limits] = field(default_factory=Promises)
    _outside: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_OUTCOMES))

    @property
    def spread(self) -> tuple[FloatArray, FloatArray]:
        """Factors on residuals below and above the expectation, shape (I,), or (1,) before anything was learned."""
        return self.below, self.above

    @property
    def calibrated(self) -> bool | None:
        """Whether as much fell outside as was promised; None until enough forecasts have met their time."""
        if len(self._outside) < LEAST_OUTCOMES:
            return None
        return abs(float(np.mean(self._outside)) - 2.0 * OUTSIDE) <= TOLERATED

    def promise(self, origin: float, instant: float, samples: FloatArray) -> None:
        """Remember the limits of samples, shape (S, H, I), whose last step is at `instant`."""
        steps = samples.shape[1]
        peaks = np.sort(samples[:, -PEAK_STEPS:].max(axis=1), axis=0)
        low = int(OUTSIDE * (len(peaks) - 1))
        limits = Limits(peaks[low].copy(), peaks[len(peaks) - 1 - low].copy())
        self._promises.make(origin, instant, steps, limits)

    def settle(self, past: Past) -> None:
        """Compare the promises whose time has come with what was observed."""
        for kept in self._promises.due(past):
            self._learn(kept.peak, kept.said, GAIN * min(OVERLAPPING / kept.rows, 1.0))

    def _learn(self, peak: FloatArray, limits: Limits, gain: float) -> None:
        under, over = peak < limits.low, peak > limits.high
        self._outside.append(float(np.mean(under | over)))
        self.below = _moved(self.below, under, gain)
        self.above = _moved(self.above, over, gain)


def _moved(spread: FloatArray, outside: BoolArray, gain: float) -> FloatArray:
    return np.asarray(np.clip(spread * np.exp(gain * (outside - OUTSIDE)), LEAST_SPREAD, MOST_SPREAD))
