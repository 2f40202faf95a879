"""An extra step that makes room for VMs that wait for one another's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foresail.policies.rescheduling.machines.aside import room_maker
from foresail.policies.rescheduling.machines.board import Board
from foresail.policies.rescheduling.machines.cluster import Machines, Slot
from tests.unit.policies.rescheduling.test_machines import cluster


def crowded() -> Machines:
    """Two machines are full, and a third has room for the smaller of those on the second."""
    none = np.zeros(5, np.int64)
    return Machines(
        slots=(Slot(4),),
        cpu=np.array([[6, 0], [6, 0], [4, 0]]),
        memory=np.full((3, 2), 99),
        vm_cpu=np.array([5, 4, 2, 1, 2]),
        vm_memory=none,
        double=none.astype(bool),
        machine=np.array([0, 1, 1, 0, 2]),
        node=none,
        movable=np.ones(5, bool),
    )


def shape(made: Machines, vm: int) -> int:
    return int(made.shapes[1][vm])


def test_one_beside_goes_where_there_is_room() -> None:
    made = crowded()
    step = room_maker(Board(made), {shape(made, 3): [3]}, {shape(made, 3): [(1, 0)]})
    assert step is not None
    assert (step.vm, step.machine) == (2, 2)


def test_room_that_is_kept_for_others_is_not_taken() -> None:
    made = crowded()
    comers = {shape(made, 3): [(1, 0), (2, 0)]}
    assert room_maker(Board(made), {shape(made, 3): [3]}, comers) is None


def test_who_may_not_move_makes_no_room() -> None:
    made = replace(crowded(), movable=np.array([True, True, False, True, True]))
    assert room_maker(Board(made), {shape(made, 3): [3]}, {shape(made, 3): [(1, 0)]}) is None


@given(seed=st.integers(0, 10**6), vm=st.integers(0, 24), machine=st.integers(0, 7))
def test_nothing_is_lost_and_the_one_that_waits_fits_afterwards(seed: int, vm: int, machine: int) -> None:
    made = cluster(seed, machines=8, vms=25)
    board = Board(made)
    place = (machine, -1 if made.double[vm] else seed % 2)
    if machine == made.machine[vm] or board.fits(vm, *place):
        return
    step = room_maker(board, {shape(made, vm): [vm]}, {shape(made, vm): [place]})
    if step is None:
        return
    before = board.worth()
    assert step.vm != vm
    assert board.fits(*step)
    board.move(step)
    assert board.fits(vm, *place)
    assert board.worth() >= before
