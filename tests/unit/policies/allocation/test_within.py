"""All plans of a model below a cost: none is missing, none comes twice, whatever the limit was raised by."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.allocation import AllocationProblem
from foresail.policies.allocation.pricing import Pricer
from foresail.policies.allocation.within import Within
from tests.unit.policies.allocation.allocation_cases import fleets, held_usd, least_unserved_usd, random_fleet

NEAR = 1e-5


def pricer_of(problem: AllocationProblem) -> tuple[Pricer, tuple[str, ...]]:
    names = tuple(sorted(problem.gpus))
    return Pricer(problem.models[0], problem, names, 1.0), names


def costs(problem: AllocationProblem, pricer: Pricer, extra: dict[str, float]) -> dict[tuple[int, ...], float]:
    """Every plan in the pricer's box with its cost, by a reference that knows no solver."""
    model = problem.models[0]
    plans = list(product(*(range(int(low), int(high) + 1) for low, high in zip(*pricer.box, strict=True))))
    unserved = least_unserved_usd(model, np.array(plans))
    gpus = [
        sum(
            n * own.gpus_per_replica * extra.get(own.accelerator, 0.0)
            for n, own in zip(plan, model.candidates, strict=True)
        )
        for plan in plans
    ]
    held = [held_usd(model, plan) for plan in plans]
    return {plan: own + left + more for plan, own, left, more in zip(plans, held, unserved, gpus, strict=True)}


@settings(max_examples=60, deadline=None)
@given(
    fleets(must_serve=False, most_models=1),
    st.sampled_from([0.0, 0.3, 2.0]),
    st.lists(st.sampled_from([0.0, 0.4, 1.0, 2.5, 6.0]), min_size=1, max_size=3),
)
def test_all_plans_below_a_limit_come_once(problem: AllocationProblem, price: float, limits: list[float]) -> None:
    pricer, names = pricer_of(problem)
    prices = np.full(len(names), price)
    every = costs(problem, pricer, dict.fromkeys(names, price))
    least = pricer.price(prices, None)[0]
    within, seen = Within(pricer, prices, least), list[tuple[int, ...]]()
    for limit in sorted(limits):
        seen += [offer.replicas for offer in within.below(least + limit) if offer is not None]
        near = NEAR * (1.0 + abs(least))
        assert len(seen) == len(set(seen))
        assert {plan for plan, usd in every.items() if usd < least + limit - near} <= set(seen)
        assert all(every[plan] < least + limit + near for plan in seen)
        assert within.floor >= least + limit


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_what_has_not_come_when_time_ends_costs_no_less_than_the_floor(steps: int) -> None:
    """The looking is broken off, so the floor stays low enough for what is missing."""
    for seed in range(20):
        problem = random_fleet(seed, must_serve=False, most_models=1)
        pricer, names = pricer_of(problem)
        every = costs(problem, pricer, {})
        within = Within(pricer, np.zeros(len(names)), min(every.values()) - NEAR)
        looking = within.below(min(every.values()) + 5.0)
        seen = {offer.replicas for offer, _ in zip(looking, range(steps), strict=False) if offer is not None}
        missing = [usd for plan, usd in every.items() if plan not in seen]
        assert within.floor <= min(missing, default=np.inf) + NEAR
