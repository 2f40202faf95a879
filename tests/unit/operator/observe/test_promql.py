"""The questions of now, asked of a real Prometheus: outages, restarts, new pods, doubles, old and new names."""

from __future__ import annotations

import pytest

from foresail.domain.snapshot import Unknown
from foresail.domain.workload import Engine, Role
from foresail.operator.observe.answers import Unavailable
from foresail.operator.observe.attainment import Layout, count_within, read_buckets
from foresail.operator.observe.demand import RolePods, Times, observe_flows
from foresail.operator.observe.labels import PodKey, by_pod
from foresail.operator.observe.prometheus import PrometheusClient
from foresail.operator.observe.queries import Indicator, Queries
from foresail.operator.observe.records import read_pod
from foresail.operator.observe.replicas import sort_pods
from tests.unit.operator.observe.bodies import make_pod_body
from tests.unit.operator.observe.recorded import (
    ORIGIN,
    QUERIES,
    ask,
    flow_of,
    observe,
)

pytestmark = pytest.mark.cluster


async def test_a_steady_pod_is_read_as_it_is(client: PrometheusClient) -> None:
    telemetry = await observe(client, 607.0)
    assert flow_of(telemetry, "steady-7d9c6b5f4-bbbbb") == pytest.approx((4.0, 4000.0, 1000.0, 0.0, 0.0))
    assert telemetry.value(Indicator.RUNNING, PodKey("prod", "steady-7d9c6b5f4-bbbbb")) == 12.0
    assert telemetry.model(PodKey("prod", "steady-7d9c6b5f4-bbbbb")) == "llama"


@pytest.mark.parametrize("seconds", [796.0, 803.0, 811.0, 833.0, 850.0])
async def test_an_outage_of_three_minutes_does_not_make_rates_too_low(client: PrometheusClient, seconds: float) -> None:
    telemetry = await observe(client, seconds)
    flow = flow_of(telemetry, "outage-0")
    assert flow is not None
    assert flow.finished == pytest.approx(55.0)
    window = await ask(client, 'sum by (pod) (rate(vllm:request_success_total{pod="outage-0"}[1m]))', 811.0)
    assert window.values[0] < 40.0  # what the plain rate would have said


@pytest.mark.parametrize("seconds", [796.0, 803.0, 811.0, 833.0, 850.0])
async def test_a_pod_that_became_ready_during_an_outage_counts_in_full_after_it(
    client: PrometheusClient, seconds: float
) -> None:
    telemetry, now = await observe(client, seconds), ORIGIN + seconds
    bodies = [
        make_pod_body("old-0", namespace="dark", created=ORIGIN - 3600.0),
        make_pod_body("new-0", namespace="dark", created=ORIGIN + 700.0, ready_after=60.0),
    ]
    pods = RolePods(Role.UNIFIED, sort_pods(read_pod(body) for body in bodies))
    flows = observe_flows([pods], telemetry, Times(now, 60.0, QUERIES.window_seconds))
    assert not isinstance(flows, Unknown)
    assert flows[0].finished == pytest.approx(8.0)  # 4 rps each
    assert telemetry.covered_seconds("prod") == 60.0  # as ever


@pytest.mark.parametrize("seconds", [660.0, 720.0, 785.0])
async def test_during_an_outage_a_pod_is_unknown_and_never_zero(client: PrometheusClient, seconds: float) -> None:
    telemetry = await observe(client, seconds)
    assert flow_of(telemetry, "outage-0") is None
    why = telemetry.explain(Indicator.FINISHED, PodKey("prod", "outage-0"))
    assert why.reason in ("StaleSeries", "MetricsWarmingUp")


@pytest.mark.parametrize("seconds", [608.0, 622.0, 640.0, 675.0])
async def test_a_counter_that_starts_again_is_neither_negative_nor_a_jump(
    client: PrometheusClient, seconds: float
) -> None:
    flow = flow_of(await observe(client, seconds), "restarted-0")
    assert flow is not None
    # Within the interval of the restart only what came after it is seen: 8 of 15 s.
    assert 3.0 <= flow.finished <= 4.0 + 1e-9


