"""Pods of one variant, and what is observed of them."""

from __future__ import annotations

from typing import Any

from foresail.domain.snapshot import Demand, Signal, Unknown
from foresail.domain.workload import Role
from foresail.operator.observe.demand import (
    MixMeter,
    RolePods,
    Times,
    arrivals,
    observe_flows,
    observe_served,
)
from foresail.operator.observe.records import read_pod
from foresail.operator.observe.replicas import VariantPods, sort_pods
from foresail.operator.observe.telemetry import Telemetry
from tests.builders import NOW
from tests.unit.operator.observe.bodies import make_pod_body

GRACE = 60.0
WINDOW = 60.0
JUST_NOW: dict[str, Any] = {"created": NOW - 150.0, "ready_after": 120.0}  # ready for half of the window


def ready(*names: str, **pod: Any) -> VariantPods:
    return sort_pods(read_pod(make_pod_body(name, **pod)) for name in names)


def together(*parts: VariantPods) -> VariantPods:
    phases = ("ready", "starting", "pending", "draining", "gone")
    return VariantPods(**{phase: tuple(pod for part in parts for pod in getattr(part, phase)) for phase in phases})


def observe(telemetry: Telemetry, *variants: RolePods | VariantPods) -> Demand | Unknown:
    parts = [part if isinstance(part, RolePods) else RolePods(Role.UNIFIED, part) for part in variants]
    flows = observe_flows(parts, telemetry, Times(NOW, GRACE, WINDOW))
    return flows if isinstance(flows, Unknown) else arrivals(*flows, MixMeter().note(*flows, NOW))


def served(pods: VariantPods, telemetry: Telemetry) -> Demand | None:
    return observe_served(pods, telemetry, Times(NOW, GRACE, WINDOW))


def vars_of(demand: Demand) -> tuple[float, float, float]:
    return demand.requests_per_second, demand.input_tokens_per_second, demand.output_tokens_per_second


def unknown(signal: Demand | Signal) -> Unknown:
    assert isinstance(signal, Unknown), signal
    return signal
