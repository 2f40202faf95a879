"""One program for a fleet: slices as in the paper, trickles, time that runs out, and demand that cannot be carried."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from foresail.domain.allocation import Allocation, AllocationProblem, AllocationStatus, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.decompose import Effort
from foresail.policies.allocation.dive import dive
from foresail.policies.allocation.fleet import build

FAST, SLOW = 1e-3, 1e3


def make_problem(
    demand: list[float], *candidates: tuple[str, float, list[float], int | None], usd: float | None = None
) -> AllocationProblem:
    variants = tuple(
        Candidate(name, name, 1, cost, np.array([capacity]), max_replicas=most)
        for name, cost, capacity, most in candidates
    )
    return AllocationProblem((ModelDemand("", np.array([demand]), variants, usd),), {})


def make_random(seed: int, *, types: int = 3, buckets: int = 3) -> AllocationProblem:
    rng = np.random.default_rng(seed)
    speed = rng.uniform(0.5, 3.0, types)
    candidates = tuple(
        Candidate(f"t{place}", f"t{place}", 1, float(fast**0.9), fast * rng.uniform(0.5, 1.5, (1, buckets)))
        for place, fast in enumerate(speed)
    )
    return AllocationProblem((ModelDemand("", rng.uniform(0.1, 1.5, (1, buckets)), candidates),), {})


def cheapest_by_trial(problem: AllocationProblem, slices: int) -> float:
    """Every way to give each bucket's slices to the variants, and the replicas that each way needs."""
    (model,) = problem.models
    usd = np.array([candidate.usd_per_hour for candidate in model.candidates])
    loads = model.demand_rps[0] / np.array([candidate.capacity_rps[0] for candidate in model.candidates]) / slices
    ways = [way for way in product(range(slices + 1), repeat=len(usd)) if sum(way) == slices]
    needs = (
        np.ceil(np.sum([loads[:, bucket] * way for bucket, way in enumerate(chosen)], axis=0) - 1e-9)
        for chosen in product(np.array(ways), repeat=loads.shape[1])
    )
    return min(float(usd @ need) for need in needs)


def shares_of(found: Allocation) -> FloatArray:
    return found.plans[""].routing[:, 0]


@pytest.mark.parametrize("slices", [1, 2, 4])
@pytest.mark.parametrize("seed", range(6))
def test_slices_cost_what_trying_all_ways_finds(seed: int, slices: int) -> None:
    problem = make_random(seed, types=3 if slices < 4 else 2)
    found = allocate(problem, slices=slices)
    shares = shares_of(found)
    assert found.status is AllocationStatus.OPTIMAL
    assert found.usd_per_hour == pytest.approx(cheapest_by_trial(problem, slices), abs=1e-6)
    np.testing.assert_array_equal(shares * slices, np.rint(shares * slices))
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    assert allocate(problem).usd_per_hour <= found.usd_per_hour + 1e-9


@pytest.mark.parametrize("slices", [None, 1, 4])
@pytest.mark.parametrize("usd", [None, 1000.0])
def test_a_trickle_is_not_lent_a_replica_that_is_not_there(usd: float | None, slices: int | None) -> None:
    """5e-7 of a fast replica would pass a solver's tolerance, but it is 5e-4 of the slow one, which is full."""
    fast, slow = ("fast", 5.0, [FAST, SLOW], None), ("slow", 1.0, [1.0, 1.0], None)
    found = allocate(make_problem([0.9999, 5e-4], fast, slow, usd=usd), slices=slices)
    assert found.plans[""].replicas == (0, 2)
    assert found.usd_per_hour == pytest.approx(2.0)
    assert found.status is AllocationStatus.OPTIMAL
    np.testing.assert_allclose(shares_of(found)[1], 1.0)
    assert not found.unserved


@pytest.mark.parametrize("slices", [None, 2])
def test_a_trickle_is_not_lent_a_replica_where_something_else_is_left(slices: int | None) -> None:
    fast, slow = ("fast", 5.0, [FAST, SLOW, 0.0], None), ("slow", 1.0, [1.0, 1.0, 0.0], None)
    found = allocate(make_problem([0.9999, 5e-4, 1.0], fast, slow), slices=slices)
    assert [one.bucket for one in found.unserved] == [(0, 2)]
    assert found.plans[""].replicas == (0, 2)
    assert not shares_of(found)[0].any()


