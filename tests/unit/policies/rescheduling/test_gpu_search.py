from __future__ import annotations

from time import process_time

import pytest

from foresail.policies.rescheduling.descent import descend
from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.gpu_search import Aim, Found, search
from foresail.policies.rescheduling.pods import PodInstance
from tests.unit.policies.rescheduling.gpu_cases import recorded


def found_and_descended(instance: PodInstance, moves: int, seconds: float) -> tuple[Found, float]:
    measure = ExpectedFragmentation(instance.mix)
    board = PodBoard(instance, measure)
    before = board.worth()
    descend(board, moves)
    return search(instance, measure, Aim(moves), Effort(process_time, seconds)), board.worth() - before


def gain_of(instance: PodInstance, moves: tuple[PodMove, ...]) -> float:
    board = PodBoard(instance, ExpectedFragmentation(instance.mix))
    before = board.worth()
    for move in moves:
        assert board.fits(move.pod, move.node, move.taken)
        assert board.shapes.allowed[board.kind[move.pod], move.node]
        board.put(move.pod, move.node, move.taken)
    return board.worth() - before


def test_fifty_moves_take_away_a_quarter_and_are_proven_to_be_next_to_the_best() -> None:
    instance = recorded("openb-300-bestfit-0")

    found, descended = found_and_descended(instance, 50, 60.0)

    assert len(found.moves) <= 50
    assert gain_of(instance, found.moves) == pytest.approx(found.gain)
    assert found.gain >= 0.25 * 178_800
    assert found.gain > descended + 200
    assert found.gain <= found.most(50) <= found.gain + 100


def test_where_moves_abound_it_is_far_better_than_steepest_descent() -> None:
    instance = recorded("openb-60-random-1")

    found, descended = found_and_descended(instance, 50, 2.5)

    assert gain_of(instance, found.moves) == pytest.approx(found.gain)
    assert found.gain > 1.08 * descended


def test_without_time_there_is_an_answer() -> None:
    instance = recorded("openb-60-random-1")

    found, _ = found_and_descended(instance, 50, 0.0)

    assert found.gain >= 0.0
    assert gain_of(instance, found.moves) == pytest.approx(found.gain)


@pytest.mark.parametrize("moves", [0, 1])
def test_none_or_one_move(moves: int) -> None:
    instance = recorded("openb-60-bestfit-1")

    found, descended = found_and_descended(instance, moves, 10.0)

    assert len(found.moves) == moves
    assert found.gain == pytest.approx(descended)
    assert found.most(moves) == pytest.approx(found.gain, abs=1.0 * 60)
