"""Play a row: all is well, something goes wrong, what is expected is seen, it is mended, all is well again.

And whatever happens, the target's replicas never fall below those of the beginning.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from tests.conftest import wait_for
from tests.failures.row import Is, Row
from tests.failures.scene import Scene

POLL_SECONDS = 0.1
CYCLES = 1  # what is seen was acted upon, and after it was seen there is one more


def play(row: Row, scene: Scene) -> None:
    """Play it with an object of its own."""
    with scene.furnished(slug(row.name), row.stage):
        play_on(row, scene)


def play_on(row: Row, scene: Scene) -> None:
    """Play it with the object that is there."""
    if row.stage.has_target:
        await_conditions(scene, (Is("Ready", "True", "Deciding"),), seconds=30)
    before, counted = scene.told(), _counted(row, scene)
    row.begin(scene)
    try:
        _await(lambda: _missing(row, scene, before, counted), scene, row.seconds)
        await_cycles(scene, CYCLES)
        assert scene.replicas() == row.replicas
    finally:
        row.end(scene)
    await_conditions(scene, row.healed, seconds=row.seconds)
    if row.stage.has_target:
        assert scene.witness.least(scene.name) >= row.stage.replicas


def slug(name: str) -> str:
    """A row's name as an object may be called."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")


def await_conditions(scene: Scene, conditions: tuple[Is, ...], *, seconds: float) -> None:
    """Wait until the object has these conditions, the pods serving meanwhile."""

    def missing() -> list[str]:
        scene.serve()
        return [f"{each}, is {scene.condition(each.type)}" for each in conditions if not _is(scene, each)]

    _await(missing, scene, seconds)


def await_cycles(scene: Scene, count: int) -> None:
    """Wait until the leader has turned so often; one that stands still turns without a cycle."""

    def turns() -> float:
        return scene.operator.metric("foresail_cycle_duration_seconds_count") or 0.0

    if scene.operator.is_ready():
        begun = turns()
        wait_for(lambda: turns() >= begun + count, seconds=30, what=f"{count} cycles")


def _await(missing: Callable[[], list[str]], scene: Scene, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := missing():
        if time.monotonic() > deadline:
            pytest.fail(f"not seen within {seconds:.0f} s: {left}\n{scene.operator.log[-3000:]}")
        time.sleep(POLL_SECONDS)


def _missing(row: Row, scene: Scene, before: dict[tuple[str, str], int], counted: float) -> list[str]:
    """What is expected and not seen."""
    missing = [f"{each}, is {scene.condition(each.type)}" for each in row.conditions if not _is(scene, each)]
    value = scene.metric(row.metric.name, row.metric.labels, own=row.metric.own)
    if not row.metric.holds(value - counted if value is not None and row.metric.counts else value):
        missing.append(f"{row.metric}, is {value} after {counted}")
    new = {key[1] for key, count in scene.told().items() if count > before.get(key, 0)}
    warned = {key[1] for key, count in scene.told().items() if count > before.get(key, 0) and key[0] == "Warning"}
    if row.event is not None and row.event not in new:
        missing.append(f"event {row.event}, told are {new}")
    if row.event is None and warned:
        missing.append(f"no warning, told are {warned}")
    return missing


def _is(scene: Scene, condition: Is) -> bool:
    return scene.condition(condition.type) == condition


def _counted(row: Row, scene: Scene) -> float:
    if not row.metric.counts:
        return 0.0
    return scene.metric(row.metric.name, row.metric.labels, own=row.metric.own) or 0.0
