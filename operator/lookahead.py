"""The forecast stage: how far to look ahead for each workload, and whose forecast is taken.

The embedded mixture forecasts every workload in every cycle, in a thread, which also keeps its memory warm. Where there
is a forecaster, it is asked meanwhile; its forecast is taken where it has a good one, and the mixture's where not, with
the reason why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import FleetSnapshot, Unknown
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from foresail.operator.wire import Question
from foresail.policies.scaling.lead_time import horizon_seconds

FAR = 2.0  # a flow bends the mixture's paths; what lies so far beyond all of them is of something else
OUTERMOST = (0.05, 0.95)  # one odd path makes nothing likely

Forecasts = Mapping[WorkloadKey, Forecast | Unknown]


class Forecaster(Protocol):
    """Somebody else who forecasts, in time or not at all."""

    async def ask(self, questions: Mapping[WorkloadKey, Question]) -> Forecasts:
        """The forecast of each workload, or why there is none."""


class LookAhead:
    """The stage.

    Args:
        embedded: Always works.
        season_seconds: The season that people know of, None to find one.
        forecaster: Asked as well, None: nobody is.
        on_fallback: Told the reason whenever the mixture stands in for the forecaster.
    """

    def __init__(
        self,
        embedded: MixtureForecaster,
        *,
        season_seconds: float | None,
        forecaster: Forecaster | None = None,
        on_fallback: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._embedded = embedded
        self._season_seconds = season_seconds
        self._forecaster = forecaster
        self._on_fallback = on_fallback

    async def __call__(self, snapshot: FleetSnapshot, memory: Memory) -> Forecasts:
        """The forecast of every workload of the snapshot, or why there is none."""
        requests = self._requests(snapshot, memory)
        nothing = Unknown(Reason.FORECAST_UNKNOWN, "no past demand is known to forecast from")
        unknown = dict.fromkeys(snapshot.workloads.keys() - requests.keys(), nothing)
        # In a thread: numpy on a whole fleet would hold up the probes of the kubelet.
        embedding = asyncio.to_thread(self._embedded.forecast, requests)
        if self._forecaster is None:
            return unknown | await embedding
        questions = {key: Question(snapshot.workloads[key].workload, each) for key, each in requests.items()}
        embedded, asked = await asyncio.gather(embedding, self._forecaster.ask(questions))
        return unknown | {key: self._choose(each, asked[key]) for key, each in embedded.items()}

    def _requests(self, snapshot: FleetSnapshot, memory: Memory) -> dict[WorkloadKey, ForecastRequest]:
        return {
            key: ForecastRequest(
                recent=observation.recent,
                history=observation.history,
                horizon_seconds=horizon_seconds(
                    observation, memory.workloads.get(key), cycle_seconds=snapshot.cycle_seconds
                ),
                period_seconds=self._season_seconds,
            )
            for key, observation in snapshot.workloads.items()
            if observation.recent is not None
        }

    def _choose(self, embedded: Forecast | Unknown, asked: Forecast | Unknown) -> Forecast | Unknown:
        """The forecaster's where it has a likely one; never where the past is too short for the mixture itself."""
        if isinstance(asked, Forecast) and isinstance(embedded, Forecast):
            asked = doubt(asked, embedded)
            if isinstance(asked, Forecast):
                return asked
        if isinstance(asked, Unknown):
            self._on_fallback(asked.reason)
            if isinstance(embedded, Forecast):
                return replace(embedded, reason=f"{embedded.reason}; {asked.message}", fallback=asked.message)
        return embedded


def doubt(asked: Forecast, embedded: Forecast) -> Forecast | Unknown:
    """Refuse what is finite and yet cannot be: a median twice as far out as nine in ten paths of the mixture lie.

    So a forecaster that mistakes a unit or a workload, or always says zero, moves no replica.
    """
    middle = np.median(asked.samples.mean(axis=1), axis=0)
    low, high = np.quantile(embedded.samples.mean(axis=1), OUTERMOST, axis=0)
    far = (middle < low / FAR) | (middle > high * FAR)
    if not far.any():
        return asked
    name = asked.indicators[int(np.argmax(far))]
    why = f"its {name} lies far from what the operator's own forecast expects"
    return Unknown(Reason.FORECAST_REFUSED, f"the forecaster's answer was refused: {why}")
