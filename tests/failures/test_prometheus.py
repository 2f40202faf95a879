"""What goes wrong with Prometheus, one that can be told to fail: it answers the operator's real questions over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.conftest import wait_for
from tests.failures.play import await_conditions, play_on
from tests.failures.row import Act, Is, Row, Series, Stage
from tests.failures.scene import Scene
from tests.fakes.prometheus import FakePrometheus, Fault

pytestmark = pytest.mark.cluster


def set_fault(fault: Fault) -> Act:
    def act(scene: Scene) -> None:
        assert isinstance(scene.engines, FakePrometheus)
        scene.engines.fault = fault

    return act


def unknown(name: str, fault: Fault, reason: str, metric: Series) -> Row:
    """Demand is unknown for a reason, which is told, and the replicas stay."""
    conditions = (Is("MetricsAvailable", "False", reason), Is("Ready", "False", reason))
    return Row(name, set_fault(fault), conditions, reason, metric, end=set_fault(Fault.NONE), level=LEVEL)


def errors(reason: str) -> Series:
    return Series("query_errors_total", {"query": "running", "reason": reason})


LEVEL = "a fake Prometheus: HTTP and the operator's questions are real, the faults are made"
UNKNOWN = Series("condition", {"type": "MetricsAvailable", "status": "False"}, own=True, equals=1.0)

ROWS = (
    unknown("Prometheus down", Fault.DOWN, "PrometheusUnreachable", errors("PrometheusUnreachable")),
    unknown("Prometheus fails", Fault.FAILING, "PrometheusFailed", errors("PrometheusFailed")),
    unknown("Prometheus throttles", Fault.THROTTLED, "PrometheusThrottled", errors("PrometheusThrottled")),
    unknown("NaN", Fault.NAN, "NotFinite", UNKNOWN),
    unknown("Inf", Fault.INF, "NotFinite", UNKNOWN),
    unknown("slower than the cycle", Fault.SLOW, "PrometheusTimeout", Series("cycles_skipped_total")),
    unknown("huge answer", Fault.HUGE, "AnswerTooLarge", errors("AnswerTooLarge")),
)


@pytest.fixture(scope="module")
def scene(open_scene: Callable[..., AbstractContextManager[Scene]]) -> Iterator[Scene]:
    with open_scene() as scene, scene.furnished("chat", Stage()):
        yield scene


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_prometheus(row: Row, scene: Scene) -> None:
    play_on(row, scene)


def test_a_demand_that_is_really_low_lowers_replicas_here(scene: Scene) -> None:
    """So the property that no failure lowers them is not empty: nothing else would keep them up."""
    with scene.furnished("idle", Stage(rps=0.5)):
        await_conditions(scene, (Is("Ready", "True", "Deciding"),), seconds=30)
        assert scene.stage.least == 1
        wait_for(lambda: scene.replicas() == 1, seconds=20, what="a step down")
        assert scene.witness.least("idle") == 1
