"""Replicas of the models of a fleet, and the GPUs that they leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from foresail.domain.allocation import ModelDemand

Replicas = tuple[tuple[int, ...], ...]  # by model, by candidate


def gpus_left(gpus: Mapping[str, int], plans: Iterable[tuple[ModelDemand, Sequence[int]]]) -> dict[str, int]:
    """GPUs that plans do not use, by accelerator with a cap.

    Args:
        gpus: That there are.
        plans: Models with their replicas by candidate.
    """
    left = dict(gpus)
    for model, replicas in plans:
        for candidate, count in zip(model.candidates, replicas, strict=True):
            if candidate.accelerator in left:
                left[candidate.accelerator] -= count * candidate.gpus_per_replica
    return left
