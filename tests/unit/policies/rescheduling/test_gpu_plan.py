from __future__ import annotations

from collections import Counter
from itertools import count
from time import process_time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.gpu_plan import (
    PodPlan,
    fewest_moves,
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
PATIENT = Effort(lambda: 0.0, 1.0)


def ticking() -> Effort:
    """By a clock on which a search may ask two hundred times whether there is time."""
    return Effort(count(0.0, 0.005).__next__, 1.0)


def planned(instance: PodInstance, moves: int, limits: Limits = USUAL) -> PodPlan:
    return least_fragmentation(instance, moves, limits, ticking())


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

    plan = most_whole_nodes(instance, 50, USUAL, PATIENT)

    assert (plan.bound, plan.certified) == (10.0, True)
    assert len(plan.waves) == -(-len(plan.moves) // 5)


def test_the_bound_knows_that_some_pods_want_no_card() -> None:
    instance = recorded("openb-60-random-1")

    plan = least_fragmentation(instance, 60, USUAL, Effort(count(1.0).__next__, 0.0))  # no time to prove more

    assert plan.bound == pytest.approx(0.1335 * 80.96, rel=0.01)
    assert not plan.certified


@pytest.mark.parametrize(("name", "goal", "moves"), [("openb-60-bestfit-1", 0.42, 4), ("openb-60-random-1", 0.34, 5)])
def test_a_recorded_goal_is_reached_by_moves_that_are_proven_to_be_fewest(name: str, goal: float, moves: int) -> None:
    instance = recorded(name)
    free = float(instance.free_cards_milli.sum()) / 1000

    plan = fewest_moves(instance, 50, goal, USUAL, Effort(process_time, 20.0))

    assert (len(plan.moves), plan.bound, plan.certified, plan.reached) == (moves, float(moves), True, True)
    fewer = least_fragmentation(instance, moves - 1, USUAL, Effort(process_time, 2.0))
    assert fewer.bound is not None
    assert fewer.bound > goal * free


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


def three(cpu: list[int], asked: list[int], milli: list[int], nodes: list[int], type_milli: int) -> dict[str, Any]:
    """Pods of a card each on three nodes of one card, and what is expected: 4 CPU and so much of a card."""
    raw = swap()
    raw["nodes"] = {"id": [*"abc"], "cpu": cpu, "mem": [9] * 3, "gpu": [1] * 3, "model": [""] * 3}
    raw["pods"] = {"id": [*"pqr"], "cpu": asked, "mem": [1] * 3, "num_gpu": [1] * 3, "gpu_milli": milli}
    raw["pods"] |= {"node": nodes, "cards": [[0]] * 3}
    raw["types"] |= {"cpu": [4], "gpu_milli": [type_milli]}
    return raw


def test_a_circle_is_broken_by_one_that_goes_elsewhere_for_good() -> None:
    raw = three([7, 5, 9], [3, 2, 0], [600, 700, 400], [0, 1, 2], 1000)
    instance = read_pods(raw)
    board = PodBoard(instance, ExpectedFragmentation(instance.mix))
    wanted = [PodMove(0, 1, instance.held_milli[0]), PodMove(1, 0, instance.held_milli[1])]

    made = perform(board, wanted)

    assert [(move.pod, move.node) for move in made] == [(0, 2), (1, 0)]
    assert board.unordered == ()
    assert replay(raw | {"pods": raw["pods"] | {"spec": [""] * 3}}, made).fragmented() < fragmented_cards(instance)


@pytest.mark.parametrize(("most", "moves"), [(3, [(2, 1), (1, 0), (0, 1)]), (2, [])])
def test_a_circle_is_broken_by_another_that_makes_room_where_there_may_be_one_more_move(
    most: int, moves: list[tuple[int, int]]
) -> None:
    raw = three([8, 5, 4], [3, 3, 0], [500, 500, 500], [0, 1, 0], 500)
    instance = read_pods(raw)
    board = PodBoard(instance, ExpectedFragmentation(instance.mix))
    wanted = [PodMove(0, 1, instance.held_milli[0]), PodMove(1, 0, instance.held_milli[1])]

    assert [(move.pod, move.node) for move in perform(board, wanted, most)] == moves
    assert board.unordered == (() if moves else (0, 1))


@settings(max_examples=60)
@given(raw=raw_clusters(), data=st.data())
def test_whatever_is_wanted_what_is_made_is_possible_and_moves_nobody_twice(
    raw: dict[str, Any], data: st.DataObject
) -> None:
    instance = read_pods(raw)
    board = PodBoard(instance, ExpectedFragmentation(instance.mix))
    pods = data.draw(st.permutations(np.flatnonzero(~board.fixed).tolist()))[:4]
    held, node, kind = instance.held_milli, instance.pod_node, board.kind
    wanted = [
        PodMove(pod, int(node[other]), held[other])
        for pod, other in zip(pods, [*pods[1:], *pods[:1]], strict=True)
        if node[pod] != node[other]
        and sorted(held[pod]) == sorted(held[other])
        and board.shapes.allowed[kind[pod], node[other]]
    ]

    made = perform(board, wanted, 4)

    replay(raw, made)
    assert len({move.pod for move in made}) == len(made) <= 4
    assert {move.pod for move in wanted} - set(board.unordered) <= {move.pod for move in made}


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

    for plan in (planned(instance, moves), most_whole_nodes(instance, moves, USUAL, PATIENT)):
        assert (plan.moves, plan.waves, plan.certified) == ((), (), True)


def test_no_nodes_are_an_answer() -> None:
    raw: dict[str, Any] = {table: {column: [] for column in columns} for table, columns in swap().items()}
    raw["types"] = swap()["types"]

    assert planned(read_pods(raw), 3).certified
    assert in_waves(read_pods(raw), [], USUAL) == ()
