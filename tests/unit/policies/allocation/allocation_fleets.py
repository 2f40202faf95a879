"""Fleets of many models in a pool that is too small for them, made of round numbers and a seed."""

from __future__ import annotations

import numpy as np

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray

# USD per GPU-hour, and how fast next to the first.
GPUS = {"L4": (0.7, 1.0), "L40S": (1.9, 2.2), "A100": (3.7, 4.5), "H100": (7.5, 9.5), "H200": (9.0, 11.0)}
POOL_SHARE = 0.6  # of what all models would take if each had its cheapest variant to itself


def crowded_fleet(models: int, seed: int) -> AllocationProblem:
    """Some models of two to four variants with four to twelve buckets, and a stock that binds."""
    generator = np.random.default_rng(seed)
    names = sorted(GPUS)[: int(generator.integers(3, 6))]
    fleet = tuple(_model(generator, f"model-{place:02}", names) for place in range(models))
    wanted = {name: sum(_wanted_gpus(model, name) for model in fleet) for name in names}
    return AllocationProblem(fleet, {name: int(POOL_SHARE * gpus) + 1 for name, gpus in wanted.items()})


def _model(generator: np.random.Generator, name: str, accelerators: list[str]) -> ModelDemand:
    shape = (int(generator.integers(2, 5)), int(generator.integers(2, 4)))
    rate, weight = generator.uniform(2.0, 60.0), generator.uniform(0.5, 4.0)
    demand = rate * generator.dirichlet(np.full(shape[0] * shape[1], 0.7)).reshape(shape)
    size = np.outer(4.0 ** np.arange(shape[0]), 2.0 ** np.arange(shape[1])) * weight  # work of a request
    pairs = [(own, gpus) for own in accelerators for gpus in (1, 2, 4)]
    chosen = generator.permutation(len(pairs))[: int(generator.integers(2, 5))]
    candidates = tuple(_candidate(generator, pairs[place], size) for place in sorted(chosen))
    return ModelDemand(name, demand, candidates, 1e-3 * float(generator.choice([1.0, 2.0, 5.0])) * weight)


def _candidate(generator: np.random.Generator, pair: tuple[str, int], size: FloatArray) -> Candidate:
    (accelerator, gpus), (usd, speed) = pair, GPUS[pair[0]]
    capacity = 10.0 * speed * gpus**0.9 * generator.uniform(0.8, 1.2, size.shape) / size
    too_long = size > 40.0 * gpus * speed
    return Candidate(f"{accelerator}x{gpus}", accelerator, gpus, usd * gpus, np.where(too_long, 0.0, capacity))


def _wanted_gpus(model: ModelDemand, accelerator: str) -> float:
    """GPUs of an accelerator if every bucket went to the variant that is cheapest for it."""
    with np.errstate(divide="ignore"):
        usd = [own.usd_per_hour / own.capacity_rps for own in model.candidates]
    best = np.argmin(usd, axis=0)
    total = 0.0
    for place, own in enumerate(model.candidates):
        mine = (best == place) & (own.capacity_rps > 0.0) & (own.accelerator == accelerator)
        total += float((model.demand_rps[mine] / own.capacity_rps[mine]).sum()) * own.gpus_per_replica
    return total
