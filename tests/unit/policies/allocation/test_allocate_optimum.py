"""A thousand small fleets against all their plans, and against a bound that needs no program."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from foresail.domain.allocation import Allocation, AllocationProblem, AllocationStatus, ModelDemand
from foresail.policies.allocation.allocate import allocate
from tests.unit.policies.allocation.allocation_cases import (
    held_usd,
    least_unserved_usd,
    least_usd,
    least_usd_at,
    random_fleet,
)

NEAR = 1e-6  # relative
SLACK = 3e-6  # replicas: what a load may exceed them by, at a target of a half
TARGETS = (1.0, 0.85, 0.5)


def target_of(seed: int) -> float:
    return TARGETS[seed % len(TARGETS)]


def within(problem: AllocationProblem, seed: int, found: Allocation) -> str:
    """What is wrong with an allocation, nothing when it is the optimum."""
    best = least_usd(problem, target_of(seed))
    floor = least_usd(problem, target_of(seed), SLACK)
    if found.status is AllocationStatus.INFEASIBLE:
        return "" if math.isinf(best) else f"there is a plan for {best}"
    near = NEAR * max(abs(found.usd_per_hour), 1.0)
    if not floor - near <= found.usd_per_hour <= best + near:
        return f"{found.usd_per_hour} is not within {floor} … {best}"
    if found.bound_usd_per_hour > best + near:
        return f"the bound {found.bound_usd_per_hour} is above {best}"
    return "" if found.status is AllocationStatus.OPTIMAL else f"{found.status} with a gap of {found.gap}"


@pytest.mark.parametrize("part", range(10))
def test_no_plan_of_a_thousand_small_fleets_costs_more_than_the_best_of_all(part: int) -> None:
    wrong = {}
    for seed in range(100 * part, 100 * (part + 1)):
        problem = random_fleet(seed)
        found = allocate(problem, target_utilization=target_of(seed))
        wrong[seed] = within(problem, seed, found)
    assert {seed: what for seed, what in wrong.items() if what} == {}


def share_bound_usd(model: ModelDemand, extra: Mapping[str, float]) -> float:
    """Every request at the cheapest share of a replica there is, or unserved: no plan of the model costs less."""
    prices = [own.usd_per_hour + extra.get(own.accelerator, 0.0) * own.gpus_per_replica for own in model.candidates]
    price = math.inf if model.unserved_usd_per_request is None else 3600.0 * model.unserved_usd_per_request
    total = 0.0
    for bucket, rps in np.ndenumerate(model.demand_rps):
        pairs = [(own.capacity_rps[bucket], usd) for own, usd in zip(model.candidates, prices, strict=True)]
        able = [float(usd / capacity) for capacity, usd in pairs if capacity > 0.0]
        total += rps * min([*able, price]) if rps > 0.0 else 0.0
    return total


@pytest.mark.parametrize("part", range(4))
def test_no_cost_and_no_bound_contradicts_a_bound_that_needs_no_program(part: int) -> None:
    generator = np.random.default_rng(part)
    for seed in range(10_000 + 50 * part, 10_000 + 50 * (part + 1)):
        problem = random_fleet(seed, must_serve=False)
        found = allocate(problem)
        for extra in ({}, found.shadow_usd_per_gpu_hour, {name: generator.uniform(0, 9) for name in problem.gpus}):
            worth = sum(extra.get(name, 0.0) * count for name, count in problem.gpus.items())
            bound = sum(share_bound_usd(model, extra) for model in problem.models) - worth
            assert found.usd_per_hour >= bound - 1e-5 * max(abs(bound), 1.0), seed


def test_shadow_prices_give_a_bound_that_anybody_can_recompute() -> None:
    """What the prices prove, model by model, is no more than what is said: the program may have proven more."""
    tight = 0
    for seed in range(20_000, 20_100):
        problem = random_fleet(seed, must_serve=False)
        found = allocate(problem)
        alone, floor = (least_usd_at(problem, found.shadow_usd_per_gpu_hour, slack) for slack in (0.0, SLACK))
        near = NEAR * max(abs(found.usd_per_hour), 1.0)
        assert floor <= found.bound_usd_per_hour + near, seed
        assert set(found.shadow_usd_per_gpu_hour) == set(problem.gpus), seed
        assert all(price >= 0.0 for price in found.shadow_usd_per_gpu_hour.values()), seed
        tight += alone >= found.bound_usd_per_hour - near
    assert tight >= 80  # mostly nothing is between the two


def test_what_a_plan_costs_is_what_its_replicas_and_what_they_leave_cost() -> None:
    for seed in range(30_000, 30_100):
        problem = random_fleet(seed, must_serve=False)
        found = allocate(problem)
        total = 0.0
        for model in problem.models:
            replicas = np.array([found.plans[model.name].replicas])
            left = least_unserved_usd(model, replicas + SLACK * (replicas > 0))
            total += held_usd(model, replicas[0].tolist()) + float(left[0])
        near = 2e-5 * max(found.usd_per_hour, 1.0)
        assert found.usd_per_hour == pytest.approx(total, abs=near), seed
        assert all(math.isfinite(unserved.rps) and unserved.reason for unserved in found.unserved), seed
