from __future__ import annotations

import math
from dataclasses import replace

import pytest

from foresail.domain.snapshot import Demand, Unknown
from foresail.domain.workload import Role
from foresail.operator.observe.answers import Unavailable
from foresail.operator.observe.demand import (
    RolePods,
    TokenMix,
    arrivals,
)
from foresail.operator.observe.replicas import VariantPods
from foresail.operator.observe.telemetry import Flow
from tests.builders import NOW
from tests.fakes.prometheus import PodLoad
from tests.unit.operator.observe.flows import JUST_NOW, WINDOW, observe, ready, together, unknown, vars_of
from tests.unit.operator.observe.telling import Series, make_series, tell, tell_of


def test_in_balance_demand_is_what_is_finished() -> None:
    demand = observe(tell_of({"a": PodLoad(rps=4.0), "b": PodLoad(rps=2.0)}), ready("a", "b"))
    assert demand == Demand(6.0, 6000.0, 1500.0)


def test_an_overloaded_fleet_is_asked_for_more_than_it_finishes() -> None:
    # 4 rps finished and 6 more in queue each second: 10 rps, of 1,000 and 250 tokens each.
    demand = observe(tell_of({"a": PodLoad(rps=4.0, waiting=90.0, waiting_growth=6.0)}), ready("a"))
    assert isinstance(demand, Demand)
    assert vars_of(demand) == pytest.approx((10.0, 10_000.0, 2500.0))


def test_a_queue_that_empties_is_not_demand() -> None:
    demand = observe(tell_of({"a": PodLoad(rps=10.0, waiting=5.0, waiting_growth=-6.0)}), ready("a"))
    assert isinstance(demand, Demand)
    assert vars_of(demand) == pytest.approx((4.0, 4000.0, 1000.0))


def test_a_batch_that_fills_has_been_read_and_half_of_it_written() -> None:
    flow = Flow(4.0, 6000.0, 1000.0, 0.0, 2.0)  # 6 started per second, 4 finished
    assert arrivals(flow, flow, TokenMix(1000.0, 250.0)) == Demand(6.0, 6000.0, 1250.0)


def test_proved_silence_is_zero() -> None:
    silent = PodLoad(rps=0.0, running=0.0)
    assert observe(tell_of({"a": silent}), ready("a")) == Demand(0.0, 0.0, 0.0)


def test_a_counter_that_an_idle_engine_has_not_made_yet_is_zero_if_its_name_is_known_to_be_right() -> None:
    idle = PodLoad(rps=0.0, running=0.0, missing=frozenset({"finished", "prompt_tokens", "generation_tokens"}))
    assert observe(tell_of({"a": PodLoad(rps=4.0), "b": idle}), ready("a", "b")) == Demand(4.0, 4000.0, 1000.0)
    assert unknown(observe(tell_of({"b": idle}), ready("b"))).reason == "MetricsWarmingUp"
    busy = replace(idle, running=3.0)
    assert unknown(observe(tell_of({"a": PodLoad(), "b": busy}), ready("a", "b"))).reason == "NoSeries"


@pytest.mark.parametrize(
    ("load", "reason", "words"),
    [
        (PodLoad(missing=frozenset({"age"})), "NoSeries", ['namespace="prod", pod="b"', "PodMonitor"]),
        (PodLoad(age_seconds=120.0), "StaleSeries", ["older than 50 s", "scrape_interval_seconds"]),
        (PodLoad(age_seconds=math.nan), "StaleSeries", []),
        (PodLoad(rps=math.nan), "NotFinite", ["vllm:request_success_total"]),
        (PodLoad(rps=math.inf), "NotFinite", ["inf"]),
        (PodLoad(missing=frozenset({"finished"})), "NoSeries", ["two samples", "vllm:request_success_total", "name"]),
        (PodLoad(missing=frozenset({"growth"})), "MetricsWarmingUp", ["waiting growth"]),
    ],
)
def test_one_ready_pod_that_cannot_be_measured_makes_demand_unknown(
    load: PodLoad, reason: str, words: list[str]
) -> None:
    why = unknown(observe(tell_of({"a": PodLoad(), "b": load, "c": PodLoad()}), ready("a", "b", "c")))
    assert why.reason == reason
    assert why.message.startswith("1 of 3 ready pods cannot be measured (b): ")
    assert all(word in why.message for word in words), why.message


def test_a_pod_that_has_just_become_ready_is_taken_to_receive_what_its_siblings_do() -> None:
    # 9 rps on two pods, then on three: over the window the two took 4.5 and 3 each by turns, 3.75 on average.
    pods = together(ready("a", "b"), ready("new", **JUST_NOW))
    demand = observe(tell_of({"a": PodLoad(rps=3.75), "b": PodLoad(rps=3.75)}), pods)
    assert isinstance(demand, Demand)
    assert vars_of(demand) == pytest.approx((9.0, 9000.0, 2250.0))


def test_a_pod_that_has_just_become_ready_counts_as_measured_once_it_is() -> None:
    # 10 rps on one pod, then on two: its mean is 7.5, the new one's 5 since it came.
    pods = together(ready("a"), ready("new", **JUST_NOW))
    demand = observe(tell_of({"a": PodLoad(rps=7.5), "new": PodLoad(rps=5.0)}), pods)
    assert demand == Demand(10.0, 10_000.0, 2500.0)


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("age", [1.0, 15.0, 45.0, 59.0])
def test_adding_replicas_does_not_raise_demand(age: float, *, measured: bool) -> None:
    names = [f"new-{i}" for i in range(4)]
    pods = together(ready("a"), ready(*names, created=NOW - 120.0 - age, ready_after=120.0))
    means = {"a": PodLoad(rps=10.0 * (1 - age / WINDOW) + 2.0 * age / WINDOW)}
    demand = observe(tell_of(means | dict.fromkeys(names if measured else (), PodLoad(rps=2.0))), pods)
    assert isinstance(demand, Demand)
    assert demand.requests_per_second == pytest.approx(10.0)


