"""Whole plans beyond what prices ask for: to the gap, with a bound that holds, and nothing forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.policies.allocation import decompose as decomposition
from foresail.policies.allocation.decompose import Effort, Start, decompose
from tests.unit.policies.allocation.allocation_cases import fleets, least_usd, random_fleet

NEAR = 1e-5


@settings(max_examples=60, deadline=None)
@given(fleets(must_serve=False), st.sampled_from([1e-6, 0.01, 0.2]), st.booleans())
def test_the_best_plan_is_found_to_the_gap_and_the_bound_holds(
    problem: AllocationProblem, gap: float, off: bool
) -> None:
    """Also from prices that are off: proof then rests on plans that were looked through, not on prices."""
    start = Start(dict.fromkeys(problem.gpus, 0.1)) if off else Start()
    found = decompose(problem, effort=Effort(gap), start=start)
    best, near = least_usd(problem), NEAR * max(found.usd_per_hour, 1.0)
    assert found.bound_usd_per_hour <= found.proven_usd_per_hour <= best + near
    assert found.usd_per_hour * (1.0 - gap) <= best + near
    assert found.proven_usd_per_hour >= (1.0 - gap) * found.usd_per_hour - 2 * near


@pytest.mark.parametrize("seconds", [0.0, 1e-3])
def test_without_time_the_bound_of_the_prices_remains(seconds: float) -> None:
    for seed in range(10):
        problem = random_fleet(seed, must_serve=False)
        found = decompose(problem, effort=Effort(seconds=seconds))
        assert found.bound_usd_per_hour <= found.proven_usd_per_hour <= least_usd(problem) + NEAR


def test_only_prices_promise_no_more_than_prices_do() -> None:
    for seed in range(10):
        found = decompose(random_fleet(seed, must_serve=False), only_prices=True)
        assert found.proven_usd_per_hour == found.bound_usd_per_hour


def test_replicas_that_would_cost_something_to_stop_are_not_forgotten() -> None:
    """What runs on the dear candidate is no longer worth keeping, and stopping it has its price."""
    for seed in range(30):
        problem = random_fleet(seed, must_serve=False, switching=True)
        found = decompose(problem)
        best = least_usd(problem)
        assert found.proven_usd_per_hour <= best + NEAR * max(best, 1.0), seed
        assert found.usd_per_hour == pytest.approx(best, rel=NEAR, abs=NEAR), seed


def test_an_exchange_that_no_price_asks_for_is_found() -> None:
    """Five GPUs, three models that want two each at a time: prices would give all or none of them their second pair."""
    own = Candidate("pair", "A", 2, 2.0, np.array([[1.0]]))
    small = Candidate("single", "A", 1, 1.5, np.array([[0.45]]))
    fleet = tuple(ModelDemand(name, np.array([[1.0]]), (own, small), 0.01) for name in "abc")
    problem = AllocationProblem(fleet, {"A": 5})
    found = decompose(problem)
    assert found.usd_per_hour == pytest.approx(least_usd(problem))
    assert found.proven_usd_per_hour == pytest.approx(found.usd_per_hour, rel=1e-5)


@pytest.mark.parametrize(("gap", "aims"), [(1e-6, [decomposition.GOOD_GAP, 1e-7]), (0.01, [0.01])])
def test_beyond_a_good_gap_there_is_a_while_and_no_more(
    gap: float, aims: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[tuple[float, float]]()
    monkeypatch.setattr(decomposition, "exhaust", lambda whole, _listed: seen.append((whole.gap, whole.left())))
    decompose(random_fleet(3, must_serve=False), effort=Effort(gap, 60.0))
    assert [aim for aim, _ in seen] == pytest.approx(aims)
    assert seen[0][1] > decomposition.POLISH_SECONDS
    assert all(left <= decomposition.POLISH_SECONDS for _, left in seen[1:])
