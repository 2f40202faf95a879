"""What goes wrong with the operator itself: it is killed between a decision and its write, and another takes over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.conftest import Cluster, wait_for
from tests.failures.gateway import Fault, Gateway
from tests.failures.play import play
from tests.failures.row import Is, Row, Series, Stage
from tests.failures.scene import Scene
from tests.integration.process import OperatorProcess

pytestmark = pytest.mark.cluster

SUCCESSION_SECONDS = 20.0


def decide_and_be_killed(scene: Scene) -> None:
    """SIGKILL while the write of a decision is on its way; it never arrives."""
    assert scene.gateway is not None
    follower = scene.others[0]
    assert follower.metric("foresail_leader") == 0.0
    assert not follower.metric("foresail_api_writes_total")  # one writes
    scene.gateway.scale_writes.clear()
    scene.gateway.fault = Fault.HOLDING
    [variant] = scene.make_object()["spec"]["variants"]
    scene.edit(variants=[variant | {"maxReplicas": 4}])
    wait_for(lambda: scene.gateway is not None and scene.gateway.scale_writes, what="a write that is held")
    scene.operator.kill()
    killed = time.monotonic()
    assert scene.replicas() == scene.stage.replicas
    scene.gateway.fault = Fault.NONE
    scene.operator = follower
    wait_for(lambda: follower.metric("foresail_leader") == 1.0, seconds=SUCCESSION_SECONDS, what="the succession")
    assert time.monotonic() - killed < SUCCESSION_SECONDS


ROWS = (
    Row(
        "killed between decision and write, the other takes over",
        decide_and_be_killed,
        (Is("Ready", "True", "Deciding"),),
        "MaxReplicas",
        Series("scale_writes_total", {"variant": "h100", "outcome": "Written"}, own=True),
        replicas=4,
        stage=Stage(replicas=2, most=2),
    ),
)


@pytest.fixture
def scene(
    gpu_nodes: Cluster,
    open_scene: Callable[..., AbstractContextManager[Scene]],
    tmp_path: Path,
) -> Iterator[Scene]:
    assert gpu_nodes.control_plane is not None
    with Gateway(gpu_nodes.control_plane) as between:
        kubeconfig = between.write_kubeconfig(tmp_path / "kubeconfig")
        with open_scene(kubeconfig=kubeconfig, gateway=between) as scene:
            wait_for(lambda: scene.operator.metric("foresail_leader") == 1.0, what="a leader")
            with OperatorProcess(tmp_path / "follower.log", *scene.operator.flags) as follower:
                wait_for(follower.is_ready, what="the follower's readiness")
                scene.others.append(follower)
                yield scene


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_succession(row: Row, scene: Scene) -> None:
    play(row, scene)
