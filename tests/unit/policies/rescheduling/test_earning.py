from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.earning import earning
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.gpu_realise import flows, resources, worth
from foresail.policies.rescheduling.waves import Flow
from tests.unit.policies.rescheduling.gpu_cases import State, raw_clusters, read_pods, replay


def move(unit: int, source: int, to: int, size: int = 1) -> Flow:
    return Flow(unit, source, to, np.array([size]), np.array([size]))


def fours(_: IntArray, free: IntArray) -> FloatArray:
    """Of each node, lots of four that are free."""
    return np.asarray(free[:, 0] // 4, np.float64)


def test_what_gains_less_than_its_price_is_left_out() -> None:
    free, plan = np.array([[3], [2], [1]]), [move(0, 0, 1), move(1, 2, 1)]

    assert earning(free, plan, fours, 1.0) == [0]
    assert earning(free, plan, fours, 1.1) == []


def test_what_others_need_the_room_of_stays_with_them_or_goes_with_them() -> None:
    free, plan = np.array([[0], [1], [3]]), [move(0, 0, 1), move(1, 2, 0)]  # unit 1 comes to the room of unit 0

    assert earning(free, plan, fours, 0.5) == [0, 1]
    assert earning(free, plan, fours, 0.6) == []


def test_moves_that_earn_only_together_are_weighed_together() -> None:
    free, plan = np.array([[2], [1], [1]]), [move(0, 0, 1), move(1, 0, 2)]

    assert earning(free, plan, fours, 0.5) == [0, 1]
    assert earning(free, plan, fours, 0.6) == []


def test_what_earns_nothing_goes_while_the_rest_stays() -> None:
    free = np.array([[3], [5], [5], [5]])
    plan = [move(2, 3, 2), move(0, 0, 1), move(1, 2, 3)]

    assert earning(free, plan, fours, 0.5) == [1]


def test_nobody_is_left_to_meet_who_may_not() -> None:
    free, plan = np.array([[1], [9], [3]]), [move(0, 0, 1), move(1, 2, 0)]

    assert earning(free, plan, fours, 0.7) == [1]
    assert earning(free, plan, fours, 0.7, homes=[0, 2], neighbors={0: [1], 1: [0]}) == []


def test_no_moves_are_an_answer() -> None:
    assert earning(np.array([[3]]), [], fours, 1.0) == []


@settings(max_examples=60)
@given(raw=raw_clusters(), data=st.data(), price=st.sampled_from((0.1, 0.3, 1.0)))
def test_plans_at_random_lose_nothing_and_every_move_that_stays_earns(
    raw: dict[str, Any], data: st.DataObject, price: float
) -> None:
    plan = at_random(raw, data)
    instance = read_pods(raw)
    measure = ExpectedFragmentation(instance.mix)

    kept = earning(resources(instance), flows(instance, plan), lambda _, free: worth(measure, free), 1000 * price)

    def paid(places: list[int]) -> float:
        return replay(raw, [plan[place] for place in places]).fragmented() + price * len(places)

    assert paid(kept) <= paid(list(range(len(plan)))) + 1e-6
    for place in kept:
        less = [other for other in kept if other != place]
        assert paid([other for other in kept if other < place]) >= paid(kept) - 1e-6
        if possible(raw, [plan[other] for other in less]):
            assert paid(less) >= paid(kept) - 1e-6


def at_random(raw: dict[str, Any], data: st.DataObject) -> list[PodMove]:
    """Up to four moves, each of another pod, that are possible in their order."""
    instance, state = read_pods(raw), State(raw)
    board, plan = PodBoard(instance, ExpectedFragmentation(instance.mix)), list[PodMove]()
    for _ in range(4):
        ways = [way for way in state.ways() if way[0] not in [made.pod for made in plan]]
        if not ways:
            break
        pod, node, cards = data.draw(st.sampled_from(ways))
        taken = np.zeros(board.free.shape[1], np.int64)
        taken[cards] = instance.pod_share_milli[pod]
        state.go(pod, node, cards)
        plan.append(PodMove(pod, node, taken))
    return plan


def possible(raw: dict[str, Any], plan: list[PodMove]) -> bool:
    try:
        replay(raw, plan)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("price", [0.0, 0.5])
def test_the_order_stays(price: float) -> None:
    plan = [move(unit, unit, unit + 3) for unit in (2, 0, 1)]

    assert earning(np.array([[3]] * 3 + [[1]] * 3), plan, fours, price) == [0, 1, 2]
