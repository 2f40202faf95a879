from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings

from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.gpu_plan import (
    PodPlan,
    fragmented_cards,
    in_waves,
    least_fragmentation,
    most_whole_nodes,
)
from foresail.policies.rescheduling.gpu_realise import perform
from foresail.policies.rescheduling.pods import PodInstance
from foresail.policies.rescheduling.waves import Limits
from tests.unit.policies.rescheduling.gpu_cases import State, raw_clusters, read_pods, recorded, replay

USUAL = Limits()


def planned(instance: PodInstance, moves: int, limits: Limits = USUAL) -> PodPlan:
    return least_fragmentation(instance, moves, limits, count(0.0, 0.005).__next__, 1.0)


def expect_waves(raw: dict[str, Any], plan: PodPlan, limits: Limits) -> None:
    """In a wave all destinations are held before any source is given up, within the limits."""
    state, homes = State(raw), list(raw["pods"]["node"])
    assert sorted(place for wave in plan.waves for place in wave) == list(range(len(plan.moves)))
    for wave in plan.waves:
        moves = [plan.moves[place] for place in wave]
        assert len(moves) <= limits.parallel
        assert max(Counter(move.node for move in moves).values()) <= limits.into
        assert max(Counter(homes[move.pod] for move in moves).values()) <= limits.out
        taken = [[card for card, milli in enumerate(move.taken.tolist()) if milli] for move in moves]
        for move, cards in zip(moves, taken, strict=True):
            assert state.may_go(move.pod, move.node, cards)
            state.take(move.node, state.shape(move.pod), cards, 1)
        for move, cards in zip(moves, taken, strict=True):
            node, held = state.where[move.pod]
            state.take(node, state.shape(move.pod), held, -1)
            state.where[move.pod] = (move.node, cards)


@settings(max_examples=40)
@given(raw=raw_clusters())
def test_a_plan_is_valid_in_its_order_and_in_its_waves(raw: dict[str, Any]) -> None:
    instance, limits = read_pods(raw), Limits(parallel=2, into=1, out=1)

    plan = planned(instance, 3, limits)

    after = replay(raw, plan.moves).fragmented()
    assert plan.bound is not None
    assert plan.bound <= after + 1e-6 <= fragmented_cards(instance) + 2e-6
    assert not plan.certified or after == pytest.approx(plan.bound, abs=1e-6)
    expect_waves(raw, plan, limits)


def test_a_recorded_plan_has_as_few_waves_as_there_can_be() -> None:
    instance = recorded("openb-60-random-0")

    plan = most_whole_nodes(instance, 50, USUAL, lambda: 0.0, 1.0)

    assert (plan.bound, plan.certified) == (10.0, True)
    assert len(plan.waves) == -(-len(plan.moves) // 5)


def test_the_bound_knows_that_some_pods_want_no_card() -> None:
    instance = recorded("openb-60-random-1")

    plan = least_fragmentation(instance, 60, USUAL, iter(range(10**6)).__next__, 0.0)  # no time to prove more

    assert plan.bound == pytest.approx(0.1335 * 80.96, rel=0.01)
    assert not plan.certified


def swap() -> dict[str, Any]:
    """Two pods that would have to change places at once."""
    return {
        "nodes": {"id": ["a", "b"], "cpu": [9, 9], "mem": [9, 9], "gpu": [1, 1], "model": ["", ""]},
        "pods": {
            "id": ["p", "q"],
            "cpu": [1, 2],
            "mem": [1, 1],
            "num_gpu": [1, 1],
            "gpu_milli": [600, 600],
            "node": [0, 1],
            "cards": [[0], [0]],
        },
        "types": {"cpu": [8], "mem": [1], "num_gpu": [1], "gpu_milli": [400], "share": [1.0]},
    }


def test_what_would_have_to_move_at_once_is_not_moved() -> None:
    instance = read_pods(swap())
    board = PodBoard(instance, ExpectedFragmentation(instance.mix))
    wanted = [PodMove(0, 1, instance.held_milli[1]), PodMove(1, 0, instance.held_milli[0])]

    assert perform(board, wanted) == []
    assert board.unordered == (0, 1)
    assert planned(instance, 2).moves == ()


def test_what_would_have_gained_and_has_no_order_is_named() -> None:
    raw = swap()
    raw["nodes"]["cpu"], raw["pods"]["cpu"], raw["types"]["cpu"] = [5, 9], [2, 1], [4]  # a fits one more beside q

    plan = planned(read_pods(raw), 2)

    assert (plan.moves, plan.certified, plan.unordered) == ((), False, (0, 1))
    assert planned(read_pods(raw), 0).unordered == ()


@pytest.mark.parametrize("moves", [0, 3])
def test_all_pinned_or_nothing_allowed_is_an_answer(moves: int) -> None:
    raw = swap()
    raw["pods"]["movable"] = [moves == 0] * 2
    instance = read_pods(raw)

    for plan in (planned(instance, moves), most_whole_nodes(instance, moves, USUAL, lambda: 0.0, 1.0)):
        assert (plan.moves, plan.waves, plan.certified) == ((), (), True)


def test_no_nodes_are_an_answer() -> None:
    raw: dict[str, Any] = {table: {column: [] for column in columns} for table, columns in swap().items()}
    raw["types"] = swap()["types"]

    assert planned(read_pods(raw), 3).certified
    assert in_waves(read_pods(raw), [], USUAL) == ()
