"""What the forecaster keeps of one workload between calls: seasons, weights, calibration; and when each is renewed.

Renewal follows the windows' time, never a count of calls or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from foresail.domain.timeseries import FloatArray, Window
from foresail.forecasting.demand.calibrate import Calibration
from foresail.forecasting.demand.experts import Experts
from foresail.forecasting.demand.mixture import Mixture, experience, weigh
from foresail.forecasting.demand.trial import Contest, Trial
from foresail.forecasting.moving import IntArray
from foresail.forecasting.past import Past, trust
from foresail.forecasting.season import find_periods, profile

SEASONS_SECONDS = 600.0  # at a cycle of 15 s every 40th call
WEIGHTS_SECONDS = 90.0  # … every sixth


@dataclass(frozen=True, slots=True, eq=False)
class Seasons:
    """What a history taught.

    Args:
        made_at: End of the recent window then.
        asked: The period that was given, None: it was looked for.
        history: What was trusted of it, in single precision.
        periods: Seconds.
        excess: By how much each expert's score exceeded the best one's, shape (E, I), None: too short to tell.
    """

    made_at: float
    asked: float | None
    history: Past
    periods: tuple[float, ...]
    excess: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights, and the end of the recent window when they were made."""

    made_at: float
    mixture: Mixture


@dataclass(slots=True)
class Remembered:
    """One workload's memory; mutable. `turn` (0 … 1) is its place among the others in the first renewal."""

    turn: float
    calibration: Calibration = field(default_factory=Calibration)
    trial: Trial = field(init=False)
    _seasons: Seasons | None = None
    _weights: Weights | None = None
    _renewals: int = 0

    def __post_init__(self) -> None:
        self.trial = Trial(Contest(self.turn))

    @property
    def periods(self) -> tuple[float, ...]:
        """The seasons' lengths in seconds, empty when there are none."""
        return () if self._seasons is None else self._seasons.periods

    def renew_seasons(
        self, history: Window | None, recent: Window, period_seconds: float | None, ahead_seconds: float
    ) -> None:
        """Learn the seasons when they are due: at first, in turn, or when another period is given."""
        known = self._seasons
        if known is not None and known.asked == period_seconds and not self._is_due(known.made_at, recent.end):
            return
        past = None if history is None else trust(history, recent.indicators)
        if past is None:
            return  # What was learned before still holds; a season does not end with an outage of Prometheus.
        periods = find_periods(past) if period_seconds is None else (period_seconds,)
        excess = experience(past, periods, ahead_seconds)
        self._seasons = Seasons(recent.end, period_seconds, _halve(past), periods, excess)
        self._renewals += 1
        self._weights = None

    def _is_due(self, made_at: float, end: float) -> bool:
        """The first renewal comes early by the workload's turn, so that later ones are spread evenly."""
        wait = SEASONS_SECONDS * (1.0 - self.turn if self._renewals == 1 else 1.0)
        return not made_at <= end < made_at + wait

    def profiles(self, past: Past, steps: int) -> list[FloatArray]:
        """The seasons' profiles on every row of the past and `steps` further, each of shape (T + steps, I)."""
        seasons = self._seasons
        if seasons is None or not seasons.periods:
            return []
        place = np.arange(len(past) + steps, dtype=np.float64) - (len(past) - 1)
        offsets = place * past.step_seconds + (past.end - seasons.history.end)
        ahead = steps * past.step_seconds
        found = [profile(seasons.history, p, offsets=offsets, ahead_seconds=ahead) for p in seasons.periods]
        return [season for season in found if season is not None]

    def mixture(self, experts: Experts, past: Past, origins: IntArray) -> Mixture:
        """Weights of these experts: those of a moment ago while they fit, else new ones."""
        shape = (experts.gains.shape[1], len(experts.names), past.values.shape[1])
        known = self._weights
        fits = known is not None and known.mixture.weights.shape == shape
        if known is not None and fits and 0.0 <= past.end - known.made_at < WEIGHTS_SECONDS:
            return known.mixture
        excess = None if self._seasons is None else self._seasons.excess
        if excess is not None and excess.shape != shape[1:]:
            excess = None
        # New ones count as older by the workload's turn, so that not the whole fleet is due in the same call.
        age = 0.0 if fits else self.turn * WEIGHTS_SECONDS
        self._weights = Weights(past.end - age, weigh(experts, past, origins, excess=excess))
        return self._weights.mixture


def _halve(past: Past) -> Past:
    """The same past in half the memory: weeks are kept of every workload, and seven digits are enough for a mean."""
    return replace(past, values=cast(FloatArray, past.values.astype(np.float32)))
