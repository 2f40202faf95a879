from __future__ import annotations

import numpy as np
import pytest

from foresail.policies.moe.balance import place
from foresail.policies.moe.placement import Change, balance, copies, floor_copies, gpu_loads, held
from tests.unit.policies.moe.placements import make_change, recount

LOADS = np.array([[6.0, 2.0, 2.0]])


def test_replicas_share_the_load_of_their_expert() -> None:
    placement = np.array([[[0, 1], [0, 2]]])
    assert gpu_loads(LOADS, placement).tolist() == [[5.0, 5.0]]
    assert balance(LOADS, np.array([[[0, 1], [2, -1]]])).tolist() == [1.6]  # 8 over a mean of 5


def test_a_layer_without_load_is_balanced() -> None:
    assert balance(np.zeros((1, 3)), np.array([[[0, 1], [0, 2]]])).tolist() == [1.0]


def test_a_copy_is_what_a_gpu_did_not_hold() -> None:
    change = Change(LOADS, np.array([[[0, 1], [0, 2]]]), np.array([1, -1]), 2, 2)
    assert held(change).tolist() == [[[False, False, False], [True, True, False]]]
    assert copies(change, np.array([[[0, 2], [1, 0]]])).tolist() == [[2, 0]]


def test_what_no_plan_can_do_without() -> None:
    """One GPU comes with two slots; of two that stay none has expert 2, which counts among those."""
    grow = Change(LOADS, np.array([[[0, 1], [0, 2]]]), np.array([0, 1]), 3, 2)
    assert floor_copies(grow) == 2
    shrink = Change(LOADS, np.array([[[0, 1], [0, 1], [0, 2]]]), np.array([0, 1, -1]), 2, 2)
    assert floor_copies(shrink) == 1
    more_slots = Change(LOADS, np.array([[[0], [1], [2]]]), np.arange(3), 3, 2)
    assert floor_copies(more_slots) == 3


def test_copies_and_balance_are_those_of_a_recount() -> None:
    change = make_change()
    placement = place(change.loads, 5, 5)[:, ::-1]
    counted, balances = recount(change, placement)
    assert copies(change, placement).sum() == counted
    assert balance(change.loads, placement).tolist() == pytest.approx(balances)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gpus": 1}, "at least 2 GPUs, got 1"),
        ({"keep": np.array([0, 0])}, "each once"),
        ({"keep": np.array([0, 5])}, "below 2"),
        ({"current": np.array([[[0, 3], [0, 2]]])}, "below 3"),
        ({"current": np.array([[0, 1]])}, "shape"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], told: str) -> None:
    fields = {"loads": LOADS, "current": np.array([[[0, 1], [0, 2]]]), "keep": np.array([0, 1]), "gpus": 2, "slots": 2}
    with pytest.raises(ValueError, match=told):
        Change(**(fields | changes))  # type: ignore[arg-type]
