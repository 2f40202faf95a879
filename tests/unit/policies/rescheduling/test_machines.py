"""Plans for virtual machines: laws, tiny clusters against every plan there is, and what contradicts itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, product
from time import process_time
from typing import Any

import numpy as np
import pytest

from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.machines.board import Board, Step
from foresail.policies.rescheduling.machines.cluster import Machines, Slot
from foresail.policies.rescheduling.machines.greedy import descend
from foresail.policies.rescheduling.machines.plan import best_moves, contradiction, fewest_moves
from foresail.policies.rescheduling.machines.search import search
from foresail.policies.rescheduling.machines.task import Task
from foresail.policies.rescheduling.waves import Flow, Limits, least_waves, pack

PATIENT = Effort(lambda: 0.0, 5.0)  # a clock that stands still: nothing is cut short


def cluster(seed: int, machines: int = 3, vms: int = 7, **changes: Any) -> Machines:
    """A small cluster on which everything fits: slots of 4, NUMA nodes of 8 CPU and 12 memory."""
    rng = np.random.default_rng(seed)
    cpu, memory = np.full((machines, 2), 8), np.full((machines, 2), 12)
    rows: list[tuple[int, int, bool, int, int]] = []
    while len(rows) < vms:
        double, half = bool(rng.random() < 0.25), int(rng.integers(1, 4))
        size, taken = (2 * half, 2 * half) if double else (half, half + int(rng.integers(0, 2)))
        machine, node = int(rng.integers(machines)), -1 if double else int(rng.integers(2))
        nodes, parts = ([0, 1], 2) if double else ([node], 1)
        cpu[machine, nodes] -= size // parts
        memory[machine, nodes] -= taken // parts
        if min(cpu.min(), memory.min()) < 0:
            cpu[machine, nodes] += size // parts
            memory[machine, nodes] += taken // parts
            continue
        rows.append((size, taken, double, machine, node))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    made = Machines(
        (Slot(4),),
        np.full((machines, 2), 8),
        np.full((machines, 2), 12),
        columns[0],
        columns[1],
        columns[2].astype(bool),
        columns[3],
        columns[4],
        np.ones(vms, bool),
    )
    return replace(made, **changes)


def best_by_trying(made: Machines, moves: int, price: float = 0.0) -> float:
    """The most that any sequence of moves of different VMs is worth."""

    def look(board: Board, left: int, moved: frozenset[int]) -> float:
        best = board.worth() - price * len(board.steps)
        if not left:
            return best
        for vm, machine, node in product(range(len(made.vm_cpu)), range(len(made.cpu)), (-1, 0, 1)):
            fits = vm not in moved and made.movable[vm] and (node < 0) == made.double[vm]
            if fits and board.fits(vm, machine, node):
                best = max(best, look(after(made, [*board.steps, Step(vm, machine, node)]), left - 1, moved | {vm}))
        return best

    return look(Board(made), moves, frozenset())


def after(made: Machines, steps: Any) -> Board:
    """The cluster after steps, each of which must fit when it is made."""
    board = Board(made)
    for step in steps:
        assert board.fits(*step)
        board.move(step)
    return board


@pytest.mark.parametrize("seed", range(8))
def test_two_moves_leave_as_many_slots_as_any_two_moves_could(seed: int) -> None:
    made = cluster(seed)
    plan = best_moves(Task(made, 2), Limits(), PATIENT)
    best = best_by_trying(made, 2)
    assert plan.bound is not None
    assert plan.bound >= best
    found = after(made, plan.steps).worth()
    assert found >= best - 1
    if plan.certified:
        assert found == best


@pytest.mark.parametrize("seed", range(4))
def test_what_may_not_meet_and_what_is_pinned_narrow_the_choice_and_keep_the_bound(seed: int) -> None:
    movable = np.array([True, True, False, True, True, True, False])
    made = cluster(seed, movable=movable)
    apart = next(
        group for group in ((0, 1), (0, 3), (1, 3), (0, 4)) if made.machine[group[0]] != made.machine[group[1]]
    )
    made = replace(made, apart=(apart,))
    plan = best_moves(Task(made, 2), Limits(), PATIENT)
    assert all(movable[step.vm] for step in plan.steps)
    assert best_by_trying(made, 2) <= (plan.bound or 0.0)
    board = after(made, plan.steps)
    assert board.machine[apart[0]] != board.machine[apart[1]]


def test_more_moves_never_hurt_and_the_bound_is_above_all_of_them() -> None:
    made = cluster(3, machines=20, vms=70)
    plans = [search(Task(made, moves), PATIENT) for moves in (0, 2, 4, 8, 16)]
    slots = [plan.worth for plan in plans]
    assert slots == sorted(slots)
    assert all(plan.worth <= plan.bound for plan in plans)
    assert [plan.bound for plan in plans] == sorted(plan.bound for plan in plans)
    greedy = [descend(Board(made), moves).worth() for moves in (0, 2, 4, 8, 16)]
    assert all(mine >= theirs for mine, theirs in zip(slots, greedy, strict=True))


def test_names_of_vms_and_machines_change_nothing() -> None:
    made = cluster(5, machines=12, vms=40)
    order, rows = np.random.default_rng(1).permutation(40), np.random.default_rng(2).permutation(12)
    place = np.argsort(rows)
    mixed = Machines(
        made.slots,
        made.cpu[rows],
        made.memory[rows],
        made.vm_cpu[order],
        made.vm_memory[order],
        made.double[order],
        place[made.machine[order]],
        made.node[order],
        made.movable[order],
    )
    one, other = (search(Task(which, 6), PATIENT) for which in (made, mixed))
    assert one.worth == other.worth
    assert one.bound == pytest.approx(other.bound, abs=0.02)


def test_no_time_is_an_answer_too() -> None:
    made = cluster(3, machines=20, vms=70)
    hours = count(0.0, 3600.0)
    plan = best_moves(Task(made, 8), Limits(), Effort(lambda: next(hours), 0.001))
    assert after(made, plan.steps).worth() >= descend(Board(made), 8).worth()
    assert plan.bound is not None
    assert plan.bound >= after(made, plan.steps).worth()


@pytest.mark.parametrize("seed", range(6))
def test_no_fewer_moves_reach_a_goal(seed: int) -> None:
    made = cluster(seed)
    free = int(made.free_cpu.sum())
    wanted = best_by_trying(made, 2)
    plan = fewest_moves(made, 6, 1.0 - 4 * wanted / free, Limits(), PATIENT)
    assert plan.reached
    assert after(made, plan.steps).worth() >= wanted
    fewest = next(moves for moves in range(3) if best_by_trying(made, moves) >= wanted)
    assert fewest <= len(plan.steps) <= fewest + 1
    assert plan.bound is not None
    assert plan.bound <= fewest
    if plan.certified:
        assert len(plan.steps) == fewest


@pytest.mark.parametrize("goal", [0.3, 0.5, 0.99])
def test_without_time_a_plan_ends_with_the_move_that_reaches_the_goal(goal: float) -> None:
    made = cluster(3, machines=20, vms=70)
    hours = count(0.0, 3600.0)
    plan = fewest_moves(made, 8, goal, Limits(), Effort(lambda: next(hours), 0.001))
    wanted = (1.0 - goal) * int(made.free_cpu.sum()) / 4
    assert plan.reached
    assert after(made, plan.steps).worth() >= wanted
    assert all(after(made, plan.steps[:few]).worth() < wanted for few in range(len(plan.steps)))


def test_a_goal_that_is_out_of_reach_is_said_with_the_best_plan() -> None:
    made = cluster(1)
    plan = fewest_moves(made, 1, 0.0, Limits(), PATIENT)
    assert plan.reached == (best_by_trying(made, 1) * 4 == int(made.free_cpu.sum()))


def test_what_contradicts_itself_is_named() -> None:
    made = cluster(0)
    names = tuple("abc"), tuple(f"v{place}" for place in range(7))
    assert contradiction(made, *names) is None
    told = contradiction(replace(made, vm_cpu=made.vm_cpu + 8), *names)
    assert told is not None
    assert "over-committed" in told
    pair = next((one, two) for one in range(7) for two in range(one) if made.machine[one] == made.machine[two])
    told = contradiction(replace(made, apart=(pair,)), *names)
    assert told is not None
    assert all(f"v{vm}" in told for vm in pair)


def flow(unit: int, source: int, to: int, size: int = 1) -> Flow:
    return Flow(unit, source, to, np.array([size]), np.array([size]))


def test_waves_hold_all_destinations_before_a_source_is_given_up() -> None:
    free = np.array([[0], [1], [0]])
    flows = [flow(0, 0, 1), flow(1, 2, 0)]  # the second fits only when the first has gone
    assert pack(free, flows, Limits()) == [[0], [1]]
    assert pack(np.array([[1], [1], [0]]), flows, Limits()) == [[0, 1]]


def test_waves_keep_their_limits() -> None:
    flows = [flow(unit, unit % 2, 2 + unit % 3) for unit in range(12)]
    limits = Limits(parallel=4, into=2, out=2)
    waves = pack(np.full((5, 1), 100), flows, limits)
    assert sorted(place for wave in waves for place in wave) == list(range(12))
    for wave in waves:
        assert len(wave) <= 4
        for node in range(5):
            assert sum(flows[place].source == node for place in wave) <= 2
            assert sum(flows[place].to == node for place in wave) <= 2
    assert len(waves) == least_waves(flows, limits) == 3


def test_waves_keep_apart_what_may_not_meet_on_the_way() -> None:
    flows = [flow(0, 0, 1), flow(1, 2, 0)]  # 1 comes to where 0 still is
    free, near = np.full((3, 1), 9), {0: {1}, 1: {0}}
    assert pack(free, flows, Limits(), homes=[0, 2], neighbors=near) == [[0], [1]]
    assert pack(free, flows, Limits()) == [[0, 1]]


def test_cpu_in_fine_units_is_planned_too_with_a_bound_that_holds() -> None:
    """Thousandths of a core, one VM of an odd size: too many amounts to price, not too many to move."""
    made = cluster(1, machines=6, vms=14)
    fine = replace(made, slots=(Slot(4000),), cpu=made.cpu * 1000, vm_cpu=made.vm_cpu * 1000 - (np.arange(14) == 0) * 2)
    found, coarse = (search(Task(which, 5), Effort(process_time, 2.0)) for which in (fine, made))
    assert found.worth > fine.start
    assert coarse.worth <= found.bound <= fine.free_cpu.sum() / fine.worth_cpu  # nearly the same cluster
