from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.policies.allocation.decompose import Decomposed, Effort, Start, decompose, relaxed_prices
from tests.unit.policies.allocation.allocation_cases import (
    fleets,
    held_usd,
    least_unserved_usd,
    least_usd,
    least_usd_at,
    random_fleet,
)

NEAR = 1e-6
SLACK = 3e-6  # replicas: what a load may exceed them by, with a target of a half and more


def gpus_used(problem: AllocationProblem, found: Decomposed, accelerator: str) -> int:
    return sum(
        count * own.gpus_per_replica
        for model, replicas in zip(problem.models, found.replicas, strict=True)
        for own, count in zip(model.candidates, replicas, strict=True)
        if own.accelerator == accelerator
    )


def usd_of(problem: AllocationProblem, found: Decomposed, slack: float = 0.0) -> float:
    pairs = list(zip(problem.models, found.replicas, strict=True))
    left = sum(
        float(least_unserved_usd(model, np.array([counts]) + slack * (np.array([counts]) > 0))[0])
        for model, counts in pairs
    )
    return left + sum(held_usd(model, counts) for model, counts in pairs)


def check(problem: AllocationProblem, found: Decomposed) -> None:
    """Within the stock and the limits, at the cost that is said, above a bound that holds."""
    assert all(gpus_used(problem, found, name) <= count for name, count in problem.gpus.items())
    for model, counts in zip(problem.models, found.replicas, strict=True):
        for own, count in zip(model.candidates, counts, strict=True):
            assert own.min_replicas <= count <= (count if own.max_replicas is None else own.max_replicas)
    best, near = least_usd(problem), NEAR * max(found.usd_per_hour, 1.0)
    assert found.bound_usd_per_hour <= best + near
    assert found.usd_per_hour >= least_usd(problem, slack=SLACK) - near
    # The first plan serves nothing with the minima, so a plan may cost less than is said, never more.
    assert found.usd_per_hour >= usd_of(problem, found, SLACK) - near


@settings(max_examples=60, deadline=None)
@given(fleets(must_serve=False))
def test_plans_hold_and_bounds_are_bounds(problem: AllocationProblem) -> None:
    check(problem, decompose(problem))


@settings(max_examples=40, deadline=None)
@given(fleets(must_serve=False))
def test_anybody_can_recompute_the_bound_from_the_prices(problem: AllocationProblem) -> None:
    found = decompose(problem)
    exact, floor = (least_usd_at(problem, found.prices, slack) for slack in (0.0, SLACK))
    near = NEAR * max(abs(exact), 1.0)
    assert floor - near <= found.bound_usd_per_hour <= exact + near


def test_every_small_fleet_is_solved_to_its_optimum() -> None:
    problems = [random_fleet(seed, must_serve=False) for seed in range(100)]
    off = [decompose(problem).usd_per_hour > (1.0 + NEAR) * least_usd(problem) + NEAR for problem in problems]
    assert not any(off)


@settings(max_examples=25, deadline=None)
@given(fleets(must_serve=False))
def test_a_warm_start_promises_the_same(problem: AllocationProblem) -> None:
    first = decompose(problem)
    busier = replace(
        problem, models=tuple(replace(model, demand_rps=1.1 * model.demand_rps) for model in problem.models)
    )
    check(busier, decompose(busier, start=Start(first.prices, first.replicas)))
    again = decompose(problem, start=Start(first.prices, first.replicas))
    check(problem, again)
    assert again.usd_per_hour <= first.usd_per_hour + NEAR * max(first.usd_per_hour, 1.0)


@settings(max_examples=25, deadline=None)
@given(fleets(must_serve=False))
def test_a_start_that_makes_no_sense_does_no_harm(problem: AllocationProblem) -> None:
    nonsense = tuple((99,) * (len(model.candidates) + place % 2) for place, model in enumerate(problem.models))
    check(problem, decompose(problem, start=Start({"A": 1e4, "unknown": 3.0}, nonsense)))


@settings(max_examples=25, deadline=None)
@given(fleets(must_serve=False))
def test_no_time_leaves_a_plan_that_holds(problem: AllocationProblem) -> None:
    found = decompose(problem, effort=Effort(seconds=0.0))
    check(problem, found)


def test_minima_that_serve_are_not_taken_for_minima_that_do_not() -> None:
    """The plan that keeps the minima is known from the start, as if nothing were served; that must not stick."""
    own = Candidate("v", "A", 1, 5.0, np.array([[2.0]]), min_replicas=1)
    fleet = tuple(ModelDemand(str(place), np.array([[1.0]]), (own,), 1.0) for place in range(3))
    found = decompose(AllocationProblem(fleet, {"A": 9}))
    assert found.replicas == ((1,),) * 3
    assert found.usd_per_hour == pytest.approx(15.0)


def test_stopping_what_runs_has_its_price_from_the_first_plan_on() -> None:
    own = Candidate("v", "A", 1, 1.0, np.array([[2.0]]), current_replicas=2, stop_usd_per_hour=6.0)
    idle = ModelDemand("idle", np.zeros((1, 1)), (own,), 1.0)
    found = decompose(AllocationProblem((idle,), {"A": 9}))
    assert found.replicas == ((2,),)  # 2 kept cost less than 12 for stopping them
    assert found.usd_per_hour == pytest.approx(2.0)


@pytest.mark.parametrize("favourite", range(7))
def test_the_greater_priority_is_served_of_seven_alike(favourite: int) -> None:
    own = Candidate("v", "A", 1, 1.0, np.array([[1.0]]))
    fleet = tuple(
        ModelDemand(str(place), np.array([[1.0]]), (own,), 0.01, 100 * (place == favourite)) for place in range(7)
    )
    found = decompose(AllocationProblem(fleet, {"A": 1}))
    assert [sum(counts) for counts in found.replicas] == [int(place == favourite) for place in range(7)]


def test_prices_of_what_is_plenty_are_nothing() -> None:
    own = Candidate("v", "A", 1, 1.0, np.array([[1.0]]))
    model = ModelDemand("m", np.array([[2.0]]), (own,), 0.01)
    assert relaxed_prices(AllocationProblem((model,), {"A": 9, "B": 4}), 1.0) == {"A": 0.0, "B": 0.0}
    # Served is worth 36 USD/h less the replica's own.
    assert relaxed_prices(AllocationProblem((model,), {"A": 1}), 1.0) == {"A": pytest.approx(35.0)}
