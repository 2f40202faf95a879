"""Fleets of many models one model at a time: each within the GPUs that the plans of all others leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from foresail.domain.allocation import AllocationProblem, ModelDemand
from foresail.policies.allocation.allocate import FEW_MODELS
from foresail.policies.allocation.replicas import gpus_left

Plans = Mapping[str, tuple[int, ...]]  # replicas by model, by candidate


def groups_of(problem: AllocationProblem) -> Iterator[list[ModelDemand]]:
    """A handful of models at once, of more each on its own; the greatest priority first."""
    models = sorted(problem.models, key=lambda model: (-model.priority, model.name))
    if len(models) <= FEW_MODELS:
        yield models
        return
    for model in models:
        yield [model]


def share_of(problem: AllocationProblem, models: Sequence[ModelDemand], plans: Plans) -> AllocationProblem:
    """The models with the GPUs that the plans of all others leave."""
    inside = {model.name for model in models}
    others = [(model, plans[model.name]) for model in problem.models if model.name not in inside]
    return AllocationProblem(tuple(models), gpus_left(problem.gpus, others))
