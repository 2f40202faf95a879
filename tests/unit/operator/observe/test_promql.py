"""The questions, asked of a real Prometheus: outages, restarts, new pods, doubles, old and new names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import FloatArray
from foresail.domain.workload import Engine, Role
from foresail.operator.observe.answers import Matrix, Unavailable, Vector
from foresail.operator.observe.attainment import Layout, count_within, read_buckets
from foresail.operator.observe.demand import RolePods, Times, observe_flows
from foresail.operator.observe.labels import PodKey, by_pod
from foresail.operator.observe.prometheus import PrometheusClient
from foresail.operator.observe.queries import Indicator, Queries
from foresail.operator.observe.records import read_pod
from foresail.operator.observe.replicas import sort_pods
from foresail.operator.observe.telemetry import Answers, Flow, Telemetry
from foresail.sandbox.processes import Processes
from foresail.sandbox.prometheus import backfill, configuration, start_prometheus
from tests.unit.operator.observe.bodies import make_pod_body
from tests.unit.operator.observe.openmetrics import Recording, VllmPod, at, by_rate

pytestmark = pytest.mark.cluster

ORIGIN = 1_795_435_200.0
MINUTE = 60.0
OUTAGE = (600.0, 780.0)  # three minutes without a scrape
QUERIES = Queries(scrape_seconds=15.0)
OLD_TPOT = {"0.025": 300.0, "0.05": 1000.0, "+Inf": 1000.0}


def record_fleet() -> Recording:
    recording = Recording(ORIGIN, 20 * MINUTE)
    for pod in (
        VllmPod("steady-7d9c6b5f4-bbbbb"),
        VllmPod("steady-7d9c6b5f4-ccccc", rps=2.0),
        VllmPod("outage-0", rps=55.0, alive=lambda s: not OUTAGE[0] < s < OUTAGE[1]),
        VllmPod("restarted-0", resets_at=607.0),
        VllmPod("new-0", start=-900.0, alive=lambda s: s >= 600.0),  # it served 15 minutes before its first scrape
        VllmPod("gone-0", alive=lambda s: s <= 600.0),
        VllmPod("busy-0", rps=2.0, waiting=by_rate(3.0)),
        VllmPod("double-0"),
        VllmPod("double-0", job="other"),
        VllmPod("broken-0", running=at(float("nan"))),
        VllmPod("rolled-7d9c6b5f4-bbbbb", alive=lambda s: s <= 990.0),
        VllmPod("rolled-5f6b7c8d9-ccccc", alive=lambda s: s >= 960.0, start=960.0),
        VllmPod("both-0"),
        VllmPod("slow-0", job="slow", every=60),
        VllmPod("quick-0", job="quick", every=2, rps=2.0, resets_at=700.0),
        VllmPod("young-0", job="young", alive=lambda s: s >= 600.0),
        VllmPod("old-0", namespace="dark", alive=lambda s: not OUTAGE[0] < s < OUTAGE[1]),
        VllmPod("new-0", namespace="dark", alive=lambda s: s >= OUTAGE[1], start=700.0),
        VllmPod("gap-0", job="gap", alive=lambda s: not OUTAGE[0] < s < OUTAGE[1]),
        VllmPod("imported-0", alive=lambda s: s % 60.0 == 0.0),  # one sample a minute
    ):
        pod.record(recording)
    for name in ("steady-7d9c6b5f4-bbbbb", "new-0"):
        labels = VllmPod(name).labels
        recording.add("vllm:kv_cache_usage_perc", labels, at(0.5))
        recording.add("vllm:gpu_cache_usage_perc", labels, at(0.9))  # both names: the new one counts
        recording.add_histogram("vllm:time_to_first_token_seconds", labels, {"0.5": 3.0, "1.0": 4.0, "+Inf": 4.0}, 0.4)
        recording.add_histogram(
            "vllm:request_time_per_output_token_seconds", labels, {"0.025": 4.0, "0.05": 4.0, "+Inf": 4.0}, 0.02
        )
        recording.add_histogram("vllm:inter_token_latency_seconds", labels, OLD_TPOT, 0.03)
    older = VllmPod("older-0").labels
    recording.add("vllm:gpu_cache_usage_perc", older, at(0.7))
    recording.add("vllm:num_requests_running", older, at(1.0))
    recording.add_histogram("vllm:time_per_output_token_seconds", older, OLD_TPOT, 0.03)
    record_sglang(recording, "sglang-0")
    record_sglang(recording, "both-0")
    return recording


def record_sglang(recording: Recording, pod: str) -> None:
    labels = VllmPod(pod).labels | {"model_name": "qwen"}
    for name, value in (("num_running_reqs", 7.0), ("num_queue_reqs", 2.0), ("token_usage", 0.3)):
        recording.add(f"sglang:{name}", labels, at(value))
    for name, per_second in (("num_requests", 3.0), ("prompt_tokens", 300.0), ("generation_tokens", 90.0)):
        recording.add(f"sglang:{name}_total", labels, by_rate(per_second))
    recording.add_histogram("sglang:inter_token_latency_seconds", labels, OLD_TPOT, 0.03)


@pytest.fixture(scope="module")
def url(binaries: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("prometheus")
    samples = folder / "samples.txt"
    with samples.open("w") as file:
        record_fleet().write(file)
    backfill(binaries, openmetrics=samples, data=folder / "data")
    settings = configuration(service_discovery_url=None, scrape_seconds=15.0)
    return start_prometheus(processes, binaries, settings=settings, data=folder / "data", name="recorded-prometheus")


@pytest.fixture
async def client(url: str) -> AsyncIterator[PrometheusClient]:
    async with PrometheusClient(url) as client:
        yield client


async def ask(client: PrometheusClient, text: str, seconds: float) -> Vector:
    answer = await client.query(text, ORIGIN + seconds)
    assert isinstance(answer, Vector), answer
    return answer


async def observe(
    client: PrometheusClient, seconds: float, layout: Layout | None = None, queries: Queries = QUERIES
) -> Telemetry:
    layout = layout or Layout()
    return Telemetry(
        Answers(
            age=await ask(client, queries.age_seconds(), seconds),
            running=await ask(client, queries.running(), seconds),
            waiting=await ask(client, queries.waiting(), seconds),
            cache=await ask(client, queries.cache(), seconds),
            growth=await ask(client, queries.growth(), seconds),
            finished=await ask(client, queries.rate(Indicator.FINISHED), seconds),
            prompt_tokens=await ask(client, queries.rate(Indicator.PROMPT_TOKENS), seconds),
            generation_tokens=await ask(client, queries.rate(Indicator.GENERATION_TOKENS), seconds),
            tpot_mean=await ask(client, queries.tpot_mean(), seconds),
            ttft=await ask(client, queries.buckets(Indicator.TTFT, layout.around([0.75])), seconds),
            tpot=await ask(client, queries.buckets(Indicator.TPOT, layout.around([0.04])), seconds),
        ),
        scrape_seconds=queries.scrape_seconds,
    )


def flow_of(telemetry: Telemetry, pod: str) -> Flow | None:
    return telemetry.flow(PodKey("prod", pod), counted=frozenset())


def rows_of(answer: Matrix) -> dict[tuple[str, str], FloatArray]:
    return {
        (labels["owner"], labels["flow"]): values
        for labels, values in zip(answer.labels, answer.values, strict=True)
        if labels["engine"] == "vLLM"
    }


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


async def test_history_tells_the_engines_apart(client: PrometheusClient) -> None:
    end = ORIGIN + 900.0
    answer = await client.query_range(QUERIES.flows(60.0), start=end - 300.0, end=end, step_seconds=60.0)
    assert isinstance(answer, Matrix), answer
    found = {
        labels["engine"]: values
        for labels, values in zip(answer.labels, answer.values, strict=True)
        if (labels["owner"], labels["flow"]) == ("both", "finished")
    }
    assert found.keys() == {"vLLM", "SGLang"}
    np.testing.assert_allclose(found["vLLM"], 4.0)
    np.testing.assert_allclose(found["SGLang"], 3.0)


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


async def test_history_adds_up_pods_by_owner_and_keeps_an_outage_open(client: PrometheusClient) -> None:
    start, end = ORIGIN + 300.0, ORIGIN + 1200.0
    answer = await client.query_range(QUERIES.flows(60.0), start=start, end=end, step_seconds=60.0)
    assert isinstance(answer, Matrix), answer
    rows = rows_of(answer)
    np.testing.assert_allclose(rows["steady", "finished"], 6.0)
    np.testing.assert_allclose(rows["double", "finished"], 4.0)
    np.testing.assert_allclose(rows["busy", "waiting_growth"], 3.0)
    outage = rows["outage", "finished"]
    assert np.isnan(outage[7])  # (720 - 300) / 60: in the middle of it
    np.testing.assert_allclose(outage[np.isfinite(outage)], 55.0)


async def test_coarse_history_is_right_across_an_outage(client: PrometheusClient) -> None:
    answer = await client.query_range(
        QUERIES.flows(300.0), start=ORIGIN + 300.0, end=ORIGIN + 1200.0, step_seconds=300.0
    )
    assert isinstance(answer, Matrix), answer
    rows = rows_of(answer)
    np.testing.assert_allclose(rows["outage", "finished"], 55.0)
    np.testing.assert_allclose(rows["steady", "prompt_tokens"], 6000.0)


async def test_a_rollout_within_a_step_of_the_past_does_not_count_double(client: PrometheusClient) -> None:
    start, end = ORIGIN + 900.0, ORIGIN + 1200.0
    answer = await client.query_range(QUERIES.flows(300.0), start=start, end=end, step_seconds=300.0)
    assert isinstance(answer, Matrix), answer
    rolled = rows_of(answer)["rolled", "finished"]
    # 4 rps before and after; both pods served for half a minute of five.
    np.testing.assert_allclose(rolled, [4.0, 4.0], atol=0.9)


@pytest.mark.parametrize("step", [15.0, 30.0, 60.0, 300.0])
async def test_imported_samples_far_apart_make_a_history_without_holes(client: PrometheusClient, step: float) -> None:
    start, end = ORIGIN + 300.0, ORIGIN + 1200.0
    answer = await client.query_range(QUERIES.flows(step), start=start, end=end, step_seconds=step)
    assert isinstance(answer, Matrix), answer
    rows = rows_of(answer)
    np.testing.assert_allclose(rows["imported", "finished"], 4.0)
    np.testing.assert_allclose(rows["imported", "waiting_growth"], 0.0, atol=1e-9)
    np.testing.assert_allclose(rows["steady", "finished"], 6.0)


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
