"""What goes wrong with the series, in a real Prometheus that scrapes every two seconds, which nobody tells us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from foresail.sandbox.processes import Processes
from foresail.sandbox.prometheus import start_prometheus
from tests.conftest import wait_for
from tests.failures.exporter import Exporter, Fault
from tests.failures.play import await_conditions, play_on
from tests.failures.row import Act, Is, Row, Series, Stage
from tests.failures.scene import Scene

pytestmark = pytest.mark.cluster

FRESH = Is("MetricsAvailable", "True", "MetricsFresh")
UNKNOWN = Series("condition", {"type": "MetricsAvailable", "status": "False"}, own=True, equals=1.0)
SCRAPE_SECONDS = 2.0
EMPTY = Series("query_empty_total", {"query": "running"})


def set_fault(fault: Fault) -> Act:
    def act(scene: Scene) -> None:
        assert isinstance(scene.engines, Exporter)
        scene.engines.fault = fault

    return act


def unknown(name: str, fault: Fault, reason: str, metric: Series) -> Row:
    """Demand is unknown for a reason, which is told, and the replicas stay."""
    conditions = (Is("MetricsAvailable", "False", reason), Is("Ready", "False", reason))
    return Row(name, set_fault(fault), conditions, reason, metric, end=set_fault(Fault.NONE))


def duplicate(scene: Scene) -> None:
    set_fault(Fault.DUPLICATE)(scene)
    wait_for(lambda: "several jobs scrape the same pods" in scene.operator.log, what="the sight of both jobs")


ROWS = (
    unknown("empty answer", Fault.EMPTY, "NoSeries", EMPTY),
    # Three scrapes and the slack are 11 s; at the usual interval they would be 50 s, longer than a row may take.
    unknown("stale series", Fault.STALE, "StaleSeries", UNKNOWN),
    Row(
        "duplicate series",
        duplicate,
        (FRESH, Is("Ready", "True", "Deciding")),
        None,
        Series("demand_requests_per_second", own=True, at_least=18.0, at_most=22.0),  # not forty
        end=set_fault(Fault.NONE),
    ),
)


@pytest.fixture(scope="module")
def scene(
    binaries: Path,
    open_scene: Callable[..., AbstractContextManager[Scene]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("prometheus")
    with Exporter() as exporter, Processes(folder) as processes:
        url = start_prometheus(processes, binaries, settings=exporter.settings(SCRAPE_SECONDS), data=folder / "data")
        with open_scene(engines=exporter, prometheus=url) as scene, scene.furnished("chat", Stage()):
            yield scene


def test_the_scrape_interval_is_measured(scene: Scene) -> None:
    told = "Prometheus scrapes the engines every 2 s, not every 15 s"
    wait_for(lambda: told in scene.operator.log, seconds=15, what="a measured interval")
    await_conditions(scene, (FRESH,), seconds=15)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_real_prometheus(row: Row, scene: Scene) -> None:
    play_on(row, scene)
