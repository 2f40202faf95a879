"""What nobody serves, and why: no variant can, no GPU is left, or it costs more than it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand, Unserved
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.program import SECONDS_PER_HOUR, traffic_of
from foresail.policies.allocation.replicas import gpus_left
from foresail.policies.allocation.routing import Routed
from foresail.policies.programs.linear import INFINITY

Left = Mapping[str, int]  # GPUs that no plan uses, by accelerator with a cap


def left_by(problem: AllocationProblem, routed: list[Routed]) -> dict[str, int]:
    """GPUs that the plan does not use, by accelerator with a cap."""
    return gpus_left(problem.gpus, zip(problem.models, (own.plan.replicas for own in routed), strict=True))


def list_unserved(
    problem: AllocationProblem, routed: list[Routed], target_utilization: float = 1.0
) -> tuple[Unserved, ...]:
    """All demand without a replica: what must be served first, then the dearest."""
    left = left_by(problem, routed)
    models = [_as_planned(model, target_utilization) for model in problem.models]
    found = [
        (*_worth(model.unserved_usd_per_request, rps), Unserved(model.name, bucket, rps, why))
        for model, own in zip(models, routed, strict=True)
        for bucket, rps, why in _of(model, own, left)
    ]
    return tuple(unserved for *_, unserved in sorted(found, key=lambda one: one[:2], reverse=True))


def _as_planned(model: ModelDemand, target_utilization: float) -> ModelDemand:
    """The model with what a plan counts on: capacities at the target utilization, none that is next to nothing."""
    traffic = traffic_of(model, target_utilization)
    capacity = np.zeros((len(model.candidates), model.demand_rps.size))
    capacity[:, traffic.bucket] = (traffic.rps[:, None] / traffic.load).T
    shaped = capacity.reshape(-1, *model.demand_rps.shape)
    pairs = zip(model.candidates, shaped, strict=True)
    return replace(model, candidates=tuple(replace(candidate, capacity_rps=own) for candidate, own in pairs))


def _worth(usd_per_request: float | None, rps: float) -> tuple[bool, float]:
    """How much is lost, to be compared: beyond price, or at its price."""
    return (True, rps) if usd_per_request is None else (False, rps * usd_per_request)


def _of(model: ModelDemand, routed: Routed, left: Left) -> list[tuple[tuple[int, int], float, str]]:
    return [
        ((int(row), int(column)), float(routed.left_rps[row, column]), _why(model, routed, (row, column), left))
        for row, column in zip(*np.nonzero(routed.left_rps), strict=True)
    ]


def _why(model: ModelDemand, routed: Routed, bucket: tuple[int, int], left: Left) -> str:
    able = [
        (candidate, count)
        for candidate, count in zip(model.candidates, routed.plan.replicas, strict=True)
        if candidate.capacity_rps[bucket] > 0.0
    ]
    if not able:
        return "no variant can serve requests of this size: add one with a longer context or more memory"
    able.sort(key=lambda pair: pair[0].gpus_per_replica)
    limits = {candidate.name: _limit(candidate, count, left) for candidate, count in able}
    if all(limits.values()):
        # Where the smallest replica has no room on an accelerator, no other has.
        by_accelerator = {candidate.accelerator: limits[candidate.name] for candidate, _ in reversed(able)}
        return f"{'; '.join(dict.fromkeys(by_accelerator.values()))}: raise what binds or lower the demand"
    roomy = [candidate for candidate, _ in able if not limits[candidate.name]]
    if all(_saved_usd(model, candidate, routed.left_rps) <= candidate.usd_per_hour for candidate in roomy):
        return "one more replica costs more than it would save: raise the price of unserved requests"
    return "it was not found out whether serving it costs less: by no more than the gap, which more time may close"


def _saved_usd(model: ModelDemand, candidate: Candidate, left_rps: FloatArray) -> float:
    """What one more replica would save, in USD/h: the dearest of what is left, as far as it carries."""
    price, room, saved = model.unserved_usd_per_request, 1.0, 0.0
    if price is None:
        return INFINITY
    able = (left_rps > 0.0) & (candidate.capacity_rps > 0.0)
    # What a replica saves if it serves only that bucket grows with its capacity there.
    for capacity, rps in sorted(zip(candidate.capacity_rps[able], left_rps[able], strict=True), reverse=True):
        share = min(room, float(rps / capacity))
        saved, room = saved + share * float(capacity) * SECONDS_PER_HOUR * price, room - share
    return saved


def _limit(candidate: Candidate, count: int, left: Left) -> str:
    """What keeps a candidate from one replica more, empty when nothing does."""
    free = left.get(candidate.accelerator)
    if free is not None and free < candidate.gpus_per_replica:
        return (
            f"{free} GPUs of {candidate.accelerator} are left and {candidate.name} needs {candidate.gpus_per_replica}"
        )
    if candidate.max_replicas is not None and count >= candidate.max_replicas:
        return f"{candidate.name} is at its maximum of {candidate.max_replicas}"
    return ""