async def test_the_first_sample_of_a_new_pod_is_no_increase(client: PrometheusClient) -> None:
    telemetry = await observe(client, 607.0)
    assert flow_of(telemetry, "new-0") is None
    assert telemetry.explain(Indicator.FINISHED, PodKey("prod", "new-0")).reason == "MetricsWarmingUp"
    flow = flow_of(await observe(client, 622.0), "new-0")
    assert flow is not None
    assert flow.finished == pytest.approx(4.0)  # and not (900 s · 4 rps) in one step


async def test_a_pod_that_went_is_stale_although_prometheus_still_shows_it(client: PrometheusClient) -> None:
    telemetry = await observe(client, 700.0)
    assert PodKey("prod", "gone-0") in by_pod(telemetry.answers.running)[Engine.VLLM]
    assert flow_of(telemetry, "gone-0") is None
    assert telemetry.explain(Indicator.RUNNING, PodKey("prod", "gone-0")).reason == "StaleSeries"


async def test_a_growing_queue_is_told_per_second(client: PrometheusClient) -> None:
    flow = flow_of(await observe(client, 607.0), "busy-0")
    assert flow is not None
    assert (flow.finished, flow.waiting_growth) == pytest.approx((2.0, 3.0))


async def test_a_pod_that_two_jobs_scrape_counts_once(client: PrometheusClient) -> None:
    telemetry = await observe(client, 607.0)
    assert flow_of(telemetry, "double-0") == pytest.approx((4.0, 4000.0, 1000.0, 0.0, 0.0))
    assert telemetry.value(Indicator.RUNNING, PodKey("prod", "double-0")) == 12.0


async def test_what_is_no_number_is_unknown(client: PrometheusClient) -> None:
    telemetry = await observe(client, 607.0)
    assert telemetry.value(Indicator.RUNNING, PodKey("prod", "broken-0")) is None
    assert isinstance(telemetry.explain(Indicator.RUNNING, PodKey("prod", "broken-0")), Unknown)
    assert telemetry.explain(Indicator.RUNNING, PodKey("prod", "broken-0")).reason == "NotFinite"


async def test_old_and_new_names_and_both_engines_are_read(client: PrometheusClient) -> None:
    telemetry = await observe(client, 700.0)
    cache = {pod: telemetry.value(Indicator.CACHE, PodKey("prod", pod)) for pod in ("new-0", "older-0", "sglang-0")}
    assert cache == {"new-0": 0.5, "older-0": 0.7, "sglang-0": 0.3}
    pace = {pod: telemetry.value("tpot_mean", PodKey("prod", pod)) for pod in ("new-0", "older-0", "sglang-0")}
    assert pace == pytest.approx({"new-0": 0.02, "older-0": 0.03, "sglang-0": 0.03})
    assert flow_of(telemetry, "sglang-0") == pytest.approx((3.0, 300.0, 90.0, 0.0, 0.0))


async def test_a_pod_with_the_series_of_both_engines_is_read_from_the_one_that_is_named(
    client: PrometheusClient,
) -> None:
    telemetry, pod = await observe(client, 700.0), PodKey("prod", "both-0")
    read = {engine: flow_of(telemetry.of(engine), "both-0") for engine in Engine}
    assert read[Engine.VLLM] == pytest.approx((4.0, 4000.0, 1000.0, 0.0, 0.0))
    assert read[Engine.SGLANG] == pytest.approx((3.0, 300.0, 90.0, 0.0, 0.0))
    assert read[Engine.AUTO] == read[Engine.VLLM]  # never a sum
    assert (telemetry.model(pod), telemetry.of(Engine.SGLANG).model(pod)) == ("llama", "qwen")
    assert telemetry.value(Indicator.CACHE, pod) is None  # of both engines only SGLang tells it
    assert telemetry.of(Engine.SGLANG).value(Indicator.CACHE, pod) == 0.3


