"""What goes wrong with the target, its pods and its other controllers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from foresail.service.document import to_instant
from tests.conftest import wait_for
from tests.failures.play import await_conditions, play
from tests.failures.row import Is, Row, Series, Stage
from tests.failures.scene import NEVER, Scene
from tests.integration.conftest import model_deployments

pytestmark = pytest.mark.cluster

NOT_FOUND = Is("TargetResolved", "False", "TargetNotFound")
FOUND = Is("TargetResolved", "True", "TargetFound")
CONFLICTING = Series("conflict", own=True, equals=1.0)


def nothing(_: Scene) -> None:
    """It is wrong from the beginning."""


def create(scene: Scene) -> None:
    scene.create_target()


def delete(scene: Scene) -> None:
    scene.api.remove(scene.target)


def recreate(scene: Scene) -> None:
    before = scene.api.ask("GET", scene.target)["metadata"]["uid"]
    delete(scene)
    create(scene)
    assert scene.api.ask("GET", scene.target)["metadata"]["uid"] != before
    wait_for(scene.serve, what="ready pods")


def edit_by_hand(scene: Scene) -> None:
    scene.api.ask("PATCH", f"{scene.target}/scale", {"spec": {"replicas": 5}})


def instant_in(seconds: float) -> str:
    return to_instant(time.time() + seconds)


def override_an_edit(scene: Scene) -> None:
    """A hand scales, and then a person uses the way out that docs/reasons.md names."""
    edit_by_hand(scene)
    await_conditions(scene, (Is("Conflict", "True", "EditedByHand"),), seconds=30)
    scene.edit(override={"replicas": 7, "until": instant_in(3600.0), "reason": "launch"})
    wait_for(lambda: scene.replicas() == 7, what="the override's replicas")
    edit_by_hand(scene)  # while it holds a hand is put right


def end_override(scene: Scene) -> None:
    scene.edit(override=None)


def twin_of(scene: Scene) -> str:
    return f"{scene.object}-twin"


def add_twin(scene: Scene) -> None:
    """A second object on the same target, which waits; and the first one goes on scaling."""
    body = scene.make_object()
    body["metadata"]["name"] += "-twin"
    body["spec"]["variants"][0]["scaleTargetRef"]["name"] = scene.name
    first = scene.api.ask("GET", scene.object)["metadata"]["creationTimestamp"]
    wait_for(lambda: to_instant(time.time()) > first, what="another second")  # ages are told in seconds
    scene.api.ask("POST", model_deployments(scene.namespace), body)
    wait_for(lambda: twin_is(scene, "Conflict", "True", "ConflictingController"), what="the younger one's conflict")
    scene.edit(override={"replicas": 4, "until": instant_in(3600.0), "reason": "it goes on"})


def let_the_twin_act(scene: Scene) -> None:
    """Without the older one the younger acts; then all is as it was."""
    body = scene.make_object()
    scene.api.remove(scene.object)
    wait_for(lambda: twin_is(scene, "Conflict", "False", "NoConflict"), what="the younger one's turn")
    wait_for(lambda: twin_is(scene, "Ready", "True", "Deciding"), what="the younger one's decisions")
    scene.api.remove(twin_of(scene))
    scene.api.ask("POST", model_deployments(scene.namespace), body)


def twin_is(scene: Scene, *condition: str) -> bool:
    status = scene.api.ask("GET", twin_of(scene)).get("status", {})
    found = [(each["type"], each["status"], each["reason"]) for each in status.get("conditions", [])]
    return condition in found


def hpas(scene: Scene) -> str:
    return f"/apis/autoscaling/v2/namespaces/{scene.namespace}/horizontalpodautoscalers"


def add_hpa(scene: Scene) -> None:
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": scene.name}
    spec: dict[str, Any] = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 10, "metrics": [metric]}
    scene.api.ask("POST", hpas(scene), {"metadata": {"name": scene.name}, "spec": spec})


def remove_hpa(scene: Scene) -> None:
    scene.api.remove(f"{hpas(scene)}/{scene.name}")


def half_ready(scene: Scene) -> None:
    """Two of four pods become unready."""
    for pod in scene.pods()[:2]:
        scene.set_ready(pod, ready=False)
    scene.overload()


def all_ready(scene: Scene) -> None:
    for pod in scene.pods():
        scene.set_ready(pod, ready=True)


ROWS = (
    Row(
        "target missing",
        nothing,
        (NOT_FOUND,),
        "TargetNotFound",
        Series("condition", {"type": "TargetResolved", "status": "False"}, own=True, equals=1.0),
        replicas=None,
        end=create,
        healed=(FOUND,),
        stage=Stage(has_target=False),
    ),
    Row(
        "target deleted",
        delete,
        (NOT_FOUND,),
        "TargetNotFound",
        Series("current_replicas", {"variant": "h100"}, own=True, gone=True),
        replicas=None,
        end=create,
    ),
    Row(
        "target recreated with another UID",
        recreate,
        (FOUND, Is("MetricsAvailable", "True", "MetricsFresh")),
        None,
        Series("ready_replicas", {"variant": "h100"}, own=True, equals=3.0),
    ),
    Row(
        "replicas edited by hand",
        edit_by_hand,
        (Is("Conflict", "True", "EditedByHand"), Is("Ready", "False", "EditedByHand")),
        "EditedByHand",
        CONFLICTING,
        replicas=5,
        healed=(Is("Conflict", "True", "EditedByHand"),),  # we stand down for a stabilization window
        stage=Stage(most=8, rps=5.0, window_seconds=300),
    ),
    Row(
        "replicas edited by hand under an override",
        override_an_edit,
        (Is("Overridden", "True", "Override"), Is("Conflict", "False", "NoConflict"), Is("Ready", "True", "Deciding")),
        "EditedByHand",  # of the first edit
        Series("conflict", own=True, equals=0.0),
        replicas=7,
        end=end_override,
        healed=(Is("Overridden", "False", "NoOverride"), Is("Ready", "True", "Deciding")),
        stage=Stage(most=8, rps=5.0, window_seconds=300),
    ),
    Row(
        "a second ModelDeployment on the target",
        add_twin,
        (Is("Conflict", "False", "NoConflict"), Is("Ready", "True", "Deciding")),
        "Override",
        Series("conflict", own=True, equals=0.0),
        replicas=4,
        end=let_the_twin_act,
        stage=Stage(most=5, window_seconds=300),
    ),
    Row(
        "HPA appears and goes",
        add_hpa,
        (Is("Conflict", "True", "ConflictingController"), Is("Ready", "False", "ConflictingController")),
        "ConflictingController",
        CONFLICTING,
        end=remove_hpa,
        healed=(Is("Conflict", "False", "NoConflict"), Is("Ready", "True", "Deciding")),
    ),
    Row(
        "half the pods ready",
        half_ready,
        (Is("MetricsAvailable", "True", "MetricsFresh"), Is("Ready", "True", "Deciding")),
        None,
        Series("ready_replicas", {"variant": "h100"}, own=True, equals=2.0),
        replicas=4,
        end=all_ready,
        stage=Stage(replicas=4, most=4, startup=NEVER),
        level="no kubelet: the pods' readiness is written by the test",
    ),
)


@pytest.fixture(scope="module")
def scene(open_scene: Callable[..., AbstractContextManager[Scene]]) -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_targets(row: Row, scene: Scene) -> None:
    play(row, scene)
