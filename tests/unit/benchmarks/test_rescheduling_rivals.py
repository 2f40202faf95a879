"""The rivals of rescheduling: what they make is safe by replay, and as good as they are meant to be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.rescheduling.cluster import Cluster
from benchmarks.rescheduling.compact import solve_compact
from benchmarks.rescheduling.descent import Descent
from benchmarks.rescheduling.descheduler import high_node_utilization
from benchmarks.rescheduling.heuristic import filter_and_score
from benchmarks.rescheduling.instances import gpus, machines, recorded
from benchmarks.rescheduling.living import Living
from benchmarks.rescheduling.packing import first_fit, least_waves
from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.verification.claim import Claim, Move
from foresail.cli.rescheduling.verification.fault import Kind
from foresail.cli.rescheduling.verification.replay import Limits
from foresail.cli.rescheduling.verification.verify import Verdict, verify

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "golden" / "rescheduling"


def replayed(instance: Instance, moves: Sequence[Move], waves: tuple[tuple[int, ...], ...] | None = None) -> Verdict:
    return verify(instance, Claim(tuple(moves), waves, {}, {}, "", None, None), Limits(100, 100, 100))


def small(kind: str = "high", seed: int = 0) -> VmInstance:
    return machines(kind, seed, size="small")


@pytest.mark.parametrize("kind", ["high", "apart"])
def test_the_heuristic_gains_with_every_move_and_is_safe(kind: str) -> None:
    instance = machines(kind, 0)
    rates = [filter_and_score(instance, moves).fragment_rate() for moves in range(0, 40, 8)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.75 * rates[0]
    cluster = filter_and_score(instance, 40)
    found = replayed(instance, cluster.moves)
    assert {fault.kind for fault in found.faults} <= {Kind.TWICE}  # it knows nothing of moving a VM once only
    assert found.after == {"fragment_rate": cluster.fragment_rate(), "free_slots": cluster.slots()}


@pytest.mark.parametrize("name", ["medium-H-0", "medium-M-0", "medium-aff-0", "xl-c1-0"])
def test_the_heuristic_is_the_recorded_one(name: str) -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"no recorded instances beside the checkout ({FOLDER}): nothing was compared")
    [(_, instance)] = recorded(FOLDER, (name,))
    limits = json.loads((FOLDER / "expected.json").read_text())[name]["limits"]
    for moves, expected in limits.items():
        rate = filter_and_score(instance, int(moves)).fragment_rate()
        assert round(rate, 4) == expected["filter_and_score_heuristic_fragment_rate"]


def test_the_descheduler_empties_what_is_little_used_and_nothing_else() -> None:
    instance = machines("high", 0)
    before = Cluster(instance)
    after = high_node_utilization(instance, 50, threshold=0.5)
    assert after.empty() > before.empty()
    assert not replayed(instance, after.moves).faults
    used = 1.0 - before.cpu.sum(axis=1) / instance.machine_cpu.sum(axis=1)
    sources = {int(instance.machine[instance.vms.index(move.unit)]) for move in after.moves}
    assert all(used[source] < 0.5 for source in sources)
    assert not high_node_utilization(instance, 0, threshold=0.5).moves


def test_the_compact_program_bounds_every_plan_and_reaches_what_the_heuristic_does() -> None:
    instance = machines("high", 0, size="small")
    for moves in (0, 3):
        heuristic = filter_and_score(instance, moves)
        found = solve_compact(instance, moves, 20.0)
        assert found.proven
        assert found.slots is not None
        assert found.slots >= heuristic.slots()
        assert found.bound >= found.slots - 1e-6
    assert solve_compact(instance, 0, 5.0).slots == Cluster(instance).slots()


def test_the_compact_program_leaves_what_is_pinned() -> None:
    instance = small()
    pinned = VmInstance(
        **{name: getattr(instance, name) for name in instance.__slots__ if name != "movable"},
        movable=np.zeros(len(instance.vms), bool),
    )
    assert solve_compact(pinned, 20, 10.0).slots == Cluster(instance).slots()


def test_descent_takes_the_best_move_each_time_and_counts_as_the_verifier_does() -> None:
    instance = gpus("small", 0, scatter=1.0, bound=0.3)
    descent = Descent(instance)
    values = [descent.fragmented_gpus()]
    for moves in (1, 2, 10):
        descent.run(moves)
        values.append(descent.fragmented_gpus())
    assert values == sorted(values, reverse=True)
    gains = -np.diff(values)
    assert gains[0] >= gains[1] > 0.0
    found = replayed(instance, descent.moves)
    assert {fault.kind for fault in found.faults} <= {Kind.TWICE}
    assert found.before["fragmented_gpus"] == pytest.approx(values[0], abs=1e-9)
    assert found.after["fragmented_gpus"] == pytest.approx(values[-1], abs=1e-9)


def test_descent_finds_the_best_single_move_of_all() -> None:
    instance = gpus("small", 1, scatter=1.0)
    descent = Descent(instance)
    before = descent.fragmented_gpus()
    descent.run(1)
    gained = before - descent.fragmented_gpus()
    rng = np.random.default_rng(0)
    for _ in range(60):
        pod, node = int(rng.integers(len(instance.pods))), int(rng.integers(len(instance.nodes)))
        cards = tuple(range(int(instance.asks.gpus[pod])))
        found = replayed(instance, [Move(instance.pods[pod], instance.nodes[node], cards=cards)])
        if not found.faults:
            assert before - found.after["fragmented_gpus"] <= gained + 1e-9


def test_packings_need_as_many_waves_as_the_lower_bound_at_least() -> None:
    instance, limits = machines("high", 0), Limits()
    moves = filter_and_score(instance, 20).moves
    least, packed = least_waves(instance, moves, limits), first_fit(instance, moves, limits, 0)
    assert packed is not None
    assert 4 <= least <= packed  # 20 moves, five at a time
    assert least_waves(instance, [], limits) == 0
    assert first_fit(instance, [], limits, 0) == 0


def test_a_machine_that_many_leave_needs_a_wave_for_each_two() -> None:
    instance = small()
    on = np.flatnonzero(instance.machine == instance.machine[0])[:5].tolist()
    moves = [Move(instance.vms[vm], "somewhere", 0) for vm in on]
    assert least_waves(instance, moves, Limits(100, 100, 2)) == -(-len(on) // 2)
    assert least_waves(instance, moves, Limits(100, 2, 100)) == -(-len(on) // 2)


def test_a_cluster_lives_and_never_holds_more_than_it_has() -> None:
    instance = small()
    living = Living(instance, np.random.default_rng(0))
    assert living.fragment_rate() == Cluster(instance).fragment_rate()
    for _ in range(20):
        living.pass_time(45.0, 40.0)
        now = living.instance()
        assert not replayed(now, []).faults
    assert not set(now.vms) <= set(instance.vms)
    assert len(now.vms) == pytest.approx(len(instance.vms), abs=25)


def test_only_moves_that_still_fit_are_made() -> None:
    instance = machines("high", 0)
    moves = filter_and_score(instance, 5).moves
    living = Living(instance, np.random.default_rng(0))
    assert living.run([Move("gone", instance.machines[0], 0)]) == []
    assert living.run(moves) == [move.unit for move in moves]
    after = replayed(instance, moves).after["fragment_rate"]
    assert living.fragment_rate() == pytest.approx(after)
