"""What is known, as JSON: the form of `status.lastDecision`, and all that led to it, from sample to sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from foresail.domain.decision import Condition, Decision, Outlook
from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Demand, Known, Unknown, VariantObservation, WorkloadObservation
from foresail.domain.timeseries import Window

QUANTILES = (0.05, 0.5, 0.95)


class Write(NamedTuple):
    """One write to a scale target and what came of it."""

    variant: str
    replicas: int
    outcome: str
    message: str


@dataclass(frozen=True, slots=True)
class Trace:
    """One workload's cycle: what was observed, forecast, decided and written; `routing`: how its HTTPRoute stands."""

    decision: Decision
    observation: WorkloadObservation | None = None
    forecast: Forecast | Unknown | None = None
    writes: tuple[Write, ...] = ()
    routing: Condition | None = None
    leading: bool = True

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The decision's, and that of routing."""
        return (*self.decision.conditions, *(() if self.routing is None else (self.routing,)))


def to_instant(seconds: float) -> str:
    """An instant as Kubernetes writes it, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_last_decision(decision: Decision) -> dict[str, Any]:
    """A decision as in `status.lastDecision`; from and to are None when no target was found."""
    return {
        "id": decision.id,
        "time": to_instant(decision.time),
        "from": decision.current if decision.found else None,
        "to": decision.desired if decision.found else None,
        "reason": decision.reason,
        "message": decision.message,
        "steps": [asdict(step) for step in decision.steps],
    }


def to_document(trace: Trace) -> dict[str, Any]:
    """Everything that is known of one workload's last cycle; finite numbers only, null where unknown."""
    decision = trace.decision
    return {
        "namespace": decision.key.namespace,
        "name": decision.key.name,
        "lastDecision": to_last_decision(decision),
        "variants": [_variant(variant, trace.observation) for variant in map(asdict, decision.variants)],
        "conditions": [asdict(condition) for condition in trace.conditions],
        "outlook": _outlook(decision.outlook),
        "observed": None if trace.observation is None else _observed(trace.observation),
        "forecast": _forecast(trace.forecast),
        "writes": [write._asdict() for write in trace.writes],
    }


def to_list(traces: Iterable[Trace]) -> dict[str, Any]:
    """The answer of `/api/v1/decisions`."""
    return {"decisions": [to_document(trace) for trace in traces]}


def _variant(variant: dict[str, Any], observation: WorkloadObservation | None) -> dict[str, Any]:
    seen = {entry.name: entry for entry in observation.variants} if observation is not None else {}
    known = seen.get(variant["name"])
    capacity = variant["capacity"]
    exact = {"weight": _number(variant["weight"]), "capacity": None if capacity is None else _finite(capacity)}
    return variant | exact | {"observed": None if known is None else _variant_observed(known)}


def _variant_observed(variant: VariantObservation) -> dict[str, Any]:
    return {
        "replicas": None if variant.replicas is None else asdict(variant.replicas),
        "problem": _signal(variant.problem),
        "served": _signal(variant.served),
        "pressure": _number(variant.pressure),
        "startupSeconds": [_number(seconds) for seconds in variant.startup_seconds],
        "rivals": [rival._asdict() for rival in variant.rivals],
        "loadByPod": {pod: _number(load) for pod, load in variant.load_by_pod.items()},
    }


def _observed(observation: WorkloadObservation) -> dict[str, Any]:
    return {
        "demand": _signal(observation.demand),
        "attainment": _signal(observation.attainment),
        "waiting": _signal(observation.waiting),
        "running": _signal(observation.running),
        "model": observation.model,
        "recent": _window(observation.recent),
        "history": _window(observation.history),
    }


def _finite(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) if isinstance(value, float) else value for name, value in fields.items()}


def _signal(signal: Known | Unknown | Demand | None) -> Any:
    match signal:
        case None:
            return None
        case Known(value=value):
            return _number(value)
        case Demand():
            return {name: _number(value) for name, value in asdict(signal).items()}
        case Unknown():
            return {"unknown": signal.reason, "message": signal.message}


def _window(window: Window | None) -> dict[str, Any] | None:
    if window is None:
        return None
    observed = window.observed.any(axis=1)
    return {
        "stepSeconds": window.step_seconds,
        "start": to_instant(window.start),
        "end": to_instant(window.end),
        "samples": len(window),
        "observed": int(observed.sum()),
        "last": {
            name: _number(float(window.values[-1, column])) if len(window) and window.observed[-1, column] else None
            for column, name in enumerate(window.indicators)
        },
    }


def _forecast(forecast: Forecast | Unknown | None) -> dict[str, Any] | None:
    if forecast is None or isinstance(forecast, Unknown):
        return None if forecast is None else {"unknown": forecast.reason, "message": forecast.message}
    quantiles = np.quantile(forecast.samples, QUANTILES, axis=0)  # (Q, H, I)
    return {
        "source": forecast.source,
        "reason": forecast.reason,
        "calibrated": forecast.calibrated,
        "origin": to_instant(forecast.origin),
        "stepSeconds": forecast.step_seconds,
        "quantiles": {
            name: {f"{level:g}": [_number(float(x)) for x in quantiles[row, :, column]] for row, level in _levels()}
            for column, name in enumerate(forecast.indicators)
        },
    }


def _levels() -> Iterable[tuple[int, float]]:
    return enumerate(QUANTILES)


def _outlook(outlook: Outlook) -> dict[str, Any]:
    losses = outlook.expected_loss_usd_per_hour
    numbers = {
        name: value if not isinstance(value, float) else _number(value)
        for name in Outlook.__dataclass_fields__
        if name != "expected_loss_usd_per_hour"
        for value in [getattr(outlook, name)]
    }
    return numbers | {"expected_loss_usd_per_hour": None if losses is None else _losses(losses)}


def _losses(losses: Mapping[int, float]) -> dict[str, float | None]:
    return {str(count): _number(loss) for count, loss in losses.items()}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
