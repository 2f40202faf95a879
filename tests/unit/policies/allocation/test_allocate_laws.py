"""What holds for every fleet, small enough to be solved to its optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.allocation import Allocation, AllocationProblem, AllocationStatus, Candidate, ModelDemand
from foresail.policies.allocation.allocate import allocate
from tests.unit.policies.allocation.allocation_cases import ACCELERATORS, fleets, held_usd

NEAR = 2e-5  # relative: the dearest of the demands that a tolerance of 1e-6 of a replica may serve
LOAD = 2e-6  # replicas that a load may exceed them by

laws = settings(max_examples=40, deadline=None)
targets = st.sampled_from((1.0, 0.85, 0.5))


def no_dearer(one: Allocation, other: Allocation) -> bool:
    """Whether a plan costs no more than another; one that serves all that must be is better than one that does not."""
    if AllocationStatus.INFEASIBLE in (one.status, other.status):
        return one.status is not AllocationStatus.INFEASIBLE or other.status is AllocationStatus.INFEASIBLE
    return one.usd_per_hour <= other.usd_per_hour + NEAR * max(other.usd_per_hour, 1.0)


def same_cost(one: Allocation, other: Allocation) -> bool:
    return no_dearer(one, other) and no_dearer(other, one)


def each_model(problem: AllocationProblem, **changes: object) -> AllocationProblem:
    return replace(problem, models=tuple(replace(model, **changes) for model in problem.models))  # type: ignore[arg-type]


def reshaped(candidate: Candidate, places: list[int]) -> Candidate:
    flat = candidate.capacity_rps.ravel()[places]
    return replace(candidate, capacity_rps=flat.reshape(candidate.capacity_rps.shape))


@laws
@given(fleets(), st.sampled_from(ACCELERATORS), st.integers(1, 4))
def test_more_gpus_never_cost_more(problem: AllocationProblem, name: str, more: int) -> None:
    gpus = {own: count + more * (own == name) for own, count in problem.gpus.items()}
    assert no_dearer(allocate(replace(problem, gpus=gpus)), allocate(problem))
    uncapped = {own: count for own, count in problem.gpus.items() if own != name}
    assert no_dearer(allocate(replace(problem, gpus=uncapped)), allocate(problem))


@laws
@given(fleets(), st.sampled_from((1, 3, None)))
def test_looser_limits_never_cost_more(problem: AllocationProblem, more: int | None) -> None:
    def loose(own: Candidate) -> Candidate:
        most = None if own.max_replicas is None or more is None else own.max_replicas + more
        return replace(own, max_replicas=most, min_replicas=max(own.min_replicas - 1, 0))

    models = tuple(replace(model, candidates=tuple(map(loose, model.candidates))) for model in problem.models)
    assert no_dearer(allocate(replace(problem, models=models)), allocate(problem))


@laws
@given(fleets(must_serve=False), st.sampled_from((1.0, 1.3, 3.0)))
def test_more_demand_never_costs_less(problem: AllocationProblem, growth: float) -> None:
    models = tuple(replace(model, demand_rps=growth * model.demand_rps) for model in problem.models)
    assert no_dearer(allocate(problem), allocate(replace(problem, models=models)))


@laws
@given(fleets(), targets)
def test_limits_and_stock_are_kept(problem: AllocationProblem, target: float) -> None:
    found = allocate(problem, target_utilization=target)
    used = dict.fromkeys(ACCELERATORS, 0)
    for model in problem.models:
        for own, count in zip(model.candidates, found.plans[model.name].replicas, strict=True):
            assert own.min_replicas <= count <= (count if own.max_replicas is None else own.max_replicas)
            used[own.accelerator] += own.gpus_per_replica * count
    assert all(used[name] <= count for name, count in problem.gpus.items())
    assert all(used[name] == problem.gpus[name] for name in found.binding)


@laws
@given(fleets(), targets)
def test_no_variant_is_loaded_beyond_the_target(problem: AllocationProblem, target: float) -> None:
    found = allocate(problem, target_utilization=target)
    for model in problem.models:
        plan = found.plans[model.name]
        for place, own in enumerate(model.candidates):
            served = plan.routing[place] > 0.0
            load = float((model.demand_rps * plan.routing[place])[served] @ (1.0 / own.capacity_rps[served]))
            count = plan.replicas[place]
            assert load <= target * count + LOAD
            assert plan.utilization[place] == pytest.approx(min(load / max(count, 1), 1.0), abs=1e-9)


@laws
@given(fleets(), targets)
def test_shares_and_what_is_unserved_make_the_whole(problem: AllocationProblem, target: float) -> None:
    found = allocate(problem, target_utilization=target)
    unserved = {(one.model, one.bucket): one.rps for one in found.unserved}
    for model in problem.models:
        plan = found.plans[model.name]
        assert (plan.routing >= 0.0).all()
        for bucket, rps in np.ndenumerate(model.demand_rps):
            left = unserved.pop((model.name, bucket), 0.0)
            assert 0.0 <= left <= rps
            shares = plan.routing[(slice(None), *bucket)]
            assert shares.sum() == pytest.approx(1.0 - left / rps if rps > 0.0 else 0.0, abs=1e-9)
            able = [own.capacity_rps[bucket] > 0.0 for own in model.candidates]
            assert not shares[~np.array(able)].any()
            assert not shares[np.array(plan.replicas) == 0].any()  # a share needs a replica
    assert not unserved
    hard = {model.name for model in problem.models if model.unserved_usd_per_request is None}
    if found.status is not AllocationStatus.INFEASIBLE:
        assert not hard & {one.model for one in found.unserved}
    else:
        assert hard & {one.model for one in found.unserved}


@laws
@given(fleets())
def test_what_no_variant_can_serve_is_named_and_the_rest_is_served(problem: AllocationProblem) -> None:
    """Without limits, all but what nobody can carry is served where it must be."""
    models = tuple(
        replace(model, candidates=tuple(replace(own, max_replicas=None) for own in model.candidates))
        for model in problem.models
    )
    found = allocate(each_model(AllocationProblem(models, {}), unserved_usd_per_request=None))
    expected = {
        (model.name, bucket)
        for model in models
        for bucket, rps in np.ndenumerate(model.demand_rps)
        if rps > 0.0 and not any(own.capacity_rps[bucket] > 0.0 for own in model.candidates)
    }
    assert {(one.model, one.bucket) for one in found.unserved} == expected
    assert all("no variant can serve" in one.reason for one in found.unserved)
    assert (found.status is AllocationStatus.INFEASIBLE) == bool(expected)


@laws
@given(fleets(), st.randoms(use_true_random=False))
def test_order_does_not_matter(problem: AllocationProblem, random: object) -> None:
    shuffle = random.sample  # type: ignore[attr-defined]
    models = []
    for model in shuffle(problem.models, len(problem.models)):
        places = shuffle(range(model.demand_rps.size), model.demand_rps.size)
        rps = model.demand_rps.ravel()[places].reshape(model.demand_rps.shape)
        own = shuffle(model.candidates, len(model.candidates))
        models.append(replace(model, demand_rps=rps, candidates=tuple(reshaped(one, places) for one in own)))
    assert same_cost(allocate(replace(problem, models=tuple(models))), allocate(problem))


@laws
@given(fleets(), st.sampled_from((0.25, 3.0, 40.0)))
def test_the_cost_is_in_the_currency_of_the_prices(problem: AllocationProblem, factor: float) -> None:
    def priced(own: Candidate) -> Candidate:
        start, stop = factor * own.start_usd_per_hour, factor * own.stop_usd_per_hour
        return replace(own, usd_per_hour=factor * own.usd_per_hour, start_usd_per_hour=start, stop_usd_per_hour=stop)

    def model_priced(model: ModelDemand) -> ModelDemand:
        price = model.unserved_usd_per_request
        return replace(
            model,
            candidates=tuple(map(priced, model.candidates)),
            unserved_usd_per_request=None if price is None else factor * price,
        )

    one, other = allocate(problem), allocate(replace(problem, models=tuple(map(model_priced, problem.models))))
    assert (one.status is AllocationStatus.INFEASIBLE) == (other.status is AllocationStatus.INFEASIBLE)
    if one.status is not AllocationStatus.INFEASIBLE:
        assert other.usd_per_hour == pytest.approx(factor * one.usd_per_hour, rel=NEAR, abs=NEAR)


@laws
@given(fleets())
def test_without_demand_only_the_minima_and_changes_cost(problem: AllocationProblem) -> None:
    models = tuple(replace(model, demand_rps=0.0 * model.demand_rps) for model in problem.models)
    found = allocate(replace(problem, models=models))
    assert found.status is AllocationStatus.OPTIMAL
    assert found.unserved == ()
    least = sum(held_usd(model, [own.min_replicas for own in model.candidates]) for model in models)
    assert found.usd_per_hour <= least + NEAR  # less where stopping is dearer than keeping
    if not any(own.current_replicas for model in models for own in model.candidates):
        assert found.usd_per_hour == pytest.approx(least)
        for model in models:
            assert found.plans[model.name].replicas == tuple(own.min_replicas for own in model.candidates)


@laws
@given(fleets(), targets)
def test_the_same_fleet_has_the_same_answer(problem: AllocationProblem, target: float) -> None:
    one, other = (allocate(problem, target_utilization=target) for _ in range(2))
    assert (one.message, one.usd_per_hour, one.unserved) == (other.message, other.usd_per_hour, other.unserved)
    for model in problem.models:
        mine, its = one.plans[model.name], other.plans[model.name]
        assert mine.replicas == its.replicas
        assert mine.routing.tobytes() == its.routing.tobytes()


@laws
@given(fleets(), targets)
def test_what_costs_most_to_leave_is_named_first(problem: AllocationProblem, target: float) -> None:
    found = allocate(problem, target_utilization=target)
    price = {model.name: model.unserved_usd_per_request for model in problem.models}
    usd = [one.rps * (price[one.model] or 0.0) for one in found.unserved if price[one.model] is not None]
    assert usd == sorted(usd, reverse=True)
