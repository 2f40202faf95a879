"""Cases as the rules see them, built from the ordinary fleet."""

from __future__ import annotations

from typing import Any

import numpy as np

from foresail.domain.decision import Decision
from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory, WorkloadMemory
from foresail.domain.snapshot import FleetSnapshot, Unknown, WorkloadObservation
from foresail.domain.workload import ScalingPolicy, ScalingPolicyType, ScalingRules, SelectPolicy
from foresail.policies.allocation.nodes.stock import stock_of
from foresail.policies.cycle import run_cycle
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.gather import gather, within
from foresail.policies.scaling.prices import Prices
from foresail.policies.scaling.required import Needs
from tests.builders import make_forecast, make_memory, make_observation, make_snapshot


def make_case(
    observation: WorkloadObservation | None = None,
    *,
    forecast: Forecast | Unknown | None = None,
    memory: WorkloadMemory | None = None,
    **snapshot: Any,
) -> Case:
    """A case as `run_cycle` gathers it."""
    observation = observation or make_observation()
    fleet = make_snapshot(observation, **snapshot)
    remembered = memory or make_memory(observation.workload).workloads[observation.workload.key]
    case = gather(fleet, observation, make_forecast() if forecast is None else forecast, remembered, Prices())
    return within(case, stock_of(fleet.pools))


def make_needs(required: float, *, now: float | None = None, may_lower: bool = True) -> Needs:
    """The same need on every path and all the time."""
    paths = np.full((1, 10), float(required))
    current = np.array([required if now is None else now], dtype=np.float64)
    return Needs(paths, paths, current, current, paths[0], may_lower)


def make_rules(*policies: tuple[str, int, int], window: int = 0, select: str = "Max") -> ScalingRules:
    """The HPA's rules of one direction, from (type, value, period) triples."""
    return ScalingRules(
        stabilization_window_seconds=window,
        select_policy=SelectPolicy(select),
        policies=tuple(ScalingPolicy(ScalingPolicyType(kind), value, period) for kind, value, period in policies),
    )


def decide_one(
    observation: WorkloadObservation | None = None,
    *,
    forecast: Forecast | Unknown | None = None,
    memory: Memory | None = None,
    **snapshot: Any,
) -> Decision:
    """The decision for a fleet of one."""
    observation = observation or make_observation()
    fleet: FleetSnapshot = make_snapshot(observation, **snapshot)
    key = observation.workload.key
    forecasts = {key: make_forecast() if forecast is None else forecast}
    remembered = make_memory(observation.workload) if memory is None else memory
    return run_cycle(fleet, forecasts, remembered).decisions[key]


def condition(decision: Decision, kind: str) -> tuple[str, str]:
    """Status and reason of a condition."""
    found = next(condition for condition in decision.conditions if condition.type == kind)
    return found.status, found.reason
