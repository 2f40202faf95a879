"""The observer as a whole, against a Prometheus that misbehaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foresail.domain.accelerator import NodeRoom, PodRequest, Pool
from foresail.domain.memory import Learned
from foresail.domain.snapshot import Demand, Known, Unknown
from foresail.domain.workload import Engine, TargetRef
from foresail.operator.observe.prometheus import PrometheusClient
from foresail.operator.observe.snapshot import Observer
from foresail.operator.settings import Settings
from foresail.operator.store import Store
from tests.builders import NOW, make_variant, make_workload
from tests.fakes.prometheus import Fault, PodLoad
from tests.unit.operator.fakes import FakeApi
from tests.unit.operator.observe.bodies import (
    changed,
    make_accelerator_body,
    make_deployment_body,
    make_rival_body,
    make_workload_body,
)
from tests.unit.operator.observe.house import KEY, MAX_QUERIES, PODS, House


async def test_a_healthy_fleet_is_seen_as_it_is(house: House) -> None:
    snapshot = await house.observe()
    assert (snapshot.now, snapshot.leader_since, snapshot.cycle_seconds) == (NOW, NOW - 3600, 15.0)
    room = NodeRoom("node-1", 6, 56_000, 512 * 1024)
    assert snapshot.pools == {"h100": Pool("h100", 8, 6, (room,), 8, "nvidia.com/gpu")}
    seen = snapshot.workloads[KEY]
    assert seen.demand == Demand(8.0, 8000.0, 2000.0)
    assert seen.attainment == Known(1.0)
    assert (seen.waiting, seen.running, seen.model) == (Known(0.0), Known(24.0), "llama")
    (variant,) = seen.variants
    assert variant.replicas is not None
    assert (variant.replicas.current, variant.replicas.ready) == (2, 2)
    assert (variant.target_uid, variant.resource_version) == ("uid-prod-chat-h100", "7")
    assert (variant.served, variant.pressure) == (Demand(8.0, 8000.0, 2000.0), 0.5)
    assert variant.startup_seconds == (120.0, 120.0)
    assert variant.load_by_pod == dict.fromkeys(PODS, 12.0)
    assert variant.nodes == ("node-1",)
    assert (variant.rivals, variant.problem) == ((), None)


async def test_what_new_pods_will_ask_for_is_read_from_the_template(house: House) -> None:
    (variant,) = (await house.look()).variants
    assert variant.pod is None  # a template without a spec
    body = make_deployment_body(version="8")
    limits = {"cpu": "4", "memory": "2Gi", "nvidia.com/gpu": "1"}
    body["spec"]["template"] = {"spec": {"containers": [{"name": "engine", "resources": {"limits": limits}}]}}
    house.store.apply("MODIFIED", body)
    (variant,) = (await house.look()).variants
    assert variant.pod == PodRequest(4000, 2048, {"nvidia.com/gpu": 1})


async def test_what_is_wrong_with_a_profile_is_known(house: House) -> None:
    assert (await house.observe()).profile_problems == {}
    good = make_accelerator_body()
    house.store.apply("MODIFIED", changed(good, hardware="h100-sxm"))
    (problem,) = (await house.observe()).profile_problems.values()
    assert problem.startswith("AcceleratorProfile h100: spec.hardware: is no known data sheet")
    assert "got 'h100-sxm'; write one of a100_40gb_sxm, " in problem
    house.store.apply("MODIFIED", changed(good, usdPerGpuHour=4))
    (problem,) = (await house.observe()).profile_problems.values()
    assert "spec.usdPerGpuHour" in problem
    assert problem.endswith("the last good spec is in force")
    house.store.apply("DELETED", good)
    house.store.apply("ADDED", changed(good, usdPerGpuHour=4))
    (problem,) = (await house.observe()).profile_problems.values()
    assert problem.endswith("it counts as missing")
    house.store.apply("MODIFIED", changed(good, hardware="h100_sxm"))
    assert (await house.observe()).profile_problems == {}


async def test_what_the_object_says_that_was_learned_is_seen(house: House) -> None:
    assert (await house.look()).learned is None
    for learned, seen in (({"feedbackFactor": "1"}, Learned()), ({"feedbackFactor": "NaN"}, None), ([1], None)):
        house.store.apply("MODIFIED", make_workload_body() | {"status": {"learned": learned}})
        assert (await house.look()).learned == seen


@pytest.mark.parametrize(("named", "seen"), [("vLLM", False), ("SGLang", True), ("Auto", True)])
async def test_the_engine_that_the_spec_names_chooses_the_series(house: House, named: str, *, seen: bool) -> None:
    house.prometheus.pods = {("prod", pod): PodLoad(engine="SGLang") for pod in PODS}
    house.store.apply("MODIFIED", make_workload_body(make_workload(engine=Engine(named), generation=2)))
    found = await house.look()
    (variant,) = found.variants
    assert (variant.served is not None, variant.pressure is not None) == (seen, seen)
    assert isinstance(found.demand, Demand) is isinstance(found.attainment, Known) is seen
    assert (found.recent is not None, found.model == "llama") == (seen, seen)
    if isinstance(found.demand, Unknown):
        assert found.demand.reason == "NoSeries"
        assert "has no series vllm:num_requests_running with labels" in found.demand.message
        assert found.demand.message.endswith("set spec.engine to SGLang or Auto")


async def test_the_past_is_there_at_the_first_look_and_goes_on(house: House) -> None:
    house.prometheus.past = lambda at: 2.0 if at < NOW else 1.0
    seen = await house.look()
    assert seen.recent is not None
    assert seen.history is not None
    assert (len(seen.recent), len(seen.history)) == (480, 24)
    assert seen.recent.values[:, 0].tolist() == [16.0] * 479 + [8.0]
    house.pass_cycle()
    seen = await house.look()
    assert seen.recent is not None
    assert (seen.recent.end, seen.recent.values[-2:, 0].tolist()) == (NOW + 15, [8.0, 8.0])
    assert {report.name for report in house.reports} & {"recent", "history", "bounds"} == set()


@pytest.mark.parametrize("workloads", [1, 40])
async def test_the_number_of_queries_does_not_depend_on_the_number_of_objects(house: House, workloads: int) -> None:
    for index in range(workloads):
        target = TargetRef("apps/v1", "Deployment", f"model-{index}")
        workload = make_workload(f"model-{index}", variants=(make_variant(target=target),))
        house.store.apply(None, make_workload_body(workload))
        house.store.apply(None, make_deployment_body(f"model-{index}"))
        house.prometheus.pods["prod", f"model-{index}-0"] = PodLoad()
    await house.observe()
    assert len(house.reports) == MAX_QUERIES  # 11 live ones, bounds and spacings once, a bite of each past
    house.pass_cycle()
    await house.observe()
    assert len(house.reports) <= MAX_QUERIES


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        (Fault.DOWN, {"PrometheusUnreachable"}),
        (Fault.EMPTY, {"NoSeries"}),
        (Fault.NAN, {"NotFinite"}),
        (Fault.INF, {"NotFinite"}),
        (Fault.STALE, {"StaleSeries"}),
        (Fault.SLOW, {"PrometheusTimeout"}),
        (Fault.HUGE, {"AnswerTooLarge"}),
        (Fault.FAILING, {"PrometheusFailed"}),
        (Fault.THROTTLED, {"PrometheusThrottled"}),
        (Fault.REDIRECTING, {"PrometheusRedirects"}),
        (Fault.MALFORMED, {"AnswerMalformed"}),
    ],
)
async def test_no_fault_of_prometheus_raises_or_looks_like_silence(
    house: House, fault: Fault, reasons: set[str]
) -> None:
    await house.look()
    house.pass_cycle()
    house.prometheus.fault = fault
    seen = await house.look()
    signals = (seen.demand, seen.waiting, seen.running)
    assert {signal.reason for signal in signals if isinstance(signal, Unknown)} == reasons
    assert all(isinstance(signal, Unknown) for signal in (*signals, seen.attainment))
    (variant,) = seen.variants
    assert variant.replicas is not None  # the cluster is known all the same
    assert (variant.replicas.ready, variant.served, variant.pressure, variant.load_by_pod) == (2, None, None, {})
    assert seen.recent is not None
    assert not seen.recent.observed[-1].any()
    assert len(house.reports) <= MAX_QUERIES


async def test_series_that_come_from_two_jobs_count_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.prometheus.fault = Fault.DUPLICATE
    for _ in range(2):
        seen = await house.look()
        house.pass_cycle()
    assert seen.demand == Demand(8.0, 8000.0, 2000.0)
    assert seen.running == Known(24.0)
    assert [record for record in caplog.messages if "several jobs" in record] == [
        f"several jobs scrape the same pods, such as prod/{PODS[0]}; each counts once"
    ]


async def test_metrics_that_return_are_known_again_and_holes_are_mended(house: House) -> None:
    await house.look()
    house.prometheus.fault = Fault.DOWN
    for _ in range(4):
        house.pass_cycle()
        await house.look()
    house.prometheus.fault = Fault.NONE
    for _ in range(12):
        house.pass_cycle()
        seen = await house.look()
    assert isinstance(seen.demand, Demand)
    assert seen.recent is not None
    assert seen.recent.observed.all()


async def test_a_clock_that_differs_from_prometheus_makes_everything_unknown(house: House) -> None:
    house.prometheus.clock = lambda: NOW + 600.0
    seen = await house.look()
    assert isinstance(seen.demand, Unknown)
    assert seen.demand.reason == "ClockSkew"
    assert "600 s ahead of ours" in seen.demand.message


async def test_what_prometheus_warns_of_is_logged_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.prometheus.warnings = ("partial answer",)
    for _ in range(2):
        await house.look()
    assert caplog.messages.count("Prometheus warns: partial answer") == 1


async def test_objects_and_namespaces_that_are_going_are_left_out(house: House) -> None:
    house.store.apply("MODIFIED", make_workload_body(deletionTimestamp="2026-11-23T12:00:00Z"))
    assert (await house.observe()).workloads == {}
    house.store.apply("MODIFIED", make_workload_body())
    going = {"name": "prod", "uid": "n", "deletionTimestamp": "2026-11-23T12:00:00Z"}
    house.store.apply("MODIFIED", {"apiVersion": "v1", "kind": "Namespace", "metadata": going})
    assert (await house.observe()).workloads == {}


async def test_a_missing_target_and_rivals_are_said(house: House) -> None:
    house.store.apply("ADDED", make_rival_body())
    house.store.apply("DELETED", make_deployment_body())
    seen = await house.look()
    (variant,) = seen.variants
    assert variant.replicas is None
    assert variant.problem is not None
    assert variant.problem.reason == "TargetNotFound"
    assert [rival.kind for rival in variant.rivals] == ["HorizontalPodAutoscaler"]
    assert isinstance(seen.demand, Unknown)
    assert seen.demand.reason == "NoReadyReplicas"


@pytest.mark.parametrize("twin_is_older", [False, True])
async def test_of_two_on_one_target_the_older_goes_first_until_it_is_deleted(
    house: House, *, twin_is_older: bool
) -> None:
    chat, twin = make_workload(), make_workload("twin")
    days = ("02", "01") if twin_is_older else ("01", "02")
    bodies = [
        make_workload_body(workload, creationTimestamp=f"2026-11-{day}T12:00:00Z")
        for workload, day in zip((chat, twin), days, strict=True)
    ]
    house.store.apply("DELETED", make_workload_body())
    for body in bodies:
        house.store.apply("ADDED", body)
    older, younger = (twin, chat) if twin_is_older else (chat, twin)

    async def waits() -> dict[str, list[bool]]:
        seen = (await house.observe()).workloads
        return {key.name: [rival.waits for rival in each.variants[0].rivals] for key, each in seen.items()}

    assert await waits() == {older.key.name: [True], younger.key.name: [False]}
    house.store.apply("DELETED", bodies[1 if twin_is_older else 0])
    assert await waits() == {younger.key.name: []}


async def test_the_inventory_is_unknown_where_it_cannot_be_seen(house: House, settings: Settings) -> None:
    async with PrometheusClient(settings.prometheus_url) as client:
        alone = Observer(replace(settings, namespace="prod"), client, house.store, FakeApi())
        assert (await alone.observe(NOW, NOW)).pools is None
        blind = Observer(settings, client, Store(house.clock), FakeApi())
        assert (await blind.observe(NOW, NOW)).pools is None


async def test_without_history_only_the_recent_past_is_asked_for(house: House, settings: Settings) -> None:
    async with PrometheusClient.from_settings(settings, house.reports.append) as client:
        observer = Observer(replace(settings, history_hours=0.0), client, house.store, FakeApi())
        seen = (await observer.observe(NOW, NOW)).workloads[KEY]
    assert seen.history is None
    assert seen.recent is not None
    assert "history" not in {report.name for report in house.reports}
