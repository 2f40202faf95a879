"""Replicas that were chosen otherwise than by the cheapest plan, as an allocation: routed, priced and said."""

from __future__ import annotations

from dataclasses import replace

from foresail.domain.allocation import Allocation, AllocationProblem, AllocationStatus
from foresail.policies.allocation.allocate import PROVEN_GAP
from foresail.policies.allocation.cost import cost_of
from foresail.policies.allocation.routing import route
from foresail.policies.allocation.transitions.share import Plans
from foresail.policies.allocation.unserved import gpus_left, list_unserved
from foresail.policies.allocation.words import sentence


def answer(problem: AllocationProblem, plans: Plans, best: Allocation, target_utilization: float = 1.0) -> Allocation:
    """The allocation that these replicas make, with the best one's bound and prices."""
    models = tuple(sorted(problem.models, key=lambda model: model.name))
    ordered = replace(problem, models=models)
    routed = [route(model, plans[model.name], target_utilization) for model in models]
    left, usd = gpus_left(ordered, routed), cost_of(ordered, routed)
    made = replace(
        best,
        plans={model.name: own.plan for model, own in zip(models, routed, strict=True)},
        unserved=list_unserved(ordered, routed),
        usd_per_hour=usd,
        bound_usd_per_hour=min(best.bound_usd_per_hour, usd),
        binding=tuple(sorted(name for name, free in left.items() if free <= 0 < ordered.gpus[name])),
    )
    proven = made.gap <= PROVEN_GAP
    made = replace(made, status=AllocationStatus.OPTIMAL if proven else AllocationStatus.FEASIBLE)
    return replace(made, message=sentence(ordered, made))


def counts_of(problem: AllocationProblem, allocation: Allocation) -> dict[tuple[str, str], int]:
    """Replicas of an allocation by (model, variant)."""
    return {
        (model.name, candidate.name): count
        for model in problem.models
        for candidate, count in zip(model.candidates, allocation.plans[model.name].replicas, strict=True)
    }
