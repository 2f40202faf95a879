"""Laws of moving GPU pods, on small clusters of which every plan can be tried."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from foresail.policies.rescheduling.descent import descend
from foresail.policies.rescheduling.drain import drain
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard
from foresail.policies.rescheduling.gpu_search import Found, search
from tests.unit.policies.rescheduling.gpu_cases import State, least_fragmented, raw_clusters, read_pods, replay


def ticking() -> Callable[[], float]:
    """A clock on which a search may ask two hundred times whether there is time."""
    return count(0.0, 0.005).__next__


def searched(raw: dict[str, Any], moves: int) -> Found:
    instance = read_pods(raw)
    return search(instance, ExpectedFragmentation(instance.mix), moves, ticking(), 1.0)


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

    assert found.most / 1000 >= best - 1e-6
    assert found.gain / 1000 <= best + 1e-6


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
    assert many.most >= few.gain - 1e-6


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
    assert one.most == other.most


@settings(max_examples=30)
@given(raw=raw_clusters())
def test_draining_moves_only_what_may_move_to_where_there_is_room(raw: dict[str, Any]) -> None:
    instance = read_pods(raw)

    found = drain(instance, ExpectedFragmentation(instance.mix), 4, lambda: True, np.random.default_rng(0))

    replay(raw, found.moves)
    assert found.whole <= found.most
