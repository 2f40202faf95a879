"""Waves that can be carried out: what they read is there, every expert is somewhere, no GPU receives too much."""

from __future__ import annotations

import numpy as np
import pytest

from foresail.policies.moe.placement import LEAVES, Change, copies
from foresail.policies.moe.stay import stay
from foresail.policies.moe.steps import STORAGE, BudgetError, steps
from tests.unit.policies.moe.placements import expect_safe, make_change


@pytest.mark.parametrize(("before", "after"), [(4, 5), (5, 4), (5, 5)])
@pytest.mark.parametrize("budget", [None, 5, 8])
def test_waves_are_safe_and_lead_to_the_plan(before: int, after: int, budget: int | None) -> None:
    change = make_change(before, after, layers=6)
    placement = stay(change, 1.02).placement
    found = steps(change, placement, budget)
    expect_safe(change, placement, found, budget)
    assert found.received.sum(axis=0).tolist() == copies(change, placement).sum(axis=0).tolist()
    assert found.sent.sum() == found.received.sum()


def test_a_swap_reads_both_experts_before_it_takes_their_slots() -> None:
    change = Change(np.ones((1, 2)), np.array([[[0], [1]]]), np.array([0, 1]), 2, 1)
    found = steps(change, np.array([[[1], [0]]]))
    assert [wave.tolist() for wave in found.waves()] == [[[0, 0, 0, 1, 1], [0, 1, 0, 0, 0]]]


def test_a_leaving_gpu_is_read_from_by_the_name_it_has_now() -> None:
    change = Change(np.ones((1, 2)), np.array([[[0], [1]]]), np.array([LEAVES, 0]), 1, 2)
    (wave,) = steps(change, np.array([[[1, 0]]])).waves()
    assert wave.tolist() == [[0, 0, 1, 0, 0]]


def test_what_no_gpu_holds_comes_from_storage() -> None:
    change = Change(np.ones((1, 2)), np.array([[[0], [0]]]), np.array([0, 1]), 2, 1)
    found = steps(change, np.array([[[0], [1]]]))
    assert found.source.tolist() == [STORAGE]
    assert found.busiest == 1


def test_without_copies_there_are_no_waves() -> None:
    change = Change(np.ones((1, 2)), np.array([[[0], [1]]]), np.array([0, 1]), 2, 1)
    found = steps(change, change.current)
    assert list(found.waves()) == []
    assert (found.most_at_once, found.busiest) == (0, 0)


def test_layers_share_a_wave_as_far_as_the_budget_goes() -> None:
    """Each of four layers brings two experts into the GPU that comes: two layers fit into four."""
    current = np.array([[[0, 1], [0, 1]]] * 4)
    change = Change(np.ones((4, 2)), current, np.array([0, 1]), 3, 2)
    placement = np.array([[[0, 1], [0, 1], [0, 1]]] * 4)
    assert [len(wave) for wave in steps(change, placement, 4).waves()] == [4, 4]
    assert [len(wave) for wave in steps(change, placement, None).waves()] == [2, 2, 2, 2]
    assert steps(change, placement, 4).most_at_once == 4


def test_those_who_hold_an_expert_send_in_turn() -> None:
    """Four GPUs hold the same eight experts, all of which the one that comes needs: each sends two."""
    change = Change(np.ones((1, 8)), np.array([[list(range(8))] * 4]), np.arange(4), 5, 8)
    found = steps(change, np.array([[list(range(8))] * 5]))
    assert found.sent.tolist() == [[2, 2, 2, 2]]


def test_a_budget_below_what_a_layer_brings_is_refused_with_what_it_needs() -> None:
    change = make_change(4, 5)
    with pytest.raises(BudgetError, match="brings 5 experts into a GPU, and the budget has room for 4") as refused:
        steps(change, stay(change, 1.05).placement, 4)
    assert refused.value.needed == 5


def test_copies_into_some_gpus_and_into_the_others_are_all() -> None:
    change = make_change(4, 6, layers=5)
    placement = stay(change, 1.02).placement
    parts = [steps(change, placement, into=chosen) for chosen in (change.survivors, ~change.survivors)]
    made = sorted(row[:4] for part in parts for wave in part.waves() for row in wave.tolist())
    assert made == sorted(row[:4] for wave in steps(change, placement).waves() for row in wave.tolist())
    assert all(change.survivors[part.gpu].all() == (part is parts[0]) for part in parts)
