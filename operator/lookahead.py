"""The forecast stage: how far to look ahead for each workload, asked of the forecaster in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import FleetSnapshot, Unknown
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.serve import ForecastRequest, MixtureForecaster
from foresail.policies.scaling.lead_time import horizon_seconds


def make_forecast_stage(
    forecaster: MixtureForecaster, *, season_seconds: float | None
) -> Callable[[FleetSnapshot, Memory], Mapping[WorkloadKey, Forecast | Unknown]]:
    """Bind the stage to a forecaster; `season_seconds` is the season that people know of, None to find one."""

    def look_ahead(snapshot: FleetSnapshot, memory: Memory) -> Mapping[WorkloadKey, Forecast | Unknown]:
        requests: dict[WorkloadKey, ForecastRequest] = {}
        answers: dict[WorkloadKey, Forecast | Unknown] = {}
        for key, observation in snapshot.workloads.items():
            if observation.recent is None:
                answers[key] = Unknown(Reason.FORECAST_UNKNOWN, "no past demand is known to forecast from")
                continue
            requests[key] = ForecastRequest(
                recent=observation.recent,
                history=observation.history,
                horizon_seconds=horizon_seconds(
                    observation, memory.workloads.get(key), cycle_seconds=snapshot.cycle_seconds
                ),
                period_seconds=season_seconds,
            )
        return answers | forecaster.forecast(requests)

    return look_ahead
