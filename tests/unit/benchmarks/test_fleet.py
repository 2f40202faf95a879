from __future__ import annotations

import os

from benchmarks import models
from benchmarks.fleet import CycleCost, read_metrics, summarize, undisturbed
from benchmarks.machine import describe_machine, maps_library, usage_of
from benchmarks.verdicts import judge_fleet
from foresail.operator.resources import parse_accelerator, parse_workload
from tests.fakes.prometheus import FakePrometheus


def make_cost(*, cpu: float = 0.4, writes: int = 0, changed: bool = False) -> CycleCost:
    return CycleCost(cpu, 1.0, 12, writes, changed=changed)


def test_a_cycle_counts_as_undisturbed_when_neither_it_nor_the_one_before_changed_anything() -> None:
    costs = [make_cost(), make_cost(changed=True, writes=1), make_cost(writes=1), make_cost(), make_cost()]
    assert undisturbed(costs) == costs[3:]


def test_a_summary_tells_the_worst_cycle_beside_the_median() -> None:
    summary = summarize([make_cost(cpu=0.1 * n, changed=n == 3) for n in range(1, 6)])
    assert summary["cpu_seconds_median"] == 0.3
    assert summary["cpu_seconds_most"] == 0.5
    assert summary["queries_most"] == 12
    assert summary["cycles_with_a_change"] == 1


def test_the_fleets_objects_are_understood_by_the_operators_parsers() -> None:
    workloads = [parse_workload(body) for body in models.model_deployments(3, stabilization_seconds=30)]
    assert [len(workload.variants) for workload in workloads] == [2, 2, 2]
    assert {parse_accelerator(body).name for body in models.accelerators()} == set(models.REPLICAS)
    targets = {body["metadata"]["name"] for body in models.deployments(3)}
    assert {variant.target.name for workload in workloads for variant in workload.variants} == targets


def test_there_is_room_for_every_replica() -> None:
    for pool in models.node_pools(200):
        assert pool.nodes * pool.gpus_per_node >= 200 * models.REPLICAS[pool.name]


def test_a_missed_figure_is_said() -> None:
    report = {
        "quiet_cycles": {"cpu_seconds_p99": 1.2, "queries_most": 12},
        "help_seconds": {"median": 0.1},
        "writes_where_nothing_changed": 0,
        "operator_peak_mebibytes": 150.0,
        "torch_mapped": False,
    }
    assert [verdict["what"] for verdict in judge_fleet(report) if not verdict["met"]] == ["CPU of a cycle, p99"]


def test_metrics_of_nobody_are_an_error_of_the_network() -> None:
    with FakePrometheus() as prometheus:
        url = prometheus.url
    try:
        read_metrics(url)
    except OSError:
        return
    raise AssertionError


def test_usage_and_machine_are_read_from_proc() -> None:
    assert usage_of().peak_mebibytes > 10
    assert describe_machine()["cores"] == os.cpu_count()
    assert maps_library(os.getpid(), "python")
    assert not maps_library(os.getpid(), "no-such-library")
