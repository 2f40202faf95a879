from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest

from foresail.domain.allocation import Allocation, AllocationProblem, AllocationStatus, Candidate, ModelDemand
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.decompose import Effort
from tests.unit.policies.allocation.allocation_cases import random_fleet


def variant(name: str, capacity: Sequence[float], **more: object) -> Candidate:
    own = {"accelerator": "A", "gpus_per_replica": 1, "usd_per_hour": 1.0, **more}
    return Candidate(name, capacity_rps=np.array([capacity], float), **own)  # type: ignore[arg-type]


def model(
    rps: Sequence[float], *own: Candidate, name: str = "m", price: float | None = None, priority: int = 0
) -> ModelDemand:
    return ModelDemand(name, np.array([rps], float), own, price, priority)


def plan_of(models: Sequence[ModelDemand], gpus: dict[str, int] | None = None, **more: object) -> Allocation:
    return allocate(AllocationProblem(tuple(models), gpus or {}), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("tiny", [1e-3, 1e-6, 1e-8])
@pytest.mark.parametrize("price", [None, 1.0, 1e4])
def test_a_trickle_beside_a_flood_does_not_vanish(tiny: float, price: float | None) -> None:
    apart = variant("wide", [10.5, 0.0]), variant("long", [0.0, 1.0], accelerator="B")
    found = plan_of([model([100.0, tiny], *apart, price=price)])
    if price is not None and 3600.0 * price * tiny < 1.0:  # leaving it is cheaper than a replica
        assert [(one.bucket, one.rps) for one in found.unserved] == [((0, 1), tiny)]
    else:
        assert found.plans["m"].replicas == (10, 1)
        assert found.unserved == ()
    both = plan_of([model([100.0, tiny], variant("both", [10.5, 5.0]), price=price)])
    assert both.unserved == ()
    assert both.plans["m"].routing[0, 0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("favourite", range(4))
def test_the_greater_priority_is_served_of_two_plans_that_cost_the_same(favourite: int) -> None:
    fleet = [
        model([1.0], variant("v", [1.0]), name=str(place), price=0.01, priority=100 * (place == favourite))
        for place in range(4)
    ]
    for order in list(permutations(fleet))[::5]:
        found = plan_of(order, {"A": 1})
        assert [name for name, plan in found.plans.items() if plan.replicas == (1,)] == [str(favourite)]
        assert found.status is AllocationStatus.OPTIMAL


def test_a_lower_price_does_not_lose_to_a_priority() -> None:
    cheap = model([1.0], variant("v", [1.0]), name="cheap", price=0.0100, priority=100)
    dear = model([1.0], variant("v", [1.0]), name="dear", price=0.0101)
    found = plan_of([cheap, dear], {"A": 1})
    assert found.plans["dear"].replicas == (1,)
    assert [one.model for one in found.unserved] == ["cheap"]


def test_what_nobody_can_serve_is_named_and_the_rest_is_served() -> None:
    own = variant("wide", [1000.0, 0.0, 0.0]), variant("long", [0.0, 10.0, 0.0], usd_per_hour=100.0)
    found = plan_of([model([100.0, 1e-3, 5000.0], *own)])
    assert found.status is AllocationStatus.INFEASIBLE
    assert found.plans["m"].replicas == (1, 1)
    assert [(one.bucket, one.rps) for one in found.unserved] == [((0, 2), 5000.0)]
    assert "no variant can serve requests of this size" in found.unserved[0].reason
    assert "no variant can serve" in found.message


@pytest.mark.parametrize(
    ("own", "gpus", "reason"),
    [
        (variant("v", [1.0], max_replicas=2), {}, "v is at its maximum of 2"),
        (variant("v", [1.0], gpus_per_replica=2), {"A": 5}, "1 GPUs of A are left and v needs 2"),
        (variant("v", [1.0]), {"A": 0}, "0 GPUs of A are left and v needs 1"),
    ],
)
@pytest.mark.parametrize("price", [None, 1.0])
def test_what_binds_is_named(own: Candidate, gpus: dict[str, int], reason: str, price: float | None) -> None:
    found = plan_of([model([3.5], own, price=price)], gpus)
    assert len(found.unserved) == 1
    assert reason in found.unserved[0].reason
    assert (found.status is AllocationStatus.INFEASIBLE) == (price is None)


def test_demand_that_is_not_worth_a_replica_is_said_to_be() -> None:
    found = plan_of([model([0.1], variant("v", [1.0]), price=1e-4)])  # 0.036 USD/h
    assert found.usd_per_hour == pytest.approx(0.036)
    assert "costs more than it would save" in found.unserved[0].reason


def test_what_is_lost_by_is_named_first() -> None:
    prices = {"free": 0.0, "cheap": 1e-5, "must": None}
    found = plan_of([model([1.0], name=name, price=price) for name, price in prices.items()])
    assert [one.model for one in found.unserved] == ["must", "cheap", "free"]


@pytest.mark.parametrize("price", [None, 1.0])
def test_a_model_without_variants_has_all_of_it_unserved(price: float | None) -> None:
    found = plan_of([model([1.0, 0.0, 2.0], price=price)], {"A": 1})
    assert {one.bucket: one.rps for one in found.unserved} == {(0, 0): 1.0, (0, 2): 2.0}
    assert (found.status is AllocationStatus.INFEASIBLE) == (price is None)


def test_an_empty_fleet_costs_nothing() -> None:
    found = plan_of([], {"A": 1})
    assert found.status is AllocationStatus.OPTIMAL
    assert (found.usd_per_hour, found.bound_usd_per_hour, found.gap, dict(found.plans)) == (0.0, 0.0, 0.0, {})


def test_an_accelerator_that_is_not_named_has_no_cap() -> None:
    found = plan_of([model([100.0], variant("v", [1.0], accelerator="B"))], {"A": 0})
    assert found.plans["m"].replicas == (100,)
    assert found.binding == ()


def test_a_start_price_keeps_what_runs_until_another_is_cheaper_by_more() -> None:
    now = variant("now", [1.0], usd_per_hour=2.0, current_replicas=3, stop_usd_per_hour=0.2)
    for switch, replicas in ((0.9, (3, 0)), (0.7, (0, 3))):  # 1 USD/h less each, for 0.2 and the price of a start
        other = variant("other", [1.0], current_replicas=0, start_usd_per_hour=switch)
        assert plan_of([model([3.0], now, other)]).plans["m"].replicas == replicas


@pytest.mark.parametrize("seconds", [0.0, 1e-6, 1e-3])
def test_however_little_time_there_is_a_plan_and_a_bound_that_holds(seconds: float) -> None:
    for seed in range(60):
        problem = random_fleet(seed)
        hurried, best = allocate(problem, effort=Effort(seconds=seconds)), allocate(problem)
        used = dict.fromkeys(problem.gpus, 0)
        for own in problem.models:
            for candidate, count in zip(own.candidates, hurried.plans[own.name].replicas, strict=True):
                most = math.inf if candidate.max_replicas is None else candidate.max_replicas
                assert candidate.min_replicas <= count <= most, seed
                if candidate.accelerator in used:
                    used[candidate.accelerator] += candidate.gpus_per_replica * count
        assert all(used[name] <= count for name, count in problem.gpus.items()), seed
        if best.status is AllocationStatus.INFEASIBLE:
            continue
        near = 2e-5 * max(best.usd_per_hour, 1.0)
        assert hurried.bound_usd_per_hour <= best.usd_per_hour + near, seed
        if hurried.status is not AllocationStatus.INFEASIBLE:
            assert hurried.usd_per_hour >= best.usd_per_hour - near, seed


def test_time_that_ends_is_no_proof_that_demand_cannot_be_served() -> None:
    own = variant("v", [10.0, 10.0, 1.0]), variant("w", [3.0, 8.0, 2.0], accelerator="B", usd_per_hour=1.3)
    found = plan_of([model([100.0, 0.3, 5.0], *own)], effort=Effort(seconds=0.0))
    assert found.status is not AllocationStatus.INFEASIBLE
    assert found.unserved == ()


def test_a_variant_without_capacity_for_a_size_does_not_serve_it() -> None:
    found = plan_of([model([1.0, 2.0], variant("v", [1.0, 0.0]), price=1.0)])
    assert [one.bucket for one in found.unserved] == [(0, 1)]
    assert found.plans["m"].routing[0, 0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("number", [-1.0, float("nan"), float("inf")])
def test_what_is_no_quantity_is_refused_before_it_is_planned_with(number: float) -> None:
    with pytest.raises(ValueError, match="capacity_rps must be finite and not negative, got"):
        variant("v", [1.0, number])
    with pytest.raises(ValueError, match="demand_rps must be finite and not negative, got"):
        model([1.0, number], variant("v", [1.0, 1.0]))
    with pytest.raises(ValueError, match="unserved_usd_per_request must be finite and not negative, got"):
        model([1.0], variant("v", [1.0]), price=number)


def test_a_capacity_of_another_shape_than_the_demand_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity_rps of v must be shaped as demand_rps"):
        model([1.0, 2.0], variant("v", [1.0]))


def test_of_the_variants_of_one_accelerator_the_smallest_says_that_it_is_full() -> None:
    large, small = variant("large", [4.0], gpus_per_replica=4), variant("small", [1.0])
    found = plan_of([model([9.0], large, small, price=1.0)], {"A": 2})
    assert found.unserved[0].reason == "0 GPUs of A are left and small needs 1: raise what binds or lower the demand"


def test_a_search_that_was_cut_off_blames_no_price() -> None:
    """Demand that a free GPU would serve for less than it costs to leave was not left for its price."""
    fleet = [model([0.5 + place / 10], variant("v", [1.0]), price=1.0, name=f"m{place}") for place in range(8)]
    found = allocate(AllocationProblem(tuple(fleet), {"A": 20}), effort=Effort(seconds=0.0))
    reasons = {one.reason for one in found.unserved}
    assert reasons == {
        "it was not found out whether serving it costs less: by no more than the gap, which more time may close"
    }


def test_of_replicas_that_are_kept_less_busy_only_what_they_may_carry_is_worth_one_more() -> None:
    """A replica that saves 3.6 USD/h when full saves 1.8 half full, and costs 2."""
    fleet = [model([1.0], variant("v", [1.0], usd_per_hour=2.0), price=0.001)]
    found = plan_of(fleet, {"A": 20}, target_utilization=0.5)
    assert found.status is AllocationStatus.OPTIMAL
    assert found.unserved[0].reason.startswith("one more replica costs more than it would save")


@pytest.mark.parametrize("capacity", [1e-8, 1e-9, 1e-12, 1e-17, 1e-100, 1e-310])
@pytest.mark.parametrize("price", [None, 0.005])
def test_a_capacity_next_to_nothing_is_none(capacity: float, price: float | None) -> None:
    odd, sound = variant("odd", [capacity, 4.0], usd_per_hour=8.0), variant("sound", [1.0, 1.0])
    found = plan_of([model([1.0, 0.9], odd, sound, price=price)], {"A": 8})
    assert found.status is AllocationStatus.OPTIMAL
    assert found.plans["m"].replicas == (0, 2)


@pytest.mark.parametrize("capacity", [1e-8, 1e-12, 1e-100])
def test_demand_that_only_a_capacity_next_to_nothing_could_serve_is_left(capacity: float) -> None:
    found = plan_of([model([1.0, 0.9], variant("v", [capacity, 1.0]), price=0.005)], {"A": 8})
    assert found.status is AllocationStatus.OPTIMAL
    assert [one.bucket for one in found.unserved] == [(0, 0)]
    assert found.unserved[0].reason.startswith("no variant can serve requests of this size")


def test_a_fleet_on_which_the_solver_gave_up_at_its_usual_tolerance_is_answered() -> None:
    """Found by chance: a trickle beside demand whose best variants have no GPU."""
    other = {"accelerator": "C", "gpus_per_replica": 1}
    wide = Candidate("v1", "B", 4, 4.0, np.array([[2.0, 1.0], [1.5, 1.5]]), 2)
    twins = [Candidate(name, usd_per_hour=1.0, capacity_rps=np.full((2, 2), 2.0), **other) for name in ("v0", "v2")]  # type: ignore[arg-type]
    hard = ModelDemand("m0", np.array([[1e-6, 2.5], [0.5, 2.5]]), (twins[0], wide, twins[1]))
    priced = model([1.0], variant("v0", [2.0]), variant("v1", [2.0]), name="m1", price=0.001)
    found = plan_of([hard, priced], {"A": 4, "B": 38, "C": 0}, target_utilization=0.5)
    assert found.plans["m0"].replicas == (0, 9, 0)
    assert found.plans["m0"].utilization.max() <= 0.5 + 1e-6
