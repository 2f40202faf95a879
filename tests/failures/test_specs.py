"""What goes wrong with the object itself, and with its namespace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.failures.api import RefusedError
from tests.failures.play import play
from tests.failures.row import Is, Row, Series
from tests.failures.scene import Scene

pytestmark = pytest.mark.cluster

HOLDER = "tests.foresail.dev/hold"
DECIDING = Is("Ready", "True", "Deciding")
MOST = Series("max_replicas", {"variant": "h100"}, own=True, equals=3.0)  # the last good spec's


def exceed_bounds(scene: Scene) -> None:
    [variant] = scene.make_object()["spec"]["variants"]
    with pytest.raises(RefusedError, match="minReplicas exceeds maxReplicas; lower minReplicas or raise maxReplicas"):
        scene.edit(variants=[variant | {"minReplicas": 9}])


def misspell_zone(scene: Scene) -> None:
    """No schema knows the zones that there are. The typo comes with a lower bound, which must not hold either."""
    [variant] = scene.make_object()["spec"]["variants"]
    schedule = {"name": "day", "start": "08:00", "end": "20:00", "timeZone": "Europe/Nowhere", "minReplicas": 2}
    scene.edit(schedules=[schedule], variants=[variant | {"maxReplicas": 1}])


def correct_spec(scene: Scene) -> None:
    scene.edit(schedules=None, variants=scene.make_object()["spec"]["variants"])


def end_namespace(scene: Scene) -> None:
    """It stays in Terminating, because somebody holds the object and its target."""
    for path in (scene.object, scene.target):
        scene.api.ask("PATCH", path, {"metadata": {"finalizers": [HOLDER]}})
    scene.api.remove(f"/api/v1/namespaces/{scene.namespace}")


def let_go(scene: Scene) -> None:
    for path in (scene.object, scene.target):
        scene.api.ask("PATCH", path, {"metadata": {"finalizers": None}})


ROWS = (
    Row(
        "spec that the schema refuses",
        exceed_bounds,
        (DECIDING,),
        None,
        MOST,
    ),
    Row(
        "spec that only the parser can refuse",
        misspell_zone,
        (Is("Ready", "False", "SpecInvalid"), Is("MetricsAvailable", "True", "MetricsFresh")),
        "SpecInvalid",
        MOST,
        end=correct_spec,
    ),
)
ENDING = Row(
    "namespace terminating",
    end_namespace,
    (DECIDING,),  # nothing is decided for it any more, and nothing is written
    None,
    Series("cycle_failures_total", gone=True),
    end=let_go,
    healed=(),
)


@pytest.fixture(scope="module")
def scene(open_scene: Callable[..., AbstractContextManager[Scene]]) -> Iterator[Scene]:
    with open_scene() as scene:
        yield scene


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_specs(row: Row, scene: Scene) -> None:
    play(row, scene)


def test_namespace_terminating(
    open_scene: Callable[..., AbstractContextManager[Scene]], make_place: Callable[[], str]
) -> None:
    with open_scene(lease_namespace=make_place()) as scene:
        play(ENDING, scene)
