"""What goes wrong with the operator itself: it is killed between a decision and its write, and another takes over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from foresail.domain.accelerator import CapacityPoint
from foresail.domain.memory import Learned
from foresail.operator.learned import to_learned
from foresail.policies.scaling.capacity import fit_work
from foresail.policies.scaling.learning import start_belief
from tests.conftest import Cluster, wait_for
from tests.failures.gateway import Fault, Gateway
from tests.failures.play import await_cycles, play
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


# What the profile of `make_profile` comes to with the pods' own mix, and a replica that sustains half of it.
PROFILED = replace(fit_work((CapacityPoint("llama", 1, 5.0, 1000.0, 250.0),)), source="own mix at 5 rps")
HALF = Learned(0.0, {"h100": replace(start_belief(PROFILED), log_mean=math.log(0.5), observations=40)})
NEEDED = Stage(replicas=4, most=4, rps=10.0)  # 10 rps / (5 rps by the profile / 2) = 4


@contextmanager
def succeeded(scene: Scene, log: Path) -> Iterator[None]:
    """A new leader after the one before was killed; its lease is taken away, so that nobody waits for its end."""
    scene.operator.kill()
    scene.api.remove(f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases/foresail-operator")
    with OperatorProcess(log, *scene.operator.flags) as successor:
        scene.operator = successor
        wait_for(lambda: successor.decision(scene.namespace, scene.name), what="the successor's first decision")
        yield


def capacity_rps(scene: Scene) -> float:
    """What the leader believes that a replica sustains."""
    found = scene.operator.decision(scene.namespace, scene.name)
    assert found is not None
    return float(found["outlook"]["capacity_rps"])


def test_what_was_learned_outlives_its_leader(
    open_scene: Callable[..., AbstractContextManager[Scene]], tmp_path: Path
) -> None:
    """A profile that claims twice what replicas sustain is not believed anew: without what was learned it is."""
    with open_scene() as scene:
        scene.operator.kill()
        with scene.furnished("chat", NEEDED):
            scene.api.ask("PATCH", f"{scene.object}/status", {"status": {"learned": to_learned(HALF)}})
            for reign in ("first", "second"):  # which reads what the first wrote
                with succeeded(scene, tmp_path / f"{reign}.log"):
                    await_cycles(scene, 3)
                    assert capacity_rps(scene) == pytest.approx(2.5, rel=0.1)
            assert scene.witness.least("chat") == NEEDED.replicas

            scene.api.ask("PATCH", f"{scene.object}/status", {"status": {"learned": None}})
            with succeeded(scene, tmp_path / "without.log"):
                wait_for(lambda: scene.replicas() != NEEDED.replicas, seconds=20, what="a step down")


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_succession(row: Row, scene: Scene) -> None:
    play(row, scene)
