"""A recorded Prometheus and a house of stand-ins, for every file that asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from foresail.operator.observe.prometheus import PrometheusClient, QueryReport
from foresail.operator.observe.snapshot import Observer
from foresail.operator.settings import Settings
from foresail.operator.store import Store
from foresail.sandbox.processes import Processes
from foresail.sandbox.prometheus import backfill, configuration, start_prometheus
from tests.builders import NOW
from tests.fakes.prometheus import FakePrometheus, PodLoad
from tests.unit.operator.fakes import FakeApi, HandClock
from tests.unit.operator.observe.bodies import (
    make_accelerator_body,
    make_deployment_body,
    make_node_body,
    make_pod_body,
    make_workload_body,
)
from tests.unit.operator.observe.house import PODS, House
from tests.unit.operator.observe.recorded import record_fleet


@pytest.fixture(scope="session")
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


@pytest.fixture
def prometheus() -> Iterator[FakePrometheus]:
    with FakePrometheus({("prod", pod): PodLoad() for pod in PODS}) as prometheus:
        yield prometheus


@pytest.fixture
def settings(prometheus: FakePrometheus) -> Settings:
    return Settings(
        prometheus_url=prometheus.url,
        prometheus_timeout_seconds=3.0,
        prometheus_deadline_seconds=4.0,
        prometheus_max_bytes=2**20,
        history_hours=2.0,
    )


@pytest.fixture
async def house(prometheus: FakePrometheus, settings: Settings) -> AsyncIterator[House]:
    clock = HandClock(wall=NOW)
    prometheus.clock = clock.wall
    store = Store(clock)
    bodies = [make_workload_body(), make_deployment_body(replicas=2), make_node_body(), make_accelerator_body()]
    for body in (*bodies, *(make_pod_body(pod) for pod in PODS)):
        store.apply(None, body)
    reports: list[QueryReport] = []
    async with PrometheusClient.from_settings(settings, reports.append) as client:
        yield House(prometheus, store, clock, Observer(settings, client, store, FakeApi()), reports)
