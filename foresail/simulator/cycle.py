"""Foresail's own cycle as a policy of the simulator: the same forecaster, the same decision, the same memory.

Nothing is imitated: an observation of a simulated fleet becomes the snapshot that the operator would have made, and
`run_cycle` decides on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from foresail.domain.accelerator import Accelerator
from foresail.domain.decision import Decision
from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import (
    FleetSnapshot,
    Known,
    Replicas,
    Unknown,
    VariantObservation,
    WorkloadObservation,
)
from foresail.domain.workload import Workload
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from foresail.policies.cycle import Prices, run_cycle
from foresail.policies.scaling.lead_time import horizon_seconds
from foresail.policies.scaling.pressure import pressure_of
from foresail.simulator.observation import Observation


@dataclass(slots=True)
class ForesailPolicy:
    """Decides as the operator would.

    Args:
        workload: Its spec, with one variant.
        accelerators: Profiles by name.
        startup_seconds: What the operator is taken to have measured before it first sees a start.
        model: Name that the engines' metrics carry, under which profiles list the capacity; None when they tell none.
        cycle_seconds: Until the next decision.
        forecaster: Kept warm between cycles.
        prices: Of replicas and switching.
    """

    workload: Workload
    accelerators: Mapping[str, Accelerator] = field(default_factory=lambda: MappingProxyType({}))
    startup_seconds: float = 45.0
    model: str | None = None
    cycle_seconds: float = 15.0
    forecaster: MixtureForecaster = field(default_factory=MixtureForecaster)
    prices: Prices = field(default_factory=Prices)
    memory: Memory = field(default_factory=Memory)
    decisions: list[Decision] = field(default_factory=list)

    def __call__(self, now: float, observation: Observation) -> int:
        """The desired number of replicas."""
        seen = observe(self.workload, observation, startup_seconds=self.startup_seconds, model=self.model)
        snapshot = FleetSnapshot(
            now=now,
            cycle_seconds=self.cycle_seconds,
            leader_since=float("-inf"),
            workloads={self.workload.key: seen},
            accelerators=self.accelerators,
            pools=None,
        )
        result = run_cycle(snapshot, {self.workload.key: self._forecast(seen)}, self.memory, self.prices)
        self.memory = result.memory
        decision = result.decisions[self.workload.key]
        self.decisions.append(decision)
        return decision.desired

    def _forecast(self, seen: WorkloadObservation) -> Forecast | Unknown:
        key = self.workload.key
        if seen.recent is None:
            return Unknown(Reason.FORECAST_UNKNOWN, "no past demand is known to forecast from")
        horizon = horizon_seconds(seen, self.memory.workloads.get(key), cycle_seconds=self.cycle_seconds)
        request = ForecastRequest(seen.recent, seen.history, horizon_seconds=horizon)
        return self.forecaster.forecast({key: request})[key]


def observe(
    workload: Workload, observation: Observation, *, startup_seconds: float, model: str | None = None
) -> WorkloadObservation:
    """What the operator would see of a simulated fleet."""
    counts = observation.replicas
    replicas = Replicas(counts.current, counts.ready, starting=counts.starting, draining=counts.draining)
    variant = VariantObservation(
        name=workload.variants[0].name,
        replicas=replicas,
        target_uid="simulated",
        resource_version="1",
        startup_seconds=observation.startup_seconds or (startup_seconds,),
        served=observation.served,
        pressure=pressure_of(
            workload.slo,
            kv_usage=observation.kv_usage,
            tpot_seconds=observation.tpot_seconds,
            waiting=observation.waiting,
            served_rps=observation.served.requests_per_second,
        ),
        load_by_pod={name: float(load) for name, load in observation.load_by_replica.items()},
    )
    attainment = observation.attainment
    return WorkloadObservation(
        workload=workload,
        variants=(variant,),
        demand=observation.demand,
        attainment=Unknown(Reason.NO_TRAFFIC, "no request was answered") if attainment is None else Known(attainment),
        recent=observation.recent,
        history=observation.history,
        waiting=Known(float(observation.waiting)),
        running=Known(float(observation.running)),
        model=model,
    )
