"""Plans for virtual machines that are taken back in part and made anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from foresail.policies.rescheduling.machines.board import Board
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.greedy import descend
from foresail.policies.rescheduling.machines.roaming import RoamingBoard, carried_out, improved
from tests.unit.policies.rescheduling.test_machines import after, cluster


def tries(count: int) -> Callable[[], bool]:
    left = iter(range(count))
    return lambda: next(left, None) is not None


def possible(board: RoamingBoard) -> list[tuple[int, int]]:
    vms, places = np.nonzero(board.arriving[board.kind] > -np.inf)
    return [(vm, place) for vm, place in zip(vms.tolist(), places.tolist(), strict=True) if elsewhere(board, vm, place)]


def elsewhere(board: RoamingBoard, vm: int, place: int) -> bool:
    return bool(board.place_host[place] not in (board.host[vm], board.origin[vm]))


def value(made: Machines, free: np.ndarray) -> float:
    [slot] = made.slots
    return float((free // slot.cpu + 0.3 * (free % slot.cpu / slot.cpu) ** 2).sum())


@pytest.mark.parametrize("seed", range(4))
def test_what_a_move_gains_is_what_leaving_and_arriving_say(seed: int) -> None:
    made, rng = cluster(seed, machines=8, vms=25), np.random.default_rng(seed)
    board = RoamingBoard(made)
    for _ in range(20):
        moves = possible(board)
        vm, place = moves[int(rng.integers(len(moves)))]
        before = value(made, board.cpu)
        said = board.leaving[vm] + board.arriving[board.kind[vm], place]
        board.move(vm, place)
        assert value(made, board.cpu) - before == pytest.approx(said)
        assert min(board.cpu.min(), board.memory.min()) >= 0


@pytest.mark.parametrize("seed", range(4))
def test_where_there_is_room_is_where_a_plan_may_move_to(seed: int) -> None:
    made = cluster(seed, machines=8, vms=25)
    board, plain = RoamingBoard(made), Board(made)
    expected = {
        (vm, 3 * machine + where)
        for vm in range(25)
        for machine in range(8)
        for where in ((2,) if made.double[vm] else (0, 1))
        if plain.fits(vm, machine, -1 if where == 2 else where)
    }
    assert set(possible(board)) == expected


def test_it_is_put_back_to_how_it_stood_and_sent_home_to_how_it_began() -> None:
    made, rng = cluster(2, machines=8, vms=25), np.random.default_rng(0)
    board, fresh = RoamingBoard(made), RoamingBoard(made)
    for turn in range(6):
        moves = possible(board)
        before, worth = board.snapshot(), board.worth()
        board.move(*moves[int(rng.integers(len(moves)))])
        if turn % 2:
            board.restore(before)
            assert board.worth() == worth
    while any(board.home(step.vm) for step in board.away()):
        pass
    assert not board.away()
    assert (board.arriving == fresh.arriving).all()
    assert board.leaving == pytest.approx(fresh.leaving)


@pytest.mark.parametrize("seed", range(4))
def test_an_improved_plan_can_be_carried_out_and_has_no_more_moves(seed: int) -> None:
    made = cluster(seed, machines=20, vms=70, movable=np.arange(70) % 5 > 0)
    greedy = descend(Board(made), 6)
    better = improved(greedy, 6, np.random.default_rng(seed), tries(60))
    assert after(made, better.steps).worth() == better.worth()
    assert len(better.steps) <= 6
    assert len({step.vm for step in better.steps}) == len(better.steps)
    assert all(made.movable[step.vm] for step in better.steps)


def test_it_finds_what_single_moves_do_not() -> None:
    gained = 0
    for seed in range(4):
        made = cluster(seed, machines=20, vms=70)
        greedy = descend(Board(made), 8)
        gained += improved(greedy, 8, np.random.default_rng(0), tries(100)).worth() - greedy.worth()
    assert gained > 0


def test_who_must_be_apart_stays_where_the_plan_has_it() -> None:
    made = cluster(3, machines=20, vms=70)
    mover = descend(Board(made), 6).steps[0].vm
    other = next(vm for vm in range(70) if made.machine[vm] != made.machine[mover])
    made = replace(made, apart=((mover, other),))
    start = descend(Board(made), 6)
    better = improved(start, 6, np.random.default_rng(0), tries(60))
    for vm in (mover, other):
        assert [step for step in better.steps if step.vm == vm] == [step for step in start.steps if step.vm == vm]


def test_what_never_fits_is_left_out() -> None:
    made = cluster(1, machines=8, vms=25)
    full = replace(made, memory=made.memory - made.free_memory)
    assert carried_out(full, descend(Board(made), 5).steps).steps == []
