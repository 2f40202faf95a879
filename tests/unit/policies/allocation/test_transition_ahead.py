from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.allocation import AllocationProblem, AllocationStatus, Candidate, ModelDemand
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.transitions.ahead import Scenario, Search, Span, look_ahead
from foresail.policies.allocation.transitions.answer import counts_of
from tests.unit.policies.allocation.allocation_cases import fleets
from tests.unit.policies.allocation.allocation_fleets import crowded_fleet
from tests.unit.policies.allocation.transition_cases import expect_within_stock

MINUTE = 60.0
SPAN = Span(2 * MINUTE, 4 * MINUTE)
laws = settings(max_examples=40, deadline=None)


def fleet(rps: float, current: int | None, *, startup_seconds: float = 300.0) -> AllocationProblem:
    own = Candidate("a", "A", 1, 6.0, np.array([[1.0]]), current_replicas=current, startup_seconds=startup_seconds)
    return AllocationProblem((ModelDemand("chat", np.array([[rps]]), (own,), 1.0),), {"A": 8})


def plan(problem: AllocationProblem, *later: tuple[float, float], span: Span = SPAN) -> tuple[int, ...]:
    scenarios = [Scenario({"chat": np.array([[rps]])}, probability) for rps, probability in later]
    return look_ahead(problem, allocate(problem), scenarios, span).plans["chat"].replicas


def test_what_a_lull_does_not_need_is_kept_where_a_start_would_cost_more() -> None:
    """Two minutes of a replica cost 0.20 USD, a start 0.50: it pays where 2/5 or more of what may come needs it."""
    assert plan(fleet(2.0, 3), (3.0, 0.5), (2.0, 0.5)) == (3,)
    assert plan(fleet(2.0, 3), (3.0, 0.3), (2.0, 0.7)) == (2,)
    assert plan(fleet(2.0, 3, startup_seconds=0.0), (3.0, 0.9), (2.0, 0.1)) == (2,)
    unknown = Candidate("a", "A", 1, 6.0, np.array([[1.0]]), current_replicas=3)  # five minutes, as everywhere
    problem = AllocationProblem((ModelDemand("chat", np.array([[2.0]]), (unknown,), 1.0),), {"A": 8})
    assert plan(problem, (3.0, 0.5), (2.0, 0.5)) == (3,)


def test_nothing_is_started_before_it_is_needed_without_a_reason() -> None:
    """To start now or then costs as much, and to have it until then costs more."""
    assert plan(fleet(2.0, 2), (3.0, 1.0)) == (2,)
    assert plan(fleet(3.0, 2), (3.0, 1.0)) == (3,)


def test_of_two_kinds_the_one_that_lasts_is_started() -> None:
    small = Candidate("small", "A", 1, 1.0, np.array([[1.0]]), current_replicas=0, startup_seconds=300.0)
    large = Candidate("large", "B", 1, 3.5, np.array([[4.0]]), current_replicas=0, startup_seconds=300.0)
    problem = AllocationProblem((ModelDemand("chat", np.array([[3.0]]), (small, large), 1.0),), {})
    assert allocate(problem).plans["chat"].replicas == (3, 0)
    assert plan(problem, (4.0, 1.0)) == (0, 1)  # one more small one would be the dearer way to 4 rps
    assert plan(problem, (3.0, 1.0)) == (3, 0)


def test_stock_binds_now_and_later() -> None:
    assert plan(replace(fleet(2.0, 2), gpus={"A": 2}), (9.0, 1.0)) == (2,)
    assert plan(replace(fleet(2.0, 3), gpus={"A": 2}), (3.0, 1.0)) == (2,)  # one that ran is gone


def test_a_later_demand_that_nobody_could_serve_does_not_keep_now_from_an_answer() -> None:
    problem = fleet(2.0, 2)
    hard = replace(problem, models=(replace(problem.models[0], unserved_usd_per_request=None),))
    assert 2 <= plan(hard, (99.0, 1.0))[0] <= 8
    assert plan(replace(hard, gpus={"A": 1}), (1.0, 1.0)) == (1,)  # nor does a demand now that has none


@laws
@given(fleets(switching=False, must_serve=False), st.floats(0.0, 3.0))
def test_it_serves_now_within_stock_and_never_beats_the_bound(problem: AllocationProblem, factor: float) -> None:
    best = allocate(problem)
    later = [Scenario({own.name: own.demand_rps * share for own in problem.models}, 0.5) for share in (1.0, factor)]
    ahead = look_ahead(problem, best, later, SPAN)
    assert ahead.usd_per_hour >= best.bound_usd_per_hour - 2e-5 * max(best.usd_per_hour, 1.0)
    assert ahead.status in {AllocationStatus.OPTIMAL, AllocationStatus.FEASIBLE}
    counts = counts_of(problem, ahead)
    expect_within_stock(problem, counts)


def at_once(model: ModelDemand) -> ModelDemand:
    """The model with replicas that serve as soon as they are asked for."""
    return replace(model, candidates=tuple(replace(own, startup_seconds=0.0) for own in model.candidates))


@laws
@given(fleets(switching=False))
def test_where_starts_take_no_time_the_best_plan_for_now_is_as_good(problem: AllocationProblem) -> None:
    """To a proof: what is left open of now and later together may all be of now."""
    problem = replace(problem, models=tuple(map(at_once, problem.models)))
    best = allocate(problem)
    if best.status is AllocationStatus.INFEASIBLE:
        return
    ahead = look_ahead(problem, best, [Scenario({}, 1.0)], SPAN, Search(gap=1e-7))
    assert ahead.usd_per_hour == pytest.approx(best.usd_per_hour, rel=2e-3, abs=2e-3)


def test_many_models_look_ahead_one_at_a_time_within_the_stock() -> None:
    problem = crowded_fleet(7, 0)
    best = allocate(problem)
    ahead = look_ahead(problem, best, [Scenario({own.name: 1.5 * own.demand_rps for own in problem.models}, 1.0)], SPAN)
    counts = counts_of(problem, ahead)
    expect_within_stock(problem, counts)