@pytest.mark.parametrize("slices", [None, 8])
@pytest.mark.parametrize("seed", range(3))
def test_when_time_is_up_there_is_a_plan_and_a_bound_that_holds(seed: int, slices: int | None) -> None:
    problem = make_random(seed, types=6, buckets=20)
    best = allocate(problem)
    hurried = allocate(problem, effort=Effort(seconds=1e-6), slices=slices)
    assert hurried.status is AllocationStatus.FEASIBLE
    assert hurried.bound_usd_per_hour <= best.usd_per_hour + 1e-6
    assert best.usd_per_hour <= hurried.usd_per_hour + 1e-6
    assert 0.0 < hurried.gap < 1.0
    assert not hurried.unserved
    assert (hurried.plans[""].utilization <= 1.0).all()


@pytest.mark.parametrize("seed", range(10))
def test_a_dive_ends_within_one_dear_replica_of_the_relaxation(seed: int) -> None:
    problem = make_random(seed, types=6, buckets=20)
    fleet = build(problem)
    x = dive(fleet)
    assert x is not None
    np.testing.assert_array_equal(x[fleet.program.whole], np.rint(x[fleet.program.whole]))
    dearest = max(candidate.usd_per_hour for candidate in problem.models[0].candidates)
    assert allocate(problem).usd_per_hour - 1e-6 <= fleet.program.cost @ x <= allocate(problem).usd_per_hour + dearest


def test_a_dive_has_no_plan_where_there_is_none() -> None:
    assert dive(build(make_problem([1.0], ("small", 1.0, [0.0], None)))) is None


@pytest.mark.parametrize("seconds", [1e-6, 120.0])
def test_what_cannot_be_carried_is_left_by_the_cheapest_plan_that_leaves_least(seconds: float) -> None:
    """Of 3 and 4 rps, a single large replica carries 2 of the second; the small ones carry the first for 3 USD/h."""
    small, large = ("small", 1.0, [1.0, 0.0], None), ("large", 10.0, [2.0, 2.0], 1)
    found = allocate(make_problem([3.0, 4.0], small, large), effort=Effort(seconds=seconds))
    assert found.status is AllocationStatus.INFEASIBLE
    assert found.plans[""].replicas == (3, 1)
    assert found.usd_per_hour == pytest.approx(13.0)
    assert [one.bucket for one in found.unserved] == [(0, 1)]
    assert found.unserved[0].rps == pytest.approx(2.0, abs=1e-5)
    assert "large is at its maximum of 1" in found.unserved[0].reason
    assert np.isnan(found.bound_usd_per_hour)


def test_slices_that_fit_nowhere_are_left_whole() -> None:
    """Two replicas carry one of the two slices of 1.5 rps; the half of the other that would fit is not split off."""
    found = allocate(make_problem([3.0], ("only", 1.0, [1.0], 2)), slices=2)
    assert found.status is AllocationStatus.INFEASIBLE
    assert found.plans[""].replicas == (2,)
    np.testing.assert_array_equal(shares_of(found), [[0.5]])
    assert found.unserved[0].rps == pytest.approx(1.5)


def test_a_plan_that_the_solver_denies_at_first_is_found() -> None:
    """HiGHS 1.15 calls this program infeasible, whose relaxation is whole; within a tighter tolerance it does not."""
    every = np.array([[2.0, 2.0, 2.0]])
    held = Candidate("held", "C", 1, 1.0, np.array([[2.0, 2.0, 3.0]]), min_replicas=1)
    variants = (Candidate("v0", "C", 1, 1.0, every), Candidate("v1", "A", 1, 1.0, every, max_replicas=0), held)
    tight = ModelDemand("tight", np.array([[0.25, 1.0, 1e-6]]), variants, 0.001)
    easy = ModelDemand("easy", np.array([[1.0]]), (Candidate("v", "A", 1, 1.0, np.array([[2.0]])),), 0.001)
    found = allocate(AllocationProblem((tight, easy), {"A": 4, "C": 1}), target_utilization=0.5)
    assert found.status is AllocationStatus.OPTIMAL
    assert found.usd_per_hour == pytest.approx(2.9, abs=1e-5)  # a quarter of 1 rps is left, at 3.6 USD/h per rps
