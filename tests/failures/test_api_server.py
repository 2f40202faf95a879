"""What goes wrong between the operator and the API server, made by a gateway between the two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise

import pytest

from tests.conftest import Cluster, wait_for
from tests.failures.gateway import Fault, Gateway
from tests.failures.play import play
from tests.failures.row import Act, Is, Row, Series, Stage
from tests.failures.scene import Scene
from tests.failures.shimmed import shimmed

pytestmark = pytest.mark.cluster

DECIDING = Is("Ready", "True", "Deciding")
QUICK = "the operator's process with watch time-outs of seconds"
GROWING = Stage(replicas=2, most=2)  # until the row lets it grow


def let_grow(scene: Scene, fault: Fault) -> None:
    """Allow more replicas, while their writes fail."""
    gateway(scene).fault = fault
    [variant] = scene.make_object()["spec"]["variants"]
    scene.edit(variants=[variant | {"maxReplicas": 4}])


def refuse(fault: Fault) -> Act:
    return lambda scene: let_grow(scene, fault)


def accept(scene: Scene) -> None:
    """What was refused is written by the next cycle."""
    gateway(scene).fault = Fault.NONE
    wait_for(lambda: scene.replicas() == 4, what="the step up")


def accept_after_waiting(scene: Scene) -> None:
    """Between two attempts of a write the server's wish was obeyed."""
    attempts = gateway(scene).scale_writes[:4]
    asked = gateway(scene).retry_after_seconds
    accept(scene)
    assert all(later - earlier >= asked for earlier, later in pairwise(attempts)), attempts


def stall(scene: Scene) -> None:
    gateway(scene).fault = Fault.STALLING


def speak(scene: Scene) -> None:
    gateway(scene).fault = Fault.NONE


def break_watches(scene: Scene) -> None:
    """What changes meanwhile is seen in the list that follows."""
    gateway(scene).break_watches()
    [variant] = scene.make_object()["spec"]["variants"]
    scene.edit(variants=[variant | {"minReplicas": 2}])
    wait_for(lambda: any("modeldeployments" in path for path in gateway(scene).gone), what="a watch that was told 410")


def writes(outcome: str) -> Series:
    return Series("scale_writes_total", {"variant": "h100", "outcome": outcome}, own=True)


ROWS = (
    Row(
        "409 on scale",
        refuse(Fault.CONFLICTING),
        (DECIDING,),
        None,
        writes("Conflict"),
        replicas=2,
        end=accept,
        stage=GROWING,
    ),
    Row(
        "429 with Retry-After",
        refuse(Fault.THROTTLING),
        (Is("Ready", "False", "WriteRefused"),),
        "WriteRefused",
        writes("Refused"),
        replicas=2,
        end=accept_after_waiting,
        stage=GROWING,
    ),
    Row(
        "watch silently stalled",
        stall,
        (Is("Ready", "False", "WatchStalled"),),
        "WatchStalled",
        Series("watch_age_seconds", {"resource": "modeldeployments.foresail.dev"}, at_least=3.0),
        end=speak,
        level=QUICK,
    ),
    Row(
        "410 Gone",
        break_watches,
        (DECIDING,),
        None,
        Series("min_replicas", {"variant": "h100"}, own=True, equals=2.0),
        end=speak,
        level=QUICK,
    ),
)


def gateway(scene: Scene) -> Gateway:
    assert scene.gateway is not None
    return scene.gateway


@pytest.fixture(scope="module")
def scene(
    gpu_nodes: Cluster,
    open_scene: Callable[..., AbstractContextManager[Scene]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("gateway")
    assert gpu_nodes.control_plane is not None
    with Gateway(gpu_nodes.control_plane) as between:
        kubeconfig = between.write_kubeconfig(folder / "kubeconfig")
        with open_scene(kubeconfig=kubeconfig, gateway=between, entry=shimmed(folder / "clock")) as scene:
            yield scene


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_api_server(row: Row, scene: Scene) -> None:
    gateway(scene).scale_writes.clear()
    play(row, scene)
