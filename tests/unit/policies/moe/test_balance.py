"""A placement from scratch is as good as EPLB's, which the published rule as it is written tells."""

from __future__ import annotations

import numpy as np
import pytest

from foresail.policies.moe.balance import place, place_by_node
from foresail.policies.moe.placement import balance, members
from tests.unit.policies.moe.placements import eplb, make_loads

SHAPES = [(32, 9, 256), (40, 9, 256), (72, 5, 256), (160, 2, 256)]


@pytest.mark.parametrize(("gpus", "slots", "experts"), SHAPES)
@pytest.mark.parametrize("skew", [0.6, 0.9])
def test_the_balance_is_that_of_the_published_rule(gpus: int, slots: int, experts: int, skew: float) -> None:
    loads = make_loads(4, experts, skew=skew)
    ours = balance(loads, place(loads, gpus, slots))
    theirs = balance(loads, np.array([eplb(layer, gpus, slots) for layer in loads.tolist()]))
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.001)


def test_it_is_the_same_where_the_published_rule_puts_no_expert_twice_on_a_gpu() -> None:
    """Otherwise it cannot be: the second is of no use there."""
    compared = 0
    for seed in range(20):
        loads = make_loads(1, 12, seed=seed)
        theirs = eplb(loads[0].tolist(), 5, 4)
        if all(len(set(gpu)) == len(gpu) for gpu in theirs):
            assert place(loads, 5, 4)[0].tolist() == theirs
            compared += 1
    assert compared >= 5


def test_no_expert_is_twice_on_a_gpu_where_the_published_rule_does_so() -> None:
    """The last two replicas are of one expert, and one GPU only has room: EPLB puts both there."""
    loads = np.array([[8.0, 4.0, 4.0, 1.0]])
    assert any(len(set(gpu)) < 3 for gpu in eplb(loads[0].tolist(), 2, 3))
    found = place(loads, 2, 3)
    assert members(found, 4).sum(axis=2).tolist() == [[3, 3]]
    assert members(found, 4).any(axis=1).all()


def test_slots_beyond_the_experts_stay_empty() -> None:
    assert place(np.array([[3.0, 1.0]]), 2, 4).tolist() == [[[0, 1, -1, -1], [0, 1, -1, -1]]]


def test_a_group_of_experts_stays_on_one_node() -> None:
    loads = make_loads(3, 32)
    found = place_by_node(loads, 8, 5, groups=8, nodes=2)
    groups = found.reshape(3, 2, -1) // 4
    assert all(set(groups[layer, 0].tolist()).isdisjoint(groups[layer, 1].tolist()) for layer in range(3))
    assert members(found, 32).any(axis=1).all()
    assert (members(found, 32).sum(axis=2) == 5).all()


def test_of_nodes_that_do_not_divide_the_gpus_no_placement_is_made() -> None:
    with pytest.raises(ValueError, match="do not divide"):
        place_by_node(make_loads(1, 32), 8, 5, groups=8, nodes=3)
