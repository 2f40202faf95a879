"""What goes wrong with time: pods that wait for an hour, and a clock that is set back.

The machine's clock is never touched. The operator's wall clock is ahead by an hour from the beginning, and so is the
clock of its Prometheus: so what was created a moment ago is an hour old.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.failures.play import play
from tests.failures.row import Is, Row, Series, Stage
from tests.failures.scene import Scene, is_ready
from tests.failures.shimmed import shimmed
from tests.fakes.prometheus import FakePrometheus

pytestmark = pytest.mark.cluster

HOUR = 3600.0
STUCK = Is("CapacityAvailable", "False", "ReplicasStuck")
SHIMMED = "the operator's process with a wall clock that the test sets"


def prometheus(scene: Scene) -> FakePrometheus:
    assert isinstance(scene.engines, FakePrometheus)
    return scene.engines


def set_clock(scene: Scene, ahead: float) -> None:
    assert scene.clock is not None
    scene.clock.write_text(str(ahead))


def lose_nodes(scene: Scene) -> None:
    """Two of four replicas are replaced by ones for which there is no node; meanwhile more would be allowed."""
    template = {"spec": {"nodeSelector": {"nvidia.com/gpu.product": "none"}}}
    strategy = {"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}}
    scene.api.ask("PATCH", scene.target, {"spec": {"template": template, "strategy": strategy}})
    wait_for(lambda: len([pod for pod in scene.pods() if is_ready(pod)]) == 2, what="a node's loss")
    scene.overload()
    wait_for(lambda: scene.condition("CapacityAvailable") == STUCK, what="the condition")
    [variant] = scene.make_object()["spec"]["variants"]
    scene.edit(variants=[variant | {"maxReplicas": 8}])


def set_back(scene: Scene) -> None:
    set_clock(scene, 0.0)


def set_both_back(scene: Scene) -> None:
    prometheus(scene).clock = time.time
    set_back(scene)


def set_ahead(scene: Scene) -> None:
    prometheus(scene).clock = lambda: time.time() + HOUR
    set_clock(scene, HOUR)


ROWS = (
    Row(
        "pods pending for an hour",
        lose_nodes,
        (STUCK, Is("MetricsAvailable", "True", "MetricsFresh")),
        "ReplicasStuck",
        Series("condition", {"type": "CapacityAvailable", "status": "False"}, own=True, equals=1.0),
        replicas=4,
        healed=(STUCK,),
        stage=Stage(replicas=4, most=4),
        level=SHIMMED,
    ),
    Row(
        "clock set back",
        set_back,
        (Is("MetricsAvailable", "False", "ClockSkew"),),
        "ClockSkew",
        Series("leader", equals=1.0),  # the lease is kept by a clock that nobody sets
        end=set_ahead,
        level=SHIMMED,
    ),
    Row(
        "clock set back, and that of Prometheus",
        set_both_back,
        (Is("MetricsAvailable", "True", "MetricsFresh"), Is("Ready", "True", "Deciding")),
        None,
        Series("leader", equals=1.0),
        end=set_ahead,
        level=SHIMMED,
    ),
)


@pytest.fixture(scope="module")
def scene(
    open_scene: Callable[..., AbstractContextManager[Scene]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    clock: Path = tmp_path_factory.mktemp("clock") / "ahead"
    clock.write_text(str(HOUR))
    with open_scene(entry=shimmed(clock)) as scene:
        scene.clock = clock
        set_ahead(scene)
        yield scene


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_clock(row: Row, scene: Scene) -> None:
    play(row, scene)
