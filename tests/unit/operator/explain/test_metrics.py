from __future__ import annotations

from dataclasses import replace

from foresail.domain.decision import Capacity, Condition, Outlook
from foresail.operator.explain.metrics import OperatorMetrics
from foresail.service.document import Trace, Write
from tests.builders import NOW, make_observation
from tests.unit.operator.explain.statuses import KEY, make_decision, nothing_found
from tests.unit.operator.fakes import HandClock

OBJECT = {"namespace": "prod", "name": "chat"}
VARIANT = OBJECT | {"variant": "h100"}


def make_metrics(*traces: Trace) -> OperatorMetrics:
    metrics = OperatorMetrics(HandClock(wall=NOW + 10))
    for trace in traces:
        metrics.fleet.record(trace, NOW, renewed=True)
    return metrics


def value(metrics: OperatorMetrics, name: str, labels: dict[str, str]) -> float | None:
    return metrics.registry.get_sample_value(f"foresail_{name}", labels)


def test_replicas_bounds_signals_and_age_are_shown() -> None:
    metrics = make_metrics(Trace(make_decision(), make_observation()))
    assert value(metrics, "current_replicas", VARIANT) == 5.0
    assert value(metrics, "desired_replicas", VARIANT) == 7.0
    assert value(metrics, "max_replicas", VARIANT) == 20.0
    assert value(metrics, "slo_attainment_ratio", OBJECT) == 0.99
    assert value(metrics, "demand_requests_per_second", OBJECT) == 24.0
    assert value(metrics, "decision_age_seconds", OBJECT) == 10.0


def test_what_is_unknown_has_no_series() -> None:
    metrics = make_metrics(Trace(make_decision()))
    assert value(metrics, "demand_requests_per_second", OBJECT) is None
    assert value(metrics, "cost_usd_per_hour", OBJECT) is None


def test_a_target_that_is_missing_has_no_replicas_rather_than_none() -> None:
    metrics = make_metrics(Trace(make_decision()), Trace(nothing_found()))
    assert [value(metrics, f"{name}_replicas", VARIANT) for name in ("current", "desired", "ready")] == [None] * 3


def test_a_routing_weight_is_a_share_and_has_no_series_while_it_is_unknown() -> None:
    (variant,) = make_decision().variants
    weighed = make_decision(variants=(replace(variant, weight=0.625), replace(variant, name="l40s")))
    metrics = make_metrics(Trace(weighed))
    assert value(metrics, "routing_weight", VARIANT) == 0.625
    assert value(metrics, "routing_weight", VARIANT | {"variant": "l40s"}) is None


def test_a_capacity_tells_its_rate_its_error_and_its_source_as_far_as_known() -> None:
    (variant,) = make_decision().variants
    known = replace(variant, capacity=Capacity("shipped", "Shipped for h100.", 0.2, 5.5))
    silent = replace(variant, name="l40s", capacity=Capacity("user", "2 rps at 9/9", 0.05))
    unknown = replace(variant, name="b200")
    metrics = make_metrics(Trace(make_decision(variants=(known, silent, unknown))))

    def told(name: str, variant: str, **more: str) -> float | None:
        return value(metrics, f"variant_capacity_{name}", VARIANT | {"variant": variant} | more)

    variants = ("h100", "l40s", "b200")
    assert [told("requests_per_second", name) for name in variants] == [5.5, None, None]
    assert [told("error_ratio", name) for name in variants] == [0.2, 0.05, None]
    assert told("source", "h100", source="shipped") == told("source", "l40s", source="user") == 1.0


def test_a_conflict_is_one_and_peace_is_zero() -> None:
    conflict = Condition("Conflict", "True", "ConflictingController", "HPA/chat")
    assert value(make_metrics(Trace(make_decision())), "conflict", OBJECT) == 0.0
    assert value(make_metrics(Trace(make_decision(conditions=(conflict,)))), "conflict", OBJECT) == 1.0


def test_decisions_and_writes_are_counted_by_what_they_were() -> None:
    trace = Trace(make_decision(), writes=(Write("h100", 7, "Conflict", "changed since"),))
    metrics = make_metrics(trace, trace)
    assert value(metrics, "decisions_total", OBJECT | {"reason": "ForecastDemand"}) == 2.0
    assert value(metrics, "scale_writes_total", VARIANT | {"outcome": "Conflict"}) == 2.0


def test_a_forecast_is_compared_with_what_came_when_it_is_due() -> None:
    outlook = Outlook(lead_time_seconds=60.0, demand_now_rps=24.0, demand_median_rps=30.0, demand_q95_rps=40.0)
    metrics = make_metrics(Trace(make_decision(outlook=outlook)))
    comes = Trace(make_decision(outlook=replace(outlook, demand_now_rps=41.0)))  # unchanged, so its time is too
    metrics.fleet.record(comes, NOW + 60, renewed=False)
    assert value(metrics, "forecast_due_requests_per_second", OBJECT | {"quantile": "0.95"}) == 40.0
    assert value(metrics, "forecasts_due_total", OBJECT | {"result": "exceeded"}) == 1.0
    assert value(metrics, "forecasts_due_total", OBJECT | {"result": "covered"}) == 0.0


def test_every_series_goes_with_its_object() -> None:
    metrics = make_metrics(Trace(make_decision(), make_observation()))
    metrics.fleet.keep([])
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    assert not [sample for sample in samples if sample.labels.get("name") == KEY.name]
