"""One program of what may still matter: never a lie about the bound, and nothing that is worth having left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.allocation import AllocationProblem
from foresail.policies.allocation.decompose import Decomposed, decompose
from foresail.policies.allocation.prove import prove
from tests.unit.policies.allocation.allocation_cases import fleets, least_usd, random_fleet

NEAR = 1e-5
SLACK = 3e-6


def minimum(problem: AllocationProblem) -> tuple[tuple[int, ...], ...]:
    """The plan that keeps only the minima."""
    return tuple(tuple(own.min_replicas for own in model.candidates) for model in problem.models)


def usd_of(problem: AllocationProblem, replicas: tuple[tuple[int, ...], ...]) -> float:
    """What a plan costs when it serves as much as is worth it."""
    fixed = tuple(
        replace(
            model,
            candidates=tuple(
                replace(own, min_replicas=n, max_replicas=n) for own, n in zip(model.candidates, counts, strict=True)
            ),
        )
        for model, counts in zip(problem.models, replicas, strict=True)
    )
    return least_usd(replace(problem, models=fixed))


@settings(max_examples=60, deadline=None)
@given(fleets(must_serve=False), st.sampled_from([1e-6, 0.01, 0.2]), st.booleans())
def test_the_best_plan_is_found_to_the_gap_and_the_bound_holds(
    problem: AllocationProblem, gap: float, from_scratch: bool
) -> None:
    ended = decompose(problem)
    plan = minimum(problem) if from_scratch else ended.replicas
    known = replace(ended, replicas=plan, usd_per_hour=usd_of(problem, plan))
    proven = prove(problem, known, target_utilization=1.0, gap=gap, seconds=60.0)
    best, near = least_usd(problem), NEAR * max(known.usd_per_hour, 1.0)
    found = usd_of(problem, proven.replicas or plan)
    assert proven.bound <= best + near
    assert found <= known.usd_per_hour + near
    assert found * (1.0 - gap) <= best + near
    assert proven.bound >= (1.0 - gap) * min(found, known.usd_per_hour) - 2 * near


@pytest.mark.parametrize("seconds", [0.0, 1e-3])
def test_without_time_the_bound_of_the_prices_remains(seconds: float) -> None:
    problem = random_fleet(3, must_serve=False)
    ended: Decomposed = decompose(problem)
    proven = prove(problem, ended, target_utilization=1.0, gap=1e-6, seconds=seconds)
    assert proven.bound >= ended.bound_usd_per_hour
    assert proven.bound <= least_usd(problem) + NEAR


def test_replicas_that_would_cost_something_to_stop_are_not_forgotten() -> None:
    """What runs on the dear candidate is no longer worth keeping, and stopping it has its price."""
    for seed in range(30):
        problem = random_fleet(seed, must_serve=False, switching=True)
        ended = decompose(problem)
        proven = prove(problem, ended, target_utilization=1.0, gap=1e-6, seconds=60.0)
        assert proven.bound <= least_usd(problem) + NEAR * max(ended.usd_per_hour, 1.0), seed
