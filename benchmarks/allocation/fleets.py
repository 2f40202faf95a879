"""Twenty and fifty models that share a pool that is too small for them: gap that is proven, and CPU to prove it.

Each accelerator has 70 to 90 % of the GPUs that its models would take if there were no caps, at least a twentieth of
the pool. Two kinds of fleets: every model with two to four variants that its owner chose, and with every variant that
can serve it. The load then changes by a tenth, each model's for itself, and the fleet is planned again from the
last plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import process_time
from typing import Any

import numpy as np

from benchmarks.allocation.instances import MIXES, Chip, Weights, chips, edges, mix, roofline
from foresail.domain.allocation import Allocation, AllocationProblem, Candidate, ModelDemand
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.decompose import Effort, Start

ACCELERATORS = ("L4", "A10G", "L40S", "A100", "H100", "H200")
SHAPES = ((4, 3), (6, 4), (8, 5), (10, 6))
GPUS = (1, 2, 4, 8)
MOST_GPUS = {"L4": 4, "A10G": 4}  # of one replica; others as many as a node has
GAP = 0.01
WARM_SECONDS = 3.0
BUILDING_SECONDS = 0.4  # of them, before and between what the solver does
UNSERVED_USD_PER_REQUEST = 200.0 / 3600.0  # times one, two or four


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet to plan: how many models, within how much CPU, and whether owners choose two to four variants."""

    models: int
    allowed_seconds: float
    few_variants: bool

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.models} models, {'2 to 4' if self.few_variants else 'all'} variants"


FLEETS = (Fleet(20, 20.0, True), Fleet(20, 20.0, False), Fleet(50, 60.0, True), Fleet(50, 60.0, False))


def measure_fleets(fleet: Fleet, seeds: int) -> dict[str, Any]:
    """So many fleets of a kind."""
    return {"rows": [measure_fleet(fleet, seed) for seed in range(seeds)]}


def measure_fleet(fleet: Fleet, seed: int) -> dict[str, Any]:
    """Plan it, and plan it again after a change of load."""
    problem = make_fleet(fleet, np.random.default_rng(seed))
    cold, seconds = _timed(problem, Effort(GAP, fleet.allowed_seconds), Start())
    changed = vary(problem, np.random.default_rng(1000 + seed))
    last = tuple(cold.plans[model.name].replicas for model in problem.models)
    again = Start(cold.shadow_usd_per_gpu_hour, last)
    warm, warm_seconds = _timed(changed, Effort(GAP, WARM_SECONDS - BUILDING_SECONDS), again)
    return {
        "seed": seed,
        "variants": sum(len(model.candidates) for model in problem.models),
        "gap": cold.gap,
        "cpu_seconds": seconds,
        "warm_gap": warm.gap,
        "warm_cpu_seconds": warm_seconds,
        "usd": cold.usd_per_hour,
        "binding": len(cold.binding),
        "within_caps": within_caps(problem, cold) and within_caps(changed, warm),
    }


def make_fleet(fleet: Fleet, rng: np.random.Generator) -> AllocationProblem:
    """Models on four to six accelerators, and the pool."""
    chosen = set(rng.choice(ACCELERATORS, size=rng.integers(4, 7), replace=False).tolist())
    pool = [chip for chip in chips() if chip.name in chosen]
    models: list[ModelDemand] = []
    while len(models) < fleet.models:
        model = _make_model(f"model-{len(models):02}", pool, fleet, rng)
        models += [model] if model.candidates else []
    return AllocationProblem(tuple(models), _stock(models, pool, rng))


def vary(problem: AllocationProblem, rng: np.random.Generator) -> AllocationProblem:
    """The load a tenth up or down, each model's for itself."""
    models = (replace(one, demand_rps=one.demand_rps * rng.choice([0.9, 1.1])) for one in problem.models)
    return replace(problem, models=tuple(models))


def within_caps(problem: AllocationProblem, allocation: Allocation) -> bool:
    """Whether a plan uses no more GPUs than there are."""
    used = _gpus(problem.models, allocation)
    return all(used[name] <= gpus for name, gpus in problem.gpus.items())


def _timed(problem: AllocationProblem, effort: Effort, start: Start) -> tuple[Allocation, float]:
    begin = process_time()
    return allocate(problem, effort=effort, start=start), process_time() - begin


def _make_model(name: str, pool: Sequence[Chip], fleet: Fleet, rng: np.random.Generator) -> ModelDemand:
    shape = SHAPES[rng.integers(len(SHAPES))]
    inputs, outputs = edges(shape[0], 64, 8192), edges(shape[1], 32, 768)
    size = float(rng.choice([3.0, 8.0, 14.0, 32.0, 70.0]))
    kv = 131_072.0 * float(rng.choice([0.5, 1.0, 2.0])) * (1 if size <= 14 else 2)
    weights = Weights(size, kv, 0.080, 3.0)
    candidates = []
    for chip in pool:
        for gpus in (gpus for gpus in GPUS if gpus <= MOST_GPUS.get(chip.name, GPUS[-1])):
            capacity = roofline(chip.times(gpus), weights, inputs, outputs).capacity_rps
            noisy = capacity * rng.uniform(0.92, 1.08, shape)
            if capacity.any():
                usd = gpus * chip.usd_per_hour
                candidates.append(Candidate(f"{chip.name}-{gpus}", chip.name, gpus, usd, noisy))
    if fleet.few_variants:
        candidates = [candidates[place] for place in sorted(rng.permutation(len(candidates))[: rng.integers(2, 5)])]
    rps = 8.0 * float(rng.choice([1.0, 2.0, 5.0, 10.0, 20.0])) / size**0.7
    priority = int(rng.integers(3))
    demand = rps * mix(MIXES[rng.integers(len(MIXES))], inputs, outputs, rng)
    return ModelDemand(name, demand, tuple(candidates), UNSERVED_USD_PER_REQUEST * 2**priority, priority)


def _stock(models: Sequence[ModelDemand], pool: Sequence[Chip], rng: np.random.Generator) -> dict[str, int]:
    wanted: Counter[str] = Counter()
    for model in models:
        wanted += _gpus([model], allocate(AllocationProblem((model,), {})))
    least = wanted.total() // 20
    return {chip.name: max(round(rng.uniform(0.7, 0.9) * wanted[chip.name]), least) for chip in pool}


def _gpus(models: Sequence[ModelDemand], allocation: Allocation) -> Counter[str]:
    used: Counter[str] = Counter()
    for model in models:
        for candidate, count in zip(model.candidates, allocation.plans[model.name].replicas, strict=True):
            used[candidate.accelerator] += count * candidate.gpus_per_replica
    return used
