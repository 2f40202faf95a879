"""Many models in a pool that is too small for them: proven to a hundredth, and never beyond the stock."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from foresail.domain.allocation import Allocation, AllocationProblem
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.decompose import Effort, Start
from foresail.policies.allocation.fleet import build
from foresail.policies.programs.highs import Solver
from tests.unit.policies.allocation.allocation_cases import (
    ACCELERATORS,
    least_gpus,
    least_usd,
    least_usd_at,
    random_fleet,
)
from tests.unit.policies.allocation.allocation_fleets import crowded_fleet

FAIR = Effort(gap=1e-2, seconds=120.0)


def used_gpus(problem: AllocationProblem, found: Allocation) -> Counter[str]:
    used: Counter[str] = Counter()
    for model in problem.models:
        for own, count in zip(model.candidates, found.plans[model.name].replicas, strict=True):
            used[own.accelerator] += own.gpus_per_replica * count
    return used


def check(problem: AllocationProblem, found: Allocation) -> None:
    used = used_gpus(problem, found)
    assert all(used[name] <= count for name, count in problem.gpus.items())
    assert found.bound_usd_per_hour <= found.usd_per_hour
    assert found.gap <= FAIR.gap
    assert found.binding  # the pool is too small
    assert any(price > 0.0 for price in found.shadow_usd_per_gpu_hour.values())


def as_start(problem: AllocationProblem, found: Allocation) -> Start:
    names = sorted(model.name for model in problem.models)
    return Start(found.shadow_usd_per_gpu_hour, tuple(found.plans[name].replicas for name in names))


@pytest.mark.parametrize(("models", "seed"), [(20, 0), (20, 2), (20, 7), (20, 9), (50, 1)])
def test_a_crowded_fleet_is_planned_to_a_hundredth_of_the_best(models: int, seed: int) -> None:
    problem = crowded_fleet(models, seed)
    check(problem, allocate(problem, effort=FAIR))


def test_a_warm_start_keeps_the_proof_when_demand_moves() -> None:
    problem = crowded_fleet(20, 0)
    before = allocate(problem, effort=FAIR)
    busier = replace(
        problem, models=tuple(replace(model, demand_rps=1.1 * model.demand_rps) for model in problem.models)
    )
    warm = allocate(busier, effort=FAIR, start=as_start(problem, before))
    check(busier, warm)
    cold = allocate(busier, effort=FAIR)
    # Both prove a bound on the same optimum.
    assert warm.bound_usd_per_hour <= cold.usd_per_hour
    assert cold.bound_usd_per_hour <= warm.usd_per_hour


def test_models_apart_cost_no_more_than_all_in_one_program() -> None:
    problem = crowded_fleet(20, 0)
    apart = allocate(problem, effort=FAIR)
    together = Solver(build(problem).program).solve(2.0)
    assert together.bound <= apart.usd_per_hour
    assert apart.bound_usd_per_hour <= together.objective
    assert apart.usd_per_hour <= together.objective / (1.0 - FAIR.gap)


def test_no_time_leaves_a_plan_within_the_stock_and_a_bound() -> None:
    problem = crowded_fleet(20, 0)
    hurried = allocate(problem, effort=Effort(seconds=0.0))
    used = used_gpus(problem, hurried)
    assert all(used[name] <= count for name, count in problem.gpus.items())
    best = allocate(problem, effort=FAIR)
    assert 0.0 <= hurried.bound_usd_per_hour <= best.usd_per_hour <= hurried.usd_per_hour


def test_six_small_models_prove_at_least_what_their_prices_prove() -> None:
    """Prices bound the cost, as anybody can recompute; the program of what may still matter may prove more, no lie."""
    for seed in range(40, 52):
        pairs = [random_fleet(seed * 10 + place, most_models=1, must_serve=False) for place in range(6)]
        models = tuple(replace(pair.models[0], name=f"m{place}") for place, pair in enumerate(pairs))
        stock = {name: 5 + sum(least_gpus(model, name) for model in models) for name in ACCELERATORS}
        problem = AllocationProblem(models, stock)
        found = allocate(problem)
        floor = least_usd_at(problem, found.shadow_usd_per_gpu_hour, slack=3e-6)
        near = 1e-5 * max(found.usd_per_hour, 1.0)
        assert floor - near <= found.bound_usd_per_hour <= least_usd(problem) + near, seed
