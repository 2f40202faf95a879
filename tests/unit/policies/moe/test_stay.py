"""Plans that stay put: proven optima of small cases, and what they cost beside a placement from scratch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foresail.policies.moe.balance import place
from foresail.policies.moe.placement import LEAVES, Change, balance, copies, floor_copies
from foresail.policies.moe.stay import stay
from tests.unit.policies.moe.placements import expect_complete, make_change, make_loads, recount

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "golden" / "moe"
# A known case of eight GPUs with two slots each: four copies reach 1.14, and no placement is below 1.085.
FLASHLB = Change(
    np.array([[600.0, 560, 120, 120, 20, 10, 10, 10]]),
    np.array([[[0, 1], [0, 1], [0, 1], [0, 1], [0, 5], [2, 6], [3, 7], [1, 4]]]),
    np.arange(8),
    8,
    2,
)


def made(change: Change, tau: float) -> tuple[int, float, float]:
    """Copies, mean and worst balance of a plan that is complete, as a recount has them."""
    plan = stay(change, tau)
    expect_complete(change, plan.placement)
    counted, balances = recount(change, plan.placement)
    assert counted == copies(change, plan.placement).sum() >= floor_copies(change)
    assert plan.balance.tolist() == pytest.approx(balances)
    return counted, float(np.mean(balances)), float(np.max(balances))


def test_four_copies_balance_two_slots_where_eplb_is_stuck() -> None:
    assert balance(FLASHLB.loads, place(FLASHLB.loads, 8, 2))[0] == pytest.approx(1.28)
    counted, reached, _ = made(FLASHLB, 1.14)
    assert (counted, reached <= 1.14) == (4, True)


def test_two_slots_are_balanced_as_well_as_is_proven_to_be_possible() -> None:
    assert made(FLASHLB, 1.09)[1] == pytest.approx(1.085057, abs=1e-6)


def test_the_fewest_copies_that_are_proven_are_found() -> None:
    """Recorded with a proof by constraint programming, with at most four replicas of an expert: more may need fewer."""
    if not (FOLDER / "small.json").exists():
        pytest.skip(f"no recorded cases beside the checkout ({FOLDER}): nothing was compared")
    found, proven = 0, 0
    for case in json.loads((FOLDER / "small.json").read_text()):
        counted, reached, _ = made(parsed(case), case["tau"])
        assert reached <= case["tau"] * (1 + 1e-9)
        assert counted <= case["fewest_copies"] + 3
        found, proven = found + counted, proven + case["fewest_copies"]
    assert found <= 1.25 * proven


def parsed(case: dict[str, Any]) -> Change:
    arrays = (np.array([case["loads"]], float), np.array([case["current"]]), np.array(case["keep"]))
    return Change(*arrays, case["gpus"], case["slots"])


@pytest.mark.parametrize(
    ("name", "gpus", "share", "serving"), [("up_32_40", 40, 0.33, 0.15), ("same_32_shift", 32, 0.12, 0.12)]
)
def test_a_large_model_stays_put(name: str, gpus: int, share: float, serving: float) -> None:
    if not (FOLDER / "large.npz").exists():
        pytest.skip(f"no recorded cases beside the checkout ({FOLDER}): nothing was compared")
    with np.load(FOLDER / "large.npz") as arrays:
        loads, current, keep = (arrays[f"{name}_{part}"] for part in ("w", "cur", "keep"))
    expect_stays(Change(loads.astype(float), current.astype(int), keep.astype(int), gpus, 9), share, serving)


@pytest.mark.parametrize(
    ("before", "after", "slots", "share", "serving"),
    [(32, 40, 9, 0.33, 0.15), (40, 32, 9, 0.25, 0.25), (32, 32, 9, 0.12, 0.12), (64, 72, 5, 0.33, 0.2)],
)
def test_a_few_copies_do(before: int, after: int, slots: int, share: float, serving: float) -> None:
    expect_stays(make_change(before, after, slots=slots, layers=6, experts=256), share, serving)


def expect_stays(change: Change, share: float, serving: float) -> None:
    counted, reached, worst = made(change, 1.02)
    plan = stay(change, 1.02)
    scratch, eplb = copies(change, plan.scratch).sum(), balance(change.loads, plan.scratch)
    assert counted <= share * scratch
    assert copies(change, plan.placement)[:, change.survivors].sum() <= serving * scratch
    assert reached <= max(1.02, 1.015 * eplb.mean()) * (1 + 1e-9)
    assert worst <= max(1.03, 1.03 * eplb.max())


def test_two_slots_on_many_gpus_stay_put_at_less_than_eplbs_balance() -> None:
    change = make_change(144, 160, slots=2, layers=8, experts=256)
    counted, reached, _ = made(change, 1.02)
    scratch = place(change.loads, 160, 2)
    assert counted <= 0.45 * copies(change, scratch).sum()
    assert reached <= 0.997 * balance(change.loads, scratch).mean()


@pytest.mark.parametrize(("slots_before", "slots"), [(9, 8), (8, 9)])
def test_slots_may_change_with_the_gpus(slots_before: int, slots: int) -> None:
    loads = make_loads(4, 256)
    change = Change(loads, place(make_loads(4, 256) * 1.0, 32, slots_before), np.arange(32), 40, slots)
    counted, reached, _ = made(change, 1.03)
    assert counted <= 0.45 * copies(change, place(loads, 40, slots)).sum()
    assert reached <= 1.03 * (1 + 1e-9)


def test_any_gpu_may_leave() -> None:
    grown = make_change(5, 5, layers=2)
    change = Change(grown.loads, grown.current, np.array([2, LEAVES, 0, 3, 1]), 4, 5)
    made(change, 1.1)


def test_an_expert_heavier_than_a_gpu_moves_nothing_where_the_balance_is_good() -> None:
    loads = np.array([[0.0, 1, 0, 0, 2, 0, 15, 1]])
    there = np.array([[[1, 6, 2, 3], [6, 0, 5, 2], [6, 2, 3, 0], [4, 2, 3, 7]]])
    plan = stay(Change(loads, there, np.arange(4), 4, 4), 1.3)  # the busiest has 6 of 4.75
    assert plan.placement.tolist() == there.tolist()


def test_an_expert_that_stays_keeps_its_slot() -> None:
    change = make_change(4, 5)
    plan = stay(change, 1.05).placement
    for layer, gpu, slot in np.ndindex(*change.current.shape):
        expert = change.current[layer, gpu, slot]
        assert expert not in plan[layer, gpu].tolist() or plan[layer, gpu, slot] == expert


def test_an_expert_that_nobody_holds_any_more_is_placed() -> None:
    change = Change(np.ones((1, 4)), np.array([[[0, 1], [2, -1]]]), np.array([0, 1]), 2, 2)
    plan = stay(change, 1.0)
    assert plan.placement.tolist() == [[[0, 1], [2, 3]]]
    assert plan.reached.all()


def test_what_cannot_be_reached_is_said_with_the_best_plan() -> None:
    """One expert with nine tenths of the load has three replicas at most, one on each GPU beside which others stand."""
    change = Change(np.array([[90.0, 5.0, 5.0]]), np.array([[[0], [1], [2]]]), np.arange(3), 3, 1)
    plan = stay(change, 1.05)
    assert plan.placement.tolist() == [[[0], [1], [2]]]
    assert plan.target.tolist() == pytest.approx([2.7])
    assert plan.reached.all()