def test_after_an_outage_a_pod_that_became_ready_during_it_counts_like_its_siblings() -> None:
    # 10 rps on two pods since before the outage ended, which one place of the window has seen.
    series = make_series({"a": PodLoad(rps=5.0), "new": PodLoad(rps=5.0)})
    series["growth"].append(({"namespace": "prod", "engine": "vLLM", "of": "places"}, 1.0))
    pods = together(ready("a"), ready("new", **JUST_NOW))
    assert observe(tell({**series}), pods) == Demand(10.0, 10_000.0, 2500.0)


def test_taking_replicas_away_does_not_raise_demand() -> None:
    # 10 rps on two pods until half a window ago, then on one.
    gone = ready("gone")
    pods = together(ready("a"), VariantPods(gone=(replace(gone.ready[0], ready=False, deleted_at=NOW - 30.0),)))
    demand = observe(tell_of({"a": PodLoad(rps=7.5), "gone": PodLoad(rps=5.0)}), pods)
    assert isinstance(demand, Demand)
    assert demand.requests_per_second == pytest.approx(10.0)


def test_the_window_begins_with_the_oldest_pod() -> None:
    pods = ready("a", "b", **JUST_NOW)
    assert observe(tell_of({"a": PodLoad(rps=4.0), "b": PodLoad(rps=2.0)}), pods) == Demand(6.0, 6000.0, 1500.0)


@pytest.mark.parametrize("missing", ["age", "finished", "growth"])
def test_the_first_samples_of_new_pods_are_awaited_while_no_sibling_tells_anything(missing: str) -> None:
    load = PodLoad(missing=frozenset({missing}))
    why = unknown(observe(tell_of({"new": load, "newer": load}), ready("new", "newer", **JUST_NOW)))
    assert why.reason == "MetricsWarmingUp"
    assert why.message == "the first samples of new pods are awaited, for up to 60 s after they became ready"


@pytest.mark.parametrize(("age", "reason"), [(59.0, "MetricsWarmingUp"), (60.0, "NoSeries")])
def test_what_is_not_there_after_the_grace_time_is_missing(age: float, reason: str) -> None:
    new = ready("new", created=NOW - 120.0 - age, ready_after=120.0)
    assert unknown(observe(tell_of({}), new)).reason == reason


def test_beside_new_pods_only_those_that_are_overdue_are_blamed() -> None:
    why = unknown(observe(tell_of({}), together(ready("old"), ready("new", **JUST_NOW))))
    assert why.reason == "NoSeries"
    assert why.message.startswith("1 of 2 ready pods cannot be measured (old): ")


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (PodLoad(rps=math.nan), "NotFinite"),
        (PodLoad(age_seconds=120.0), "StaleSeries"),
    ],
)
def test_new_pods_that_tell_nonsense_are_not_awaited(load: PodLoad, reason: str) -> None:
    assert unknown(observe(tell_of({"new": load}), ready("new", **JUST_NOW))).reason == reason


def test_new_pods_do_not_hide_that_prometheus_is_away() -> None:
    down = Unavailable("PrometheusUnreachable", "cannot be reached")
    why = unknown(observe(tell(dict.fromkeys(make_series({}), down)), ready("new", **JUST_NOW)))
    assert why.reason == "PrometheusUnreachable"


def test_pods_that_drain_or_have_just_gone_still_finish_requests() -> None:
    draining = ready("old", deletionTimestamp="2026-11-23T12:00:00Z")
    telemetry = tell_of({"a": PodLoad(rps=4.0), "old": PodLoad(rps=1.0, running_growth=-1.0)})
    demand = observe(telemetry, together(ready("a"), draining))
    assert isinstance(demand, Demand)
    assert demand.requests_per_second == 4.0


def test_without_a_ready_replica_demand_is_unknown() -> None:
    starting = ready("a", ready_after=None)
    assert unknown(observe(tell_of({"a": PodLoad(rps=0.0)}), starting)).reason == "NoReadyReplicas"


def test_no_answer_is_said_as_the_client_says_it() -> None:
    down = Unavailable("PrometheusUnreachable", "cannot be reached")
    why = unknown(observe(tell(dict.fromkeys(make_series({}), down)), ready("a", "b")))
    assert why == Unknown("PrometheusUnreachable", "cannot be reached")
    skewed = Unknown("ClockSkew", "check NTP")
    assert observe(tell(make_series({"a": PodLoad()}), skewed), ready("a")) == skewed


def test_one_query_without_an_answer_is_enough_to_be_unknown() -> None:
    series: dict[str, Series | Unavailable] = {**make_series({"a": PodLoad()})}
    series["growth"] = Unavailable("PrometheusTimeout", "did not answer")
    assert unknown(observe(tell(series), ready("a"))).reason == "PrometheusTimeout"


def test_prefill_tells_requests_and_input_and_decode_tells_output() -> None:
    prefill = PodLoad(rps=5.0, input_tokens=1000.0, output_tokens=1.0)
    decode = PodLoad(rps=5.0, input_tokens=0.0, output_tokens=250.0)
    demand = observe(
        tell_of({"p": prefill, "d": decode}), RolePods(Role.PREFILL, ready("p")), RolePods(Role.DECODE, ready("d"))
    )
    assert demand == Demand(5.0, 5000.0, 1250.0)
