from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.allocation import AllocationProblem, AllocationStatus, Candidate, ModelDemand
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.transitions.answer import counts_of
from foresail.policies.allocation.transitions.near import change_weight, distance, stay_near
from foresail.policies.programs.highs import Solution, Solver
from tests.unit.policies.allocation.allocation_cases import fleets, random_fleet
from tests.unit.policies.allocation.allocation_fleets import crowded_fleet
from tests.unit.policies.allocation.transition_cases import counts_within, expect_within_stock

NEAR = 2e-5  # relative: what a tolerance of 1e-6 of a replica may serve
laws = settings(max_examples=40, deadline=None)


def one_model(*, current: tuple[int, int], seconds: float = 300.0) -> AllocationProblem:
    old = Candidate("old", "A", 1, 1.05, np.array([[1.0]]), current_replicas=current[0], startup_seconds=seconds)
    new = Candidate("new", "B", 1, 1.0, np.array([[1.0]]), current_replicas=current[1], startup_seconds=seconds)
    return AllocationProblem((ModelDemand("chat", np.array([[4.0]]), (old, new), 0.01),), {})


def test_what_runs_stays_where_the_best_plan_is_hardly_cheaper() -> None:
    problem = one_model(current=(4, 0))
    best = allocate(problem)
    assert best.plans["chat"].replicas == (0, 4)  # 4.00 against 4.20 USD/h
    assert stay_near(problem, best, tolerance=0.06).plans["chat"].replicas == (4, 0)
    assert stay_near(problem, best, tolerance=0.04).plans["chat"].replicas == (3, 1)  # 4.15 is within 4.16
    assert stay_near(problem, best, tolerance=0.0) is best


def test_each_program_has_the_time_that_was_given_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit counts from each solve, so time that was spent is not to be added to it."""
    problem, asked, solve = one_model(current=(4, 0)), list[float | None](), Solver.solve
    best = allocate(problem)

    def listened(self: Solver, seconds: float | None = None) -> Solution:
        asked.append(seconds)
        return solve(self, seconds)

    monkeypatch.setattr(Solver, "seconds", 100.0)
    monkeypatch.setattr(Solver, "solve", listened)
    stay_near(problem, best, tolerance=0.06, seconds=3.0)
    assert [limit for limit in asked if limit is not None] == [3.0] * 3


def test_of_plans_as_near_the_cheapest_is_taken() -> None:
    """Two replicas are missing: either kind is one start each, and a free one weighs as little as any other."""
    problem = one_model(current=(2, 0))
    models = tuple(
        replace(own, candidates=tuple(replace(one, usd_per_hour=one.usd_per_hour / 1000) for one in own.candidates))
        for own in problem.models
    )
    cheap = replace(problem, models=models)
    assert stay_near(cheap, allocate(cheap), tolerance=0.5).plans["chat"].replicas == (2, 2)


def test_a_change_weighs_what_a_start_wastes() -> None:
    own = Candidate("a", "A", 2, 6.0, np.array([[1.0]]), startup_seconds=600.0)
    assert change_weight(own) == pytest.approx(1.0)  # 6 USD/h for ten minutes
    unknown = Candidate("a", "A", 2, 6.0, np.array([[1.0]]))
    assert change_weight(unknown) == pytest.approx(0.5)  # five minutes
    assert 0.0 < change_weight(replace(own, startup_seconds=0.0)) < 0.01 * change_weight(unknown)
    assert change_weight(replace(own, usd_per_hour=0.0)) > 0.0


def test_of_two_changes_alike_the_lesser_priority_makes_it() -> None:
    """One of two models has to leave a GPU of A for one of B."""

    def model(name: str, priority: int) -> ModelDemand:
        candidates = tuple(
            Candidate(own, own, 1, usd, np.array([[1.0]]), current_replicas=int(own == "A"))
            for own, usd in (("A", 1.0), ("B", 1.0))
        )
        return ModelDemand(name, np.array([[1.0]]), candidates, 0.01, priority)

    for greater, lesser in (("x", "y"), ("y", "x")):
        problem = AllocationProblem((model(greater, 100), model(lesser, 0)), {"A": 1, "B": 2})
        plan = stay_near(problem, allocate(problem), tolerance=0.01)
        assert plan.plans[greater].replicas == (1, 0)
        assert plan.plans[lesser].replicas == (0, 1)


def test_a_plan_that_cannot_serve_all_is_left_alone() -> None:
    problem = one_model(current=(4, 0))
    hard = replace(problem, models=(replace(problem.models[0], unserved_usd_per_request=None),), gpus={"A": 1, "B": 1})
    best = allocate(hard)
    assert best.status is AllocationStatus.INFEASIBLE
    assert stay_near(hard, best, tolerance=0.5) is best


def with_current(problem: AllocationProblem, counts: dict[tuple[str, str], int]) -> AllocationProblem:
    models = tuple(
        replace(
            own,
            candidates=tuple(replace(one, current_replicas=counts[own.name, one.name]) for one in own.candidates),
        )
        for own in problem.models
    )
    return replace(problem, models=models)


def expect_near(problem: AllocationProblem, tolerance: float) -> None:
    best = allocate(problem)
    plan = stay_near(problem, best, tolerance=tolerance)
    assert plan.usd_per_hour <= best.usd_per_hour * (1 + tolerance) + NEAR * max(best.usd_per_hour, 1.0)
    assert distance(problem, plan) <= distance(problem, best)
    assert best.status is AllocationStatus.INFEASIBLE or plan.bound_usd_per_hour <= best.bound_usd_per_hour
    counts = counts_of(problem, plan)
    expect_within_stock(problem, counts)
    for own in problem.models:
        for one in own.candidates:
            assert counts[own.name, one.name] >= one.min_replicas
            kept = max(one.max_replicas or 0, one.min_replicas)
            assert one.max_replicas is None or counts[own.name, one.name] <= kept


@laws
@given(st.data(), fleets(switching=False), st.sampled_from((0.0, 0.05, 0.3)))
def test_it_costs_no_more_than_allowed_and_never_changes_more_than_the_best_plan(
    data: st.DataObject, problem: AllocationProblem, tolerance: float
) -> None:
    expect_near(with_current(problem, data.draw(counts_within(problem))), tolerance)


@pytest.mark.parametrize("seed", [0, 1])
def test_many_models_are_moved_one_at_a_time_within_the_stock(seed: int) -> None:
    fleet = crowded_fleet(8, seed)
    then = allocate(fleet)
    grown = replace(fleet, models=tuple(replace(own, demand_rps=own.demand_rps * 1.02) for own in fleet.models))
    expect_near(with_current(grown, counts_of(fleet, then)), 0.05)


def test_what_ran_before_prices_moved_runs_on() -> None:
    fleet = random_fleet(3, must_serve=False, switching=False)
    counts = counts_of(fleet, allocate(fleet))
    moved = with_current(
        replace(
            fleet,
            models=tuple(
                replace(
                    own,
                    candidates=tuple(
                        replace(one, usd_per_hour=one.usd_per_hour * (1.0 + 0.02 * place))
                        for place, one in enumerate(own.candidates)
                    ),
                )
                for own in fleet.models
            ),
        ),
        counts,
    )
    plan = stay_near(moved, allocate(moved), tolerance=0.1)
    assert counts_of(moved, plan) == counts
