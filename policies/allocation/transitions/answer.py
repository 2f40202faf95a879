"""Replicas that were chosen otherwise than by the cheapest plan, as an allocation: routed, priced and said."""

from __future__ import annotations

from dataclasses import replace

from foresail.domain.allocation import Allocation, AllocationProblem
from foresail.policies.allocation.allocate import answer
from foresail.policies.allocation.at_once import Found, route_all
from foresail.policies.allocation.transitions.share import Plans


def planned(problem: AllocationProblem, plans: Plans, best: Allocation, target_utilization: float = 1.0) -> Allocation:
    """The allocation that these replicas make, with the best one's bound and prices."""
    ordered = replace(problem, models=tuple(sorted(problem.models, key=lambda model: model.name)))
    routed = route_all(ordered, tuple(plans[model.name] for model in ordered.models), target_utilization)
    found = Found(routed, best.bound_usd_per_hour, best.shadow_usd_per_gpu_hour)
    return answer(ordered, found, target_utilization)


def counts_of(problem: AllocationProblem, allocation: Allocation) -> dict[tuple[str, str], int]:
    """Replicas of an allocation by (model, variant)."""
    return {
        (model.name, candidate.name): count
        for model in problem.models
        for candidate, count in zip(model.candidates, allocation.plans[model.name].replicas, strict=True)
    }