async def test_a_pod_is_not_read_from_the_series_of_another_engine(client: PrometheusClient) -> None:
    telemetry = (await observe(client, 700.0)).of(Engine.VLLM)
    assert flow_of(telemetry, "sglang-0") is None
    why = telemetry.explain(Indicator.RUNNING, PodKey("prod", "sglang-0"))
    labels = '{namespace="prod", pod="sglang-0"}'
    assert why.message == (
        f"Prometheus has no series vllm:num_requests_running with labels {labels}; "
        "it has sglang:num_running_reqs: set spec.engine to SGLang or Auto"
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (599.0, {"engines": 15.0, "other": 15.0, "slow": 60.0, "quick": 2.0, "gap": 15.0}),
        (607.0, {"engines": 15.0, "other": 15.0, "slow": 60.0, "quick": 2.0, "gap": 15.0}),  # young has one sample
        (622.0, {"engines": 15.0, "other": 15.0, "slow": 60.0, "quick": 2.0, "gap": 15.0, "young": 15.0}),
        (811.0, {"engines": 15.0, "other": 15.0, "slow": 60.0, "quick": 2.0, "gap": 15.0, "young": 15.0}),
        (1100.4, {"engines": 15.0, "other": 15.0, "slow": 60.0, "quick": 2.0, "gap": 15.0, "young": 15.0}),
    ],
)
async def test_how_far_samples_lie_apart_is_measured_whether_pods_are_new_or_scrapes_were_missed(
    client: PrometheusClient, seconds: float, expected: dict[str, float]
) -> None:
    answer = await ask(client, QUERIES.spacings(), seconds)
    assert dict(zip((labels["job"] for labels in answer.labels), answer.values.tolist(), strict=True)) == expected


@pytest.mark.parametrize("seconds", [605.0, 650.0, 659.0, 700.0])
async def test_of_pods_that_are_scraped_once_a_minute_there_are_rates(client: PrometheusClient, seconds: float) -> None:
    assert flow_of(await observe(client, seconds), "slow-0") is None
    slow = await observe(client, seconds, queries=Queries(scrape_seconds=60.0))
    for pod in ("slow-0", "steady-7d9c6b5f4-bbbbb"):  # and windows that long suit every job
        assert flow_of(slow, pod) == pytest.approx((4.0, 4000.0, 1000.0, 0.0, 0.0))
    assert PodKey("prod", "gone-0") in by_pod(slow.answers.running)[Engine.VLLM]
    assert slow.is_fresh(PodKey("prod", "gone-0"))  # its last sample is no older than three scrapes


async def test_of_pods_that_are_scraped_often_a_change_is_seen_soon(client: PrometheusClient) -> None:
    quick = Queries(scrape_seconds=2.0)
    flow = flow_of(await observe(client, 708.5, queries=quick), "quick-0")
    assert flow is not None
    assert flow.finished == pytest.approx(2.0)  # its counter began again eight seconds ago
    gone = await observe(client, 612.0, queries=quick)
    assert gone.explain(Indicator.RUNNING, PodKey("prod", "gone-0")).reason == "StaleSeries"


async def test_only_the_buckets_around_the_limits_are_asked_for(client: PrometheusClient) -> None:
    layout = Layout()
    layout.learn(await ask(client, QUERIES.bounds(), 607.0))
    telemetry = await observe(client, 607.0, layout)
    ttft = read_buckets(telemetry.answers.ttft)[Engine.VLLM][PodKey("prod", "steady-7d9c6b5f4-bbbbb")]
    assert set(ttft) == {0.5, 1.0, float("inf")}
    # Half way between the bounds: three quarters, and half of the last quarter.
    assert count_within(ttft, 0.75) / ttft[float("inf")] == pytest.approx(0.875)
    tpot = read_buckets(telemetry.answers.tpot)[Engine.VLLM]
    assert tpot[PodKey("prod", "steady-7d9c6b5f4-bbbbb")][0.025] == pytest.approx(4.0 * 300, rel=0.05)
    assert tpot[PodKey("prod", "older-0")][0.025] == pytest.approx(300.0 * 300, rel=0.05)


async def test_a_namespaced_operator_asks_for_its_namespace_only(client: PrometheusClient) -> None:
    mine, other = Queries(15.0, "prod"), Queries(15.0, 'no"body\\')
    assert len((await ask(client, mine.running(), 607.0)).labels) > 0
    for text in (other.running(), other.growth(), other.tpot_mean(), other.flows(60.0), other.bounds()):
        assert (await ask(client, text, 607.0)).labels == ()


async def test_a_question_that_prometheus_refuses_says_what_it_said(client: PrometheusClient) -> None:
    answer = await client.query("sum(", ORIGIN)
    assert isinstance(answer, Unavailable)
    assert answer.reason == "QueryRefused"
    assert "parse error" in answer.message
