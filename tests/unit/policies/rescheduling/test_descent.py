from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from foresail.policies.rescheduling.descent import best_places, descend, steepest
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard
from tests.unit.policies.rescheduling.gpu_cases import State, raw_clusters, read_pods, recorded, replay


def board_of(raw: dict[str, Any]) -> PodBoard:
    instance = read_pods(raw)
    return PodBoard(instance, ExpectedFragmentation(instance.mix))


@settings(max_examples=60)
@given(raw=raw_clusters())
def test_a_moves_gain_is_the_difference_it_makes_and_none_gains_more(raw: dict[str, Any]) -> None:
    board, state = board_of(raw), State(raw)
    before = state.fragmented()
    gains = []
    for way in state.ways():
        after = replay(raw, [])
        after.go(*way)
        gains.append(before - after.fragmented())

    found = steepest(board, board.fixed)

    assert (found is None) == (not gains)
    if found is not None:
        assert found[2] / 1000 == pytest.approx(max(gains), abs=1e-6)
        board.move(*found[:2])
        assert replay(raw, board.trail).fragmented() == pytest.approx(before - max(gains), abs=1e-6)


@settings(max_examples=60)
@given(raw=raw_clusters())
def test_what_is_kept_is_what_a_new_board_would_find(raw: dict[str, Any]) -> None:
    board = board_of(raw)
    descend(board, 3)
    pods = raw["pods"] | {
        "node": board.host.tolist(),
        "cards": [[card for card, milli in enumerate(held) if milli] for held in board.held.tolist()],
    }

    fresh = board_of(raw | {"pods": pods})

    assert board.leaving == pytest.approx(fresh.leaving)
    assert board.arriving == pytest.approx(fresh.arriving)
    assert board.worth() == pytest.approx(fresh.worth())


@pytest.mark.parametrize(
    ("name", "cards"), [("openb-300-bestfit-0", (146.3, 128.03)), ("openb-300-random-1", (167.61, 149.35))]
)
def test_recorded_clusters_come_down_as_was_recorded(name: str, cards: tuple[float, float]) -> None:
    instance = recorded(name)
    measure = ExpectedFragmentation(instance.mix)
    board = PodBoard(instance, measure)
    for wanted in cards:
        descend(board, 25)
        assert measure.fragmented_cards(board.cpu, board.memory, board.free).sum() == pytest.approx(wanted, abs=0.05)


def test_no_unit_goes_where_it_is_and_none_twice() -> None:
    instance = recorded("openb-60-bestfit-0")
    board = PodBoard(instance, ExpectedFragmentation(instance.mix))
    place, _ = best_places(board)
    assert (place != board.host).all()

    made = descend(board, 60)

    assert len({unit for unit, _ in made}) == len(made) > 40


def test_time_that_is_up_ends_it() -> None:
    instance = recorded("openb-60-bestfit-0")
    board, left = PodBoard(instance, ExpectedFragmentation(instance.mix)), iter((True, True, False))

    assert len(descend(board, 60, again=lambda: next(left))) == 2


def test_a_move_that_gains_too_little_is_not_made() -> None:
    instance = recorded("openb-60-bestfit-0")
    measure = ExpectedFragmentation(instance.mix)
    gains = []
    for least in (1e-6, 500.0):
        board = PodBoard(instance, measure)
        before = board.worth()
        made = descend(board, 60, least_gain=least)
        gains.append((board.worth() - before) / len(made))

    assert gains[1] >= 500.0 > gains[0]
    assert np.isfinite(gains).all()
