"""What a plan costs: replicas, changes, and demand that nobody serves."""

from __future__ import annotations

from foresail.domain.allocation import AllocationProblem, ModelDemand, ModelPlan
from foresail.policies.allocation.program import SECONDS_PER_HOUR
from foresail.policies.allocation.routing import Routed


def cost_of(problem: AllocationProblem, routed: list[Routed]) -> float:
    """USD per hour of all plans."""
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
