"""The cheapest mix of replicas for a fleet, with its routing, its proof and a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foresail.domain.allocation import Allocation, AllocationProblem, AllocationStatus
from foresail.policies.allocation.at_once import PROVEN_GAP, Found, Terms, route_all, solve_at_once
from foresail.policies.allocation.cost import cost_of
from foresail.policies.allocation.decompose import Effort, Start, decompose
from foresail.policies.allocation.fleet import build
from foresail.policies.allocation.unserved import left_by, list_unserved
from foresail.policies.allocation.words import sentence
from foresail.policies.programs.highs import Solver

__all__ = ["FEW_MODELS", "PROVEN_GAP", "allocate", "answer"]

FEW_MODELS = 5  # one program is the quickest proof up to here (measured: its gap at 20 models was 19 %)


def allocate(
    problem: AllocationProblem,
    *,
    target_utilization: float = 1.0,
    effort: Effort = Effort(),  # noqa: B008  frozen
    start: Start = Start(),  # noqa: B008  frozen
    slices: int | None = None,
) -> Allocation:
    """Plan the replicas of every variant of every model.

    Args:
        problem: Minima within the stock; capacities finite and not negative.
        target_utilization: Load over replicas that a plan may reach, above 0, at most 1.
        effort: When to stop; what was found by then is returned with a valid bound.
        start: Prices and replicas of the last cycle, the latter in the order of the problem's models.
        slices: Each bucket is cut into so many slices and each goes to one variant, as in the paper, all models in
            one program; None: any share.
    """
    order = sorted(range(len(problem.models)), key=lambda index: problem.models[index].name)
    models = tuple(problem.models[index] for index in order)
    ordered = AllocationProblem(models, problem.gpus)
    if start.replicas is not None:
        start = replace(start, replicas=tuple(start.replicas[index] for index in order))
    terms = Terms(target_utilization, effort, slices)
    hard = any(model.unserved_usd_per_request is None for model in models)
    if hard or slices is not None or len(models) <= FEW_MODELS:
        return answer(ordered, solve_at_once(ordered, terms), target_utilization)
    return answer(ordered, _solve_apart(ordered, terms, start), target_utilization)


def _solve_apart(problem: AllocationProblem, terms: Terms, start: Start) -> Found:
    """Each model in a program of its own; where time ended all of them early, the relaxation bounds the cost."""
    target = terms.target_utilization
    ended = decompose(problem, target_utilization=target, effort=terms.effort, start=start)
    bound = ended.proven_usd_per_hour
    if not np.isfinite(bound):
        bound = Solver(build(problem, target).program, relaxed=True).solve().objective
    return Found(route_all(problem, ended.replicas, target), bound, ended.prices)


def answer(problem: AllocationProblem, found: Found, target_utilization: float = 1.0) -> Allocation:
    """What was found, priced and said; models in the order of their names."""
    routed = found.routed
    unserved = list_unserved(problem, routed, target_utilization)
    left = left_by(problem, routed)
    usd = cost_of(problem, routed)
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
