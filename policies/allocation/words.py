"""A plan in one sentence."""

from __future__ import annotations

from collections import Counter

from foresail.domain.allocation import Allocation, AllocationProblem, AllocationStatus


def sentence(problem: AllocationProblem, allocation: Allocation) -> str:
    """What runs, what it costs, how good that is, what binds and what is left."""
    parts = [f"{_mix(problem, allocation)} for {allocation.usd_per_hour:.2f} USD/h", _proof(allocation)]
    if allocation.binding:
        parts.append(f"every GPU of {', '.join(allocation.binding)} is in use")
    if allocation.unserved:
        worst = allocation.unserved[0]
        more = len(allocation.unserved) - 1
        rest = f" and {more} more bucket{'s' if more > 1 else ''}" if more else ""
        where = f"bucket [{worst.bucket[0]}, {worst.bucket[1]}]" + (f" of {worst.model}" if worst.model else "")
        parts.append(f"{worst.rps:.3g} rps in {where}{rest} are unserved: {worst.reason}")
    return "; ".join(parts) + "."


def _mix(problem: AllocationProblem, allocation: Allocation) -> str:
    counts: Counter[str] = Counter()
    for model in problem.models:
        for candidate, count in zip(model.candidates, allocation.plans[model.name].replicas, strict=True):
            counts[candidate.accelerator] += count * candidate.gpus_per_replica
    return " + ".join(f"{count} {name}" for name, count in sorted(counts.items()) if count) or "no GPUs"


def _proof(allocation: Allocation) -> str:
    if allocation.status is AllocationStatus.OPTIMAL:
        return "no plan costs less"
    if allocation.status is AllocationStatus.INFEASIBLE:
        return "not all demand can be served"
    return f"no plan costs less than {allocation.bound_usd_per_hour:.2f} ({100 * allocation.gap:.2g} % below)"
