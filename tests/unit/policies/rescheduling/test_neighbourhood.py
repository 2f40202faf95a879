from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from foresail.policies.rescheduling.descent import descend
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard
from foresail.policies.rescheduling.neighbourhood import improve
from foresail.policies.rescheduling.pods import PodInstance
from tests.unit.policies.rescheduling.gpu_cases import raw_clusters, read_pods, recorded


def board_of(instance: PodInstance) -> PodBoard:
    return PodBoard(instance, ExpectedFragmentation(instance.mix))


def tries(count: int) -> Any:
    left = iter(range(count))
    return lambda: next(left, None) is not None


@settings(max_examples=30)
@given(raw=raw_clusters())
def test_nothing_gets_worse_nobody_pinned_moves_and_no_more_are_away(raw: dict[str, Any]) -> None:
    board = board_of(read_pods(raw))
    descend(board, 2)
    before = board.worth()

    improve(board, 2, np.random.default_rng(0), tries(10))

    away = board.host != board.origin
    assert board.worth() >= before - 1e-6
    assert away.sum() <= 2
    assert not (away & board.fixed).any()
    assert min(board.free.min(initial=0), board.cpu.min(initial=0), board.memory.min(initial=0)) >= 0


def test_steepest_descent_is_improved() -> None:
    board = board_of(recorded("openb-60-bestfit-0"))
    descend(board, 50)
    before = board.worth()

    found = improve(board, 50, np.random.default_rng(0), tries(60))

    assert found > 0
    assert board.worth() > before + 50


def test_a_board_that_is_put_back_is_as_it_was() -> None:
    instance = recorded("openb-60-bestfit-0")
    board = board_of(instance)
    descend(board, 5)
    before, kept = board.snapshot(), board.snapshot()

    descend(board, 5)
    board.restore(before)

    assert len(board.trail) == 5
    for now, then in zip(board.snapshot()[1], kept[1], strict=True):
        assert np.array_equal(now, then)


def test_the_same_seed_finds_the_same() -> None:
    instance, found = recorded("openb-60-random-0"), []
    for _ in range(2):
        board = board_of(instance)
        descend(board, 20)
        improve(board, 20, np.random.default_rng(7), tries(20))
        found.append([(move.pod, move.node, move.taken.tolist()) for move in board.away()])

    assert found[0] == found[1]


def test_a_pod_goes_home_when_there_is_room_and_not_else() -> None:
    board = board_of(recorded("openb-60-random-0"))
    (pod, _), *_ = descend(board, 1)
    assert board.home(pod)
    assert board.host[pod] == board.origin[pod]
    assert not board.home(pod)
    assert board.away() == []
    assert board.worth() == pytest.approx(board_of(board.instance).worth())
