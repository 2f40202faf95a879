"""The cheapest mix of replicas for a fleet, with its routing, its proof and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from foresail.domain.allocation import Allocation, AllocationProblem, AllocationStatus, ModelDemand, ModelPlan
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.decompose import Effort, Replicas, Start, decompose, relaxed_prices
from foresail.policies.allocation.fleet import FleetProgram, build
from foresail.policies.allocation.highs import Solver
from foresail.policies.allocation.program import SECONDS_PER_HOUR
from foresail.policies.allocation.routing import Routed, route
from foresail.policies.allocation.unserved import gpus_left, list_unserved
from foresail.policies.allocation.words import sentence

FEW_MODELS = 5  # one program is the quickest proof up to here (measured: its gap at 20 models was 19 %)
PROVEN_GAP = 1e-6


@dataclass(frozen=True, slots=True)
class _Found:
    """Replicas by model, what nobody can beat, at which prices, and whether all that must be served is."""

    replicas: Replicas
    bound: float
    prices: Mapping[str, float]
    complete: bool = True


def allocate(
    problem: AllocationProblem,
    *,
    target_utilization: float = 1.0,
    effort: Effort = Effort(),  # noqa: B008  frozen
    start: Start = Start(),  # noqa: B008  frozen
) -> Allocation:
    """Plan the replicas of every variant of every model.

    Args:
        problem: Minima within the stock; capacities finite and not negative.
        target_utilization: Load over replicas that a plan may reach, above 0, at most 1.
        effort: When to stop; what was found by then is returned with a valid bound.
        start: Prices and replicas of the last cycle.
    """
    models = tuple(sorted(problem.models, key=lambda model: model.name))
    ordered = AllocationProblem(models, problem.gpus)
    if len(models) <= FEW_MODELS or any(model.unserved_usd_per_request is None for model in models):
        found = _solve_at_once(ordered, target_utilization, effort)
    else:
        ended = decompose(ordered, target_utilization=target_utilization, effort=effort, start=start)
        found = _Found(ended.replicas, ended.bound_usd_per_hour, ended.prices)
    routed = [route(model, own, target_utilization) for model, own in zip(models, found.replicas, strict=True)]
    return _answer(ordered, found, routed)


def _solve_at_once(problem: AllocationProblem, target_utilization: float, effort: Effort) -> _Found:
    """One program for all; where time ends it early, what the decomposition finds may be better."""
    fleet = build(problem, target_utilization)
    found = Solver(fleet.program, relative_gap=min(effort.gap, PROVEN_GAP)).solve(effort.seconds)
    if found.x is None:
        return _serve_most(problem, target_utilization, effort)
    prices: Mapping[str, float] = relaxed_prices(problem, target_utilization) if problem.gpus else {}
    at_once = _Found(_replicas(fleet, found.x), found.bound, prices)
    if found.proven or any(model.unserved_usd_per_request is None for model in problem.models):
        return at_once
    ended = decompose(problem, target_utilization=target_utilization, effort=effort)
    better = ended.usd_per_hour < found.objective
    prices = ended.prices if ended.bound_usd_per_hour > found.bound else prices
    bound = max(ended.bound_usd_per_hour, found.bound)
    return _Found(ended.replicas if better else at_once.replicas, bound, prices)


def _serve_most(problem: AllocationProblem, target_utilization: float, effort: Effort) -> _Found:
    """Where all must be served and cannot be: the plan that leaves least, so that what is left can be named."""
    priced = replace(problem, models=tuple(map(_at_any_price, problem.models)))
    fleet = build(priced, target_utilization)
    found = Solver(fleet.program, relative_gap=1e-3).solve(effort.seconds)
    least = tuple(tuple(candidate.min_replicas for candidate in model.candidates) for model in problem.models)
    return _Found(least if found.x is None else _replicas(fleet, found.x), np.nan, {}, complete=False)


def _at_any_price(model: ModelDemand) -> ModelDemand:
    """A model whose buckets are each worth more than any replica, down to a thousandth of its busiest."""
    dearest = max((candidate.usd_per_hour for candidate in model.candidates), default=1.0)
    least = 1e-3 * max(float(model.demand_rps.max(initial=0.0)), 1e-6)
    return replace(model, unserved_usd_per_request=10.0 * max(dearest, 0.01) / (SECONDS_PER_HOUR * least))


def _replicas(fleet: FleetProgram, x: FloatArray) -> Replicas:
    return tuple(tuple(int(count) for count in x[columns.replicas]) for columns in fleet.columns)


def _answer(problem: AllocationProblem, found: _Found, routed: list[Routed]) -> Allocation:
    unserved = list_unserved(problem, routed)
    left = gpus_left(problem, routed)
    usd = _usd(problem, routed)
    bound = min(found.bound, usd) if found.complete else found.bound
    allocation = Allocation(
        status=AllocationStatus.INFEASIBLE,
        plans={model.name: own.plan for model, own in zip(problem.models, routed, strict=True)},
        unserved=unserved,
        usd_per_hour=usd,
        bound_usd_per_hour=bound,
        shadow_usd_per_gpu_hour=found.prices,
        binding=tuple(sorted(name for name, free in left.items() if free <= 0 < problem.gpus[name])),
        message="",
    )
    if found.complete:
        proven = allocation.gap <= PROVEN_GAP
        allocation = replace(allocation, status=AllocationStatus.OPTIMAL if proven else AllocationStatus.FEASIBLE)
    return replace(allocation, message=sentence(problem, allocation))


def _usd(problem: AllocationProblem, routed: list[Routed]) -> float:
    """Replicas, unserved demand and changes, in USD/h."""
    return sum(
        _replicas_usd(model, own.plan)
        + float(own.left_rps.sum()) * SECONDS_PER_HOUR * (model.unserved_usd_per_request or 0.0)
        for model, own in zip(problem.models, routed, strict=True)
    )


def _replicas_usd(model: ModelDemand, plan: ModelPlan) -> float:
    total = 0.0
    for candidate, count in zip(model.candidates, plan.replicas, strict=True):
        change = 0 if candidate.current_replicas is None else count - candidate.current_replicas
        total += count * candidate.usd_per_hour
        total += max(change, 0) * candidate.start_usd_per_hour + max(-change, 0) * candidate.stop_usd_per_hour
    return total
