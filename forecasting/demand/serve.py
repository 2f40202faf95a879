"""The forecaster that needs no training: a calibrated mixture of simple experts, for a fleet, every cycle.

Paths are drawn anew from every window, in a millisecond. What is kept between calls is what changes slowly (experts'
weights for 90 s, seasons for ten minutes, each workload in its own turn, so that no call pays for all) and what no
window tells: how former forecasts have fared. Ages are counted in the windows' own time, so asking again with the same
windows gives the same answer.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from foresail.domain.forecast import Forecast
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import FloatArray, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.experts import MIDDLE_SECONDS, Experts, make_experts
from foresail.forecasting.demand.mixture import Mixture, alone
from foresail.forecasting.demand.paths import draw, usable_origins, wide
from foresail.forecasting.demand.remembered import Remembered
from foresail.forecasting.demand.trial import MIXTURE, ORDER, PATHS
from foresail.forecasting.moving import IntArray
from foresail.forecasting.past import Past, on_rows, trust

LEAST_SAMPLES = 3
LEAST_ORIGINS = 8
STALE_SECONDS = 600.0
SURE_HORIZONS = 3  # past paths, in horizons, from which on nothing is merely guessed
SURE_ORIGINS = 20


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """What to forecast.

    Args:
        recent: The last hours at a fine step, which is the forecast's step too.
        history: The last days or weeks at a coarse step, for seasons; None without.
        horizon_seconds: How far to look.
        period_seconds: The season, where it is known; None to find it.
        borrowed: The season as peers have it, over the recent window and the horizon, for when no own one is found.
    """

    recent: Window
    history: Window | None
    horizon_seconds: float
    period_seconds: float | None = None
    borrowed: Window | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.horizon_seconds) and self.horizon_seconds > 0):
            raise ValueError(f"horizon_seconds must be positive and finite, got {self.horizon_seconds}")
        if self.period_seconds is not None and not (math.isfinite(self.period_seconds) and self.period_seconds > 0):
            raise ValueError(f"period_seconds must be positive and finite, or None, got {self.period_seconds}")


class MixtureForecaster:
    """Makes joint sample paths for many workloads; call it once per cycle with all of them.

    Args:
        samples: Paths per forecast.
        seed: Of the order in which paths are listed.
    """

    def __init__(self, *, samples: int = 200, seed: int = 0) -> None:
        if samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        self._order: IntArray = np.random.default_rng(seed).permutation(samples)
        self._remembered: dict[WorkloadKey, Remembered] = {}

    def forecast(self, requests: Mapping[WorkloadKey, ForecastRequest]) -> dict[WorkloadKey, Forecast | Unknown]:
        """Forecast each workload, or say why not; workloads that are no longer asked for are forgotten."""
        self._remembered = {key: self._remembered.get(key) or _first(key) for key in requests}
        return {key: self._one(self._remembered[key], request) for key, request in requests.items()}

    def _one(self, remembered: Remembered, request: ForecastRequest) -> Forecast | Unknown:
        window = request.recent
        past = trust(window)
        if past is None or past.observed.sum() < LEAST_SAMPLES:
            return _too_few(past)
        if past.stale_rows * window.step_seconds > STALE_SECONDS:
            return _too_old(past.stale_rows * window.step_seconds)
        remembered.calibration.settle(past)
        remembered.trial.settle(past)
        steps = max(1, math.ceil(request.horizon_seconds / window.step_seconds - 1e-9))
        # What is missing at the end was not seen: the paths start where it was, and their first steps are dropped.
        reach = steps + past.stale_rows
        origins = usable_origins(past, reach, warm_up_rows=past.rows(MIDDLE_SECONDS))
        if origins.size < LEAST_ORIGINS:
            return _guess(window, past, count=self._order.size, steps=steps)
        remembered.renew_seasons(request.history, window, request.period_seconds, reach * window.step_seconds)
        own = remembered.profiles(past, reach)
        borrowed = [] if own or request.borrowed is None else [on_rows(request.borrowed, past, reach)]
        experts = make_experts(past, reach, own or borrowed)
        mixture = remembered.mixture(experts, past, origins)
        spread = remembered.calibration.spread
        sources = [source for source in ORDER if source == MIXTURE or source in experts.names]

        def attempt(source: str) -> FloatArray:
            return draw(experts, past, origins, _of(source, experts, mixture), count=PATHS, spread=spread)

        remembered.trial.contest.promise(past, reach, sources, attempt)
        verdict = remembered.trial.verdict
        source = verdict.source if verdict.source in sources else MIXTURE
        samples = self._paths(experts, past, origins, _of(source, experts, mixture), spread)
        remembered.calibration.promise(past.end, past.end + reach * past.step_seconds, samples)
        season = "a season of its peers" if borrowed else _tell_periods(remembered.periods)
        reason = _explain(experts, mixture.weights[-1].mean(axis=1), origins.size, season)
        return Forecast(
            indicators=window.indicators,
            origin=window.end,
            step_seconds=window.step_seconds,
            samples=np.ascontiguousarray(samples[:, past.stale_rows :]),
            source=source,
            reason=reason if source == MIXTURE else verdict.reason,
            calibrated=remembered.calibration.calibrated,
            skill=verdict.skill,
        )

    def _paths(
        self, experts: Experts, past: Past, origins: IntArray, mixture: Mixture, spread: tuple[FloatArray, FloatArray]
    ) -> FloatArray:
        """Paths of the mixture; while there are few past ones, guesses take the place of some."""
        count, steps = self._order.size, mixture.weights.shape[0]
        unsure = max(0.0, 1.0 - origins.size / max(SURE_ORIGINS, SURE_HORIZONS * steps))
        guesses = math.floor(unsure * count)
        paths = draw(experts, past, origins, mixture, count=count - guesses, spread=spread)
        if guesses:
            paths = np.concatenate([wide(past.values[-1], count=guesses, steps=steps), paths])
        return paths[self._order]


def _of(source: str, experts: Experts, mixture: Mixture) -> Mixture:
    """The mixture that makes what a source says."""
    return mixture if source == MIXTURE else alone(mixture, experts.names.index(source))


def _first(key: WorkloadKey) -> Remembered:
    """A workload not seen before, with its place in the turns of renewal."""
    return Remembered(turn=zlib.crc32(str(key).encode()) / 2**32)


def _too_few(past: Past | None) -> Unknown:
    seen = 0 if past is None else int(past.observed.sum())
    return Unknown(
        Reason.NO_HISTORY,
        f"{seen} samples of demand were observed lately, a forecast needs {LEAST_SAMPLES}; wait, or see whether"
        " Prometheus scrapes the engines",
    )


def _too_old(seconds: float) -> Unknown:
    return Unknown(
        Reason.NO_HISTORY, f"the last sample of demand is {seconds:.0f} s old; see whether Prometheus scrapes"
    )


def _guess(window: Window, past: Past, *, count: int, steps: int) -> Forecast:
    """The last value, wide: all that a handful of samples allows."""
    return Forecast(
        indicators=window.indicators,
        origin=window.end,
        step_seconds=window.step_seconds,
        samples=wide(past.values[-1], count=count, steps=steps),
        source="last-value",
        reason=f"{int(past.observed.sum())} samples allow no more than the last value, give or take a factor of two",
    )


def _explain(experts: Experts, shares: FloatArray, origins: int, season: str) -> str:
    """A sentence: who has the say at the end of the horizon, by the experts' shares, shape (E,)."""
    loudest = np.argsort(-shares, kind="stable")[:3]
    said = ", ".join(f"{experts.names[index]} {shares[index]:.0%}" for index in loudest)
    return f"experts weighed by their scores on {origins} past paths ({said}); {season} was found"


def _tell_periods(periods: tuple[float, ...]) -> str:
    found = " and ".join(f"{period / 3600.0:.1f} h" for period in periods)
    return f"a season of {found}" if found else "no season"
