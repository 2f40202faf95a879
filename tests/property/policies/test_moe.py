"""Laws of plans for experts: nothing is lost, tolerance never costs, names are of no consequence, waves lead there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from foresail.policies.moe import stay as planner
from foresail.policies.moe.balance import place
from foresail.policies.moe.placement import EMPTY, LEAVES, Change, balance, copies, floor_copies
from foresail.policies.moe.replicate import replicate
from foresail.policies.moe.stay import stay
from foresail.policies.moe.steps import steps
from tests.unit.policies.moe.placements import expect_complete, expect_safe, make_change, recount

FEW = settings(max_examples=40)
LOADS = st.integers(0, 100)  # ties and zeros are frequent
MOST_EXPERTS, MOST_SLOTS, MOST_SPARE = 10, 5, 3
# Experts 1 and 2 may change names, and only together with the third and fourth GPU.
ALIKE = Change(
    np.zeros((1, 4)), np.array([[[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 2]]]), np.arange(5), 5, 1
)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Any experts, what stands anywhere or nowhere now, and any GPUs and slots that can hold them."""
    layers, experts = draw(st.integers(1, 2)), draw(st.integers(1, MOST_EXPERTS))
    slots_now, slots = draw(st.integers(1, MOST_SLOTS)), draw(st.integers(1, MOST_SLOTS))
    now = draw(st.integers(1, 5))
    gpus = -(-experts // slots) + draw(st.integers(0, MOST_SPARE))
    loads = draw(st.lists(LOADS, min_size=layers * experts, max_size=layers * experts))
    filled = st.lists(
        st.integers(EMPTY, experts - 1), min_size=layers * now * slots_now, max_size=layers * now * slots_now
    )
    current = np.array(draw(filled)).reshape(layers, now, slots_now)
    places = draw(st.permutations(range(max(gpus, now))))[:now]
    keep = np.array([place if place < gpus else LEAVES for place in places])
    return Change(np.array(loads, float).reshape(layers, experts), current, keep, gpus, slots)


@st.composite
def placed(draw: st.DrawFn) -> Change:
    """What was placed from scratch for these very loads, and stays."""
    layers, experts, slots = (
        draw(st.integers(1, 2)),
        draw(st.integers(1, MOST_EXPERTS)),
        draw(st.integers(1, MOST_SLOTS)),
    )
    gpus = -(-experts // slots) + draw(st.integers(0, MOST_SPARE))
    loads = draw(st.lists(LOADS, min_size=layers * experts, max_size=layers * experts))
    popular = np.array(loads, float).reshape(layers, experts)
    return Change(popular, place(popular, gpus, slots), np.arange(gpus), gpus, slots)


@FEW
@given(changes(), st.sampled_from([1.0, 1.05, 1.3]))
def test_every_expert_is_somewhere_and_none_twice_on_a_gpu(change: Change, tau: float) -> None:
    plan = stay(change, tau)
    expect_complete(change, plan.placement)
    counted, balances = recount(change, plan.placement)
    assert counted == copies(change, plan.placement).sum() >= floor_copies(change)
    np.testing.assert_allclose(plan.balance, balances)


@FEW
@given(changes())
def test_a_balance_that_scratch_reaches_is_reached(change: Change) -> None:
    """Of equals, a placement from scratch takes the first by name, and a plan knows none: so no two loads are equal."""
    apart = replace(change, loads=change.loads + np.sqrt(np.arange(2, 2 + change.loads.shape[1])))
    plan = stay(apart, 1.0)
    assert plan.reached.all()
    assert (plan.balance <= balance(apart.loads, plan.scratch) * (1 + 1e-6)).all()


@FEW
@given(changes())
def test_more_tolerance_never_costs_copies(change: Change) -> None:
    counted = [copies(change, stay(change, tau).placement).sum() for tau in (1.0, 1.02, 1.1, 1.5, 4.0)]
    assert counted == sorted(counted, reverse=True)


TOLERANCES = (1.02, 1.04, 1.06, 1.08, 1.1, 1.13, 1.16, 1.2, 1.25, 1.3, 1.4)


@pytest.mark.parametrize("seed", [30, 47])
def test_no_step_of_tolerance_costs_copies(seed: int) -> None:
    """Here it did when the tries of a layer were blurred by one row of random numbers: one that ends moved the rest."""
    rng = np.random.default_rng(seed)
    loads = rng.permuted(np.tile(np.arange(1.0, 19.0) ** -0.9, (2, 1)), axis=1)
    current = rng.permuted(np.tile(np.arange(18), (2, 9, 1)), axis=2)[:, :, :3]
    change = Change(loads, current, np.arange(9), 9, 3)
    counted = [copies(change, stay(change, tau).placement).sum() for tau in TOLERANCES]
    assert counted == sorted(counted, reverse=True)


@pytest.mark.parametrize("skew", [0.5, 0.9, 1.3])
@pytest.mark.parametrize(("experts", "before", "after", "slots"), [(17, 8, 9, 3), (12, 6, 5, 4), (16, 7, 7, 4)])
def test_a_layer_is_planned_as_it_would_be_alone(
    experts: int, before: int, after: int, slots: int, skew: float
) -> None:
    change = make_change(before, after, slots=slots, layers=2, experts=experts, skew=skew)
    whole = stay(change, 1.05).placement
    for layer in (slice(0, 1), slice(1, 2)):
        alone = replace(change, loads=change.loads[layer], current=change.current[layer])
        np.testing.assert_array_equal(stay(alone, 1.05).placement, whole[layer])


# Layers that are too large to be tried again and again: their attempts are others.
LARGE = pytest.mark.parametrize(
    ("before", "after", "slots", "skew"), [(32, 40, 9, 0.9), (64, 72, 5, 1.2), (160, 144, 2, 0.9), (32, 32, 9, 1.3)]
)


@LARGE
def test_large_layers_are_planned_within_the_same_laws(before: int, after: int, slots: int, skew: float) -> None:
    change = make_change(before, after, slots=slots, layers=4, experts=256, skew=skew)
    plans = [stay(change, tau) for tau in (1.0, 1.02, 1.1, 2.0)]
    counted = np.array([copies(change, plan.placement).sum(axis=1) for plan in plans])
    assert (np.diff(counted, axis=0) <= 0).all()
    for plan, tau in zip(plans, (1.0, 1.02, 1.1, 2.0), strict=True):
        expect_complete(change, plan.placement)
        assert (plan.balance <= np.maximum(tau, 1.01 * balance(change.loads, plan.scratch)) * (1 + 1e-6)).all()
    expect_safe(change, plans[1].placement, steps(change, plans[1].placement, slots), slots)


@LARGE
def test_names_are_of_no_consequence_in_large_layers(before: int, after: int, slots: int, skew: float) -> None:
    change = make_change(before, after, slots=slots, layers=4, experts=256, skew=skew)
    other = renamed(change, np.random.default_rng(0))
    one, two = stay(change, 1.02), stay(other, 1.02)
    assert copies(change, one.placement).sum(axis=1).tolist() == copies(other, two.placement).sum(axis=1).tolist()
    np.testing.assert_allclose(one.balance, two.balance)


@FEW
@given(changes(), st.integers(0, 2**32))
@example(ALIKE, 1)
@example(ALIKE, 2)
@example(ALIKE, 3)
def test_names_of_gpus_and_experts_change_nothing(change: Change, seed: int) -> None:
    other = renamed(change, np.random.default_rng(seed))
    one, two = stay(change, 1.05), stay(other, 1.05)
    assert copies(change, one.placement).sum() == copies(other, two.placement).sum()
    np.testing.assert_allclose(one.balance, two.balance)


@FEW
@given(changes(), st.integers(0, 2**32))
def test_the_laws_hold_in_the_ways_of_large_layers_too(change: Change, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(planner, "SMALL_SLOTS", 0)
        plans = [stay(change, tau) for tau in (1.0, 1.05, 1.5)]
        again = stay(renamed(change, np.random.default_rng(seed)), 1.05)
    counted = [copies(change, plan.placement).sum() for plan in plans]
    assert counted == sorted(counted, reverse=True)
    np.testing.assert_allclose(again.balance, plans[1].balance)
    for plan in plans:
        expect_complete(change, plan.placement)


def renamed(change: Change, rng: np.random.Generator) -> Change:
    """The same with other names for experts, GPUs now and GPUs afterwards."""
    experts, now, then = (rng.permutation(count) for count in (change.loads.shape[1], len(change.keep), change.gpus))
    current = np.where(change.current == EMPTY, EMPTY, experts[change.current])[:, now]
    keep = np.where(change.keep == LEAVES, LEAVES, then[change.keep])[now]
    return Change(change.loads[:, np.argsort(experts)], current, keep, change.gpus, change.slots)


@FEW
@given(placed())
def test_what_is_balanced_already_stays(change: Change) -> None:
    tau = float(balance(change.loads, change.current).max())
    plan = stay(change, tau)
    assert plan.placement.tolist() == change.current.tolist()
    assert list(steps(change, plan.placement).waves()) == []


@FEW
@given(changes(), st.sampled_from([1.05, 1.3, 2.0]))
def test_a_plan_that_was_carried_out_stays(change: Change, tau: float) -> None:
    plan = stay(change, tau)
    assume(float(plan.balance.max()) <= tau)
    again = stay(Change(change.loads, plan.placement, np.arange(change.gpus), change.gpus, change.slots), tau)
    assert again.placement.tolist() == plan.placement.tolist()


@FEW
@given(changes(), st.sampled_from([None, 0, 3]))
def test_waves_are_safe_and_together_the_plan(change: Change, more: int | None) -> None:
    placement = stay(change, 1.05).placement
    budget = None if more is None else change.slots + more
    expect_safe(change, placement, steps(change, placement, budget), budget)


@FEW
@given(placed())
def test_replicas_are_as_light_as_any_numbers_make_them(change: Change) -> None:
    """One replica less than the rule gives to the heaviest cannot be mended by one more of anything else."""
    slots = change.gpus * change.filled
    counts = replicate(change.loads, slots, change.gpus)
    assert (counts.sum(axis=1) == slots).all()
    assert ((counts >= 1) & (counts <= change.gpus)).all()
    for loads, numbers in zip(change.loads, counts, strict=True):
        needed = np.ceil(loads / max((loads / numbers).max() * (1 - 1e-9), 1e-300))
        capped = (numbers == change.gpus) & (loads / numbers >= (loads / numbers).max() * (1 - 1e-9))
        assert capped.any() or np.maximum(needed, 1).sum() > slots or loads.max() == 0
