from __future__ import annotations

from math import exp

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.transitions.grid import STEP, WOBBLE, on_grid

rates = st.floats(1e-6, 1e4)
wobbles = st.lists(st.floats(-WOBBLE, WOBBLE), min_size=2, max_size=8)
ROOM = (1 + WOBBLE) / (1 - WOBBLE)


@given(rates, wobbles)
def test_rates_that_wobble_around_any_rate_stay_on_one_level(rate: float, wobble: list[float]) -> None:
    held, levels = None, set()
    for share in wobble:
        held = on_grid(np.array([[rate * (1 + share)]]), held)
        levels.add(float(held[0, 0]))
    assert len(levels) == 1


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=8))
def test_levels_cover_the_demand_and_are_at_most_three_percent_above_it(demand: list[float]) -> None:
    held = None
    for rate in demand:
        held = on_grid(np.array([rate]), held)
        assert rate <= held[0] <= rate * ROOM**2 * exp(STEP) * (1 + 1e-8)


@given(st.integers(1, 5), wobbles)
def test_a_demand_that_wobbles_around_what_fills_a_gpu_exactly_has_one_plan(replicas: int, wobble: list[float]) -> None:
    candidates = (Candidate("a", "A", 1, 1.0, np.array([[2.0]])), Candidate("b", "B", 1, 2.9, np.array([[6.0]])))
    held, plans = None, set()
    for share in wobble:
        held = on_grid(np.array([[2.0 * replicas * (1 + share)]]), held)
        plan = allocate(AllocationProblem((ModelDemand("chat", held, candidates),), {}))
        plans.add(plan.plans["chat"].replicas)
    assert len(plans) == 1


def test_without_a_grid_the_same_demand_has_two_plans() -> None:
    candidate = Candidate("a", "A", 1, 1.0, np.array([[2.0]]))
    plans = {
        allocate(AllocationProblem((ModelDemand("chat", np.array([[rps]]), (candidate,)),), {})).plans["chat"].replicas
        for rps in (1.99, 2.01)
    }
    assert plans == {(1,), (2,)}


def test_demand_that_leaves_the_band_gets_a_level_of_its_own() -> None:
    held = on_grid(np.array([10.0, 10.0, 10.0, 0.0]))
    moved = on_grid(np.array([9.0, 10.01, 12.0, 3.0]), held)
    assert moved[0] < held[0]
    assert moved[1] == held[1]
    assert moved[2] > held[2]
    assert moved[3] >= 3.0


def test_no_traffic_stays_no_traffic_and_other_buckets_start_anew() -> None:
    assert on_grid(np.array([0.0, 1e-10])).tolist() == [0.0, 1e-10]
    assert on_grid(np.array([5.0]), np.array([5.05, 5.05])) == on_grid(np.array([5.0]))
