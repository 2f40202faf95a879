"""The runtime in real processes: it changes size while it serves, and a process that dies stops only the change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foresail.policies.moe.placement import Change, IntArray, members
from foresail.simulator.experts.child import Child
from foresail.simulator.experts.pages import missing
from foresail.simulator.experts.resize import Resize, ResizeError
from foresail.simulator.experts.restart import restart
from foresail.simulator.experts.runtime import Runtime
from foresail.simulator.experts.traffic import Traffic, failed, mismatched
from tests.conftest import wait_for
from tests.unit.simulator.moe_cases import SHAPE, SLOTS, change_to, placement_of, serving

REQUESTS_PER_SECOND = 150.0


def serve_more(traffic: Traffic, count: int = 20) -> None:
    """Wait until so many more requests were served."""
    already = len(traffic.served)
    wait_for(lambda: len(traffic.served) >= already + count, what="requests to be served")


def expect_all_served(runtime: Runtime, traffic: Traffic) -> None:
    assert failed(traffic.served) == 0
    assert mismatched(SHAPE, runtime.checkpoint, traffic.served) == 0


def test_it_grows_shrinks_and_spreads_anew_while_it_serves(tmp_path: Path) -> None:
    with serving(tmp_path, 2) as runtime:
        with Traffic(runtime, requests_per_second=REQUESTS_PER_SECOND) as traffic:
            serve_more(traffic)
            before = sum(runtime.used_bytes().values())
            runtime.stand_by(1, SLOTS)
            for keep, gpus, slots in (([0, 1], 3, SLOTS), ([0, -1, 1], 2, SLOTS), ([-1, 0], 2, SLOTS), ([0, 1], 2, 5)):
                change, placement = change_to(runtime, keep, gpus, slots=slots, seed=gpus + slots)
                found = Resize(runtime, change, placement).run()
                assert np.array_equal(members(placement_of(runtime), SHAPE.experts), members(placement, SHAPE.experts))
                assert found.bytes == found.copies * SHAPE.expert_bytes
                assert found.peak_extra_bytes <= SLOTS * SHAPE.expert_bytes
                assert list(missing(runtime.gpus, SHAPE.layers, SHAPE.experts)) == []
                held = sum(len(gpu.pages) for gpu in runtime.gpus)
                assert sum(runtime.used_bytes().values()) == held * SHAPE.expert_bytes
                serve_more(traffic)
            assert sum(runtime.used_bytes().values()) < before
            placement = placement_of(runtime)
            restart(runtime, placement)
            serve_more(traffic)
        expect_all_served(runtime, traffic)
        assert runtime.sessions_lost == SHAPE.sessions
        assert {one.epoch for one in traffic.served} == {0, 1}


def dying(phase: str, victims: Callable[[], list[Child]]) -> Callable[[str], None]:
    """Kill processes when a phase begins."""

    def at(name: str) -> None:
        for child in victims() if name == phase else []:
            child.process.kill()

    return at


VICTIMS: dict[str, Callable[[Runtime], list[Child]]] = {
    "join": lambda runtime: [runtime.standby_gpus[0].keeper],
    "commit": lambda runtime: [runtime.standby] if runtime.standby else [],
    "settle": lambda runtime: [gpu.keeper for gpu in runtime.gpus],
}


@pytest.mark.parametrize("phase", VICTIMS)
def test_growing_that_fails_leaves_the_old_serving(tmp_path: Path, phase: str) -> None:
    with serving(tmp_path, 2) as runtime:
        with Traffic(runtime, requests_per_second=REQUESTS_PER_SECOND) as traffic:
            serve_more(traffic)
            old = placement_of(runtime)
            runtime.stand_by(1, SLOTS)
            change, placement = change_to(runtime, [0, 1], 3, slots=SLOTS - 1)
            with pytest.raises(ResizeError) as stopped:
                Resize(runtime, change, placement).run(at=dying(phase, lambda: VICTIMS[phase](runtime)))
            assert stopped.value.phase == phase
            serve_more(traffic)
            if phase in ("join", "commit"):
                assert np.array_equal(placement_of(runtime), old)
            assert list(missing(runtime.gpus, SHAPE.layers, SHAPE.experts)) == []
        expect_all_served(runtime, traffic)


def test_after_a_failure_the_next_attempt_succeeds(tmp_path: Path) -> None:
    with serving(tmp_path, 2) as runtime, Traffic(runtime, requests_per_second=REQUESTS_PER_SECOND) as traffic:
        runtime.stand_by(1, SLOTS)
        change, placement = change_to(runtime, [0, 1], 3)
        first = Resize(runtime, change, placement)
        with pytest.raises(ResizeError):
            first.run(at=dying("join", lambda: VICTIMS["join"](runtime)))
        Resize(runtime, change, placement).run()
        assert len(runtime.gpus) == 3
        serve_more(traffic)
    assert failed(traffic.served) == 0


def test_a_leaving_gpu_that_dies_early_does_not_stop_shrinking(tmp_path: Path) -> None:
    with serving(tmp_path, 3) as runtime:
        with Traffic(runtime, requests_per_second=REQUESTS_PER_SECOND) as traffic:
            serve_more(traffic)
            change, placement = change_to(runtime, [0, 1, -1], 2)
            leaving = runtime.gpus[2]
            Resize(runtime, change, placement).run(at=dying("settle", lambda: [leaving.keeper]))
            serve_more(traffic)
            assert len(runtime.gpus) == 2
        expect_all_served(runtime, traffic)


def test_shrinking_stops_where_a_gpu_that_stays_has_died_and_all_serve_on(tmp_path: Path) -> None:
    with serving(tmp_path, 3) as runtime:
        with Traffic(runtime, requests_per_second=REQUESTS_PER_SECOND) as traffic:
            serve_more(traffic)
            change, placement = change_to(runtime, [0, 1, -1], 2, seed=3)
            staying = [gpu.keeper for gpu in runtime.gpus[:2]]
            with pytest.raises(ResizeError, match="settle"):
                Resize(runtime, change, placement).run(at=dying("settle", lambda: staying))
            serve_more(traffic)
            assert len(runtime.gpus) == 3
        expect_all_served(runtime, traffic)


@pytest.mark.parametrize(
    ("keep", "gpus", "phase"), [([0, 1], 3, "join"), ([0, 1], 3, "settle"), ([0, -1], 1, "commit")]
)
def test_what_serves_may_die_in_any_phase_and_nothing_is_lost(
    tmp_path: Path, keep: list[int], gpus: int, phase: str
) -> None:
    with serving(tmp_path, 2, slots=8) as runtime:
        with Traffic(runtime, requests_per_second=REQUESTS_PER_SECOND) as traffic:
            serve_more(traffic)
            runtime.stand_by(max(gpus - 2, 0), 8)
            change, placement = change_to(runtime, keep, gpus, slots=8)
            active = runtime.active
            Resize(runtime, change, placement).run(at=dying(phase, lambda: [runtime.active] if runtime.active else []))
            serve_more(traffic)
            assert runtime.active is not active
            assert runtime.replaced == 1 or phase != "settle"  # before, the commit may come first
            assert np.array_equal(members(placement_of(runtime, 8), SHAPE.experts), members(placement, SHAPE.experts))
        expect_all_served(runtime, traffic)
        assert runtime.sessions_lost == 0


def test_what_serves_may_die_at_any_time(tmp_path: Path) -> None:
    with serving(tmp_path, 2) as runtime:
        with Traffic(runtime, requests_per_second=REQUESTS_PER_SECOND) as traffic:
            serve_more(traffic)
            assert runtime.active is not None
            runtime.active.process.kill()
            serve_more(traffic)
        expect_all_served(runtime, traffic)
        assert (runtime.replaced, runtime.sessions_lost) == (1, 0)


@pytest.mark.parametrize("sources", [1, 2])
def test_a_source_that_dies_is_stood_in_for_by_another_or_by_storage(tmp_path: Path, sources: int) -> None:
    with serving(tmp_path, 2) as runtime:
        with Traffic(runtime, requests_per_second=REQUESTS_PER_SECOND) as traffic:
            serve_more(traffic)
            runtime.stand_by(1, SLOTS)
            change, placement = joining_only(runtime)
            dead = [gpu.keeper for gpu in runtime.gpus[:sources]]
            found = Resize(runtime, change, placement).run(at=dying("join", lambda: dead))
            serve_more(traffic)
            assert len(runtime.gpus) == 3
            assert found.copies == SHAPE.layers * SLOTS
        expect_all_served(runtime, traffic)


def joining_only(runtime: Runtime) -> tuple[Change, IntArray]:
    """A change in which the GPUs that stay keep all that they have, so that none of them has to do anything."""
    now = placement_of(runtime)
    placement = np.concatenate([now, np.broadcast_to(np.arange(SLOTS), (SHAPE.layers, 1, SLOTS))], axis=1)
    return Change(np.ones((SHAPE.layers, SHAPE.experts)), now, np.arange(2), 3, SLOTS), placement
