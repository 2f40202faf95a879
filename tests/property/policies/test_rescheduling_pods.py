"""Laws of moving GPU pods, on small clusters of which every plan can be tried."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.policies.rescheduling.descent import descend, steepest
from foresail.policies.rescheduling.drain import Drained, drain
from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard
from foresail.policies.rescheduling.gpu_plan import fewest_moves
from foresail.policies.rescheduling.gpu_search import Aim, Found, search
from foresail.policies.rescheduling.waves import Limits
from tests.unit.policies.rescheduling.gpu_cases import (
    SHAPES,
    State,
    least_fragmented,
    most_worth,
    raw_clusters,
    read_pods,
    replay,
)


def ticking() -> Callable[[], float]:
    """A clock on which a search may ask two hundred times whether there is time."""
    return count(0.0, 0.005).__next__


def searched(raw: dict[str, Any], moves: int, price: float = 0.0) -> Found:
    instance = read_pods(raw)
    return search(instance, ExpectedFragmentation(instance.mix), Aim(moves, price), Effort(ticking(), 1.0))


def emptied(raw: dict[str, Any], moves: int, price: float = 0.0) -> Drained:
    instance = read_pods(raw)
    measure = ExpectedFragmentation(instance.mix)
    return drain(instance, measure, moves, lambda: True, np.random.default_rng(0), price)


@settings(max_examples=40)
@given(raw=raw_clusters())
def test_every_move_finds_its_room_and_the_gain_is_what_is_said(raw: dict[str, Any]) -> None:
    found = searched(raw, 3)

    after = replay(raw, found.moves).fragmented()  # which asserts room, cards and models

    assert len(found.moves) <= 3
    assert len({move.pod for move in found.moves}) == len(found.moves)
    assert State(raw).fragmented() - after == pytest.approx(found.gain / 1000, abs=1e-6)
    assert found.gain >= 0.0


@settings(max_examples=40)
@given(raw=raw_clusters(most_pods=5))
def test_no_two_moves_are_better_than_the_bound(raw: dict[str, Any]) -> None:
    found = searched(raw, 2)

    best = State(raw).fragmented() - least_fragmented(raw, 2)

    assert found.most(2) / 1000 >= best - 1e-6
    assert found.gain / 1000 <= best + 1e-6
    assert found.gain >= 0.0


@settings(max_examples=30)
@given(raw=raw_clusters())
def test_it_is_never_worse_than_steepest_descent_nor_than_with_fewer_moves(raw: dict[str, Any]) -> None:
    instance = read_pods(raw)
    board = PodBoard(instance, ExpectedFragmentation(instance.mix))
    before = board.worth()
    descend(board, 4)

    many, few = searched(raw, 4), searched(raw, 1)

    assert many.gain >= board.worth() - before - 1e-6
    assert many.gain >= few.gain - 1e-6
    assert many.most(4) >= few.gain - 1e-6
    assert many.most(1) >= few.gain - 1e-6


@settings(max_examples=30)
@given(raw=raw_clusters())
def test_names_make_no_difference(raw: dict[str, Any]) -> None:
    fresh = (f"u{number}" for number in count())
    renamed = {
        table: columns | ({"id": [next(fresh) for _ in columns["id"]]} if "id" in columns else {})
        for table, columns in raw.items()
    }

    one, other = searched(raw, 3), searched(renamed, 3)

    moves = [[(move.pod, move.node, move.taken.tolist()) for move in found.moves] for found in (one, other)]
    assert moves[0] == moves[1]
    assert one.limits == other.limits


@settings(max_examples=30)
@given(raw=raw_clusters(most_pods=5), price=st.sampled_from((100.0, 500.0, 1000.0)))
def test_with_a_price_what_counts_is_less_the_price_and_every_move_earns_it(raw: dict[str, Any], price: float) -> None:
    found = searched(raw, 2, price)

    start, best = State(raw).fragmented(), least_fragmented(raw, 2, price / 1000)
    net = found.gain - price * len(found.moves)
    assert net / 1000 <= start - best + 1e-6
    assert found.most(2) / 1000 >= start - best - 1e-6
    for first in range(len(found.moves)):
        kept = replay(raw, found.moves[:first]).fragmented()
        earned = kept - replay(raw, found.moves).fragmented()
        assert earned >= price / 1000 * (len(found.moves) - first) - 1e-6


@settings(max_examples=20)
@given(raw=raw_clusters())
def test_the_dearer_moves_are_the_less_is_gained_by_no_more_of_them(raw: dict[str, Any]) -> None:
    dear, cheap = searched(raw, 3, 400.0), searched(raw, 3, 100.0)

    assert dear.most(3) <= cheap.most(3) + 1e-6
    assert cheap.most(3) >= dear.gain - 100.0 * len(dear.moves) - 1e-6
    assert searched(raw, 3, 1e6).moves == ()


@settings(max_examples=30)
@given(raw=raw_clusters(most_pods=5), goal=st.floats(0.0, 1.0))
def test_a_goal_takes_no_fewer_moves_than_is_said_and_as_few_as_there_are(raw: dict[str, Any], goal: float) -> None:
    instance, most = read_pods(raw), 2
    wanted = goal * sum(map(sum, State(raw).cards)) / 1000 + 1e-6
    fewest = next((count for count in range(most + 1) if least_fragmented(raw, count) <= wanted), None)

    plan = fewest_moves(instance, most, goal, Limits(), Effort(ticking(), 1.0))

    reached = replay(raw, plan.moves).fragmented() <= wanted
    assert plan.reached == reached
    if reached:
        assert plan.bound is not None
        assert fewest is not None
        assert plan.bound <= fewest <= len(plan.moves) <= fewest + 1
        assert plan.certified == (len(plan.moves) == plan.bound)


@settings(max_examples=30)
@given(raw=raw_clusters())
def test_what_a_move_gains_is_the_difference_that_it_makes(raw: dict[str, Any]) -> None:
    instance = read_pods(raw)
    board = PodBoard(instance, ExpectedFragmentation(instance.mix))

    for _ in range(3):
        found = steepest(board, board.fixed | (board.host != board.origin))
        if found is None:
            break
        before = board.worth()
        board.move(found[0], found[1])
        assert board.worth() - before == pytest.approx(found[2], abs=1e-6)


@settings(max_examples=60)
@given(data=st.data())
def test_comers_take_from_a_node_no_less_than_each_takes_at_least(data: st.DataObject) -> None:
    raw = data.draw(raw_clusters(most_nodes=1, cards=(1, 2, 4)))
    instance = read_pods(raw)
    measure = ExpectedFragmentation(instance.mix)
    cpu, memory = instance.free_cpu_milli.copy(), instance.free_memory_mebibytes.copy()
    free = instance.free_cards_milli.copy()
    shapes = data.draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=4))
    sizes, shares = (np.array(column, np.int64) for column in zip(*((s[2] * s[3], s[3]) for s in shapes), strict=True))
    before = float(measure.worth(cpu, memory, measure.offers(free)).sum())
    least = measure.least_loss(cpu, memory, measure.offers(free), free, sizes, shares)[0]

    expected = 0.0
    for shape, loss in zip(shapes, least.tolist(), strict=True):
        cards = [card for card in data.draw(st.permutations(range(free.shape[1]))) if free[0, card] >= shape[3]]
        if len(cards) >= shape[2] and cpu[0] >= shape[0] and memory[0] >= shape[1]:
            cpu[0], memory[0] = cpu[0] - shape[0], memory[0] - shape[1]
            free[0, cards[: shape[2]]] -= shape[3]
            expected += loss
    assert before - measure.worth(cpu, memory, measure.offers(free)).sum() >= expected - 1e-6


@settings(max_examples=30)
@given(raw=raw_clusters(cards=(4, 8, 8)), price=st.sampled_from((0.0, 0.4, 1.0)))
def test_no_two_moves_free_more_whole_nodes_than_the_bound(raw: dict[str, Any], price: float) -> None:
    found = emptied(raw, 2, price)

    state, best = replay(raw, found.moves), most_worth(raw, 2, State.whole, price)
    net = state.whole() - price * len(found.moves)
    assert found.whole == state.whole()
    assert State(raw).whole() - 1e-6 <= net <= best + 1e-6 <= found.most + 2e-6
    assert found.certified == (abs(net - found.most) < 1e-6)


@settings(max_examples=30)
@given(raw=raw_clusters())
def test_draining_moves_only_what_may_move_to_where_there_is_room(raw: dict[str, Any]) -> None:
    found = emptied(raw, 4)

    replay(raw, found.moves)
    assert found.whole <= found.most
