"""Whether plans are the best there are: cases with proven optima, and small fleets in which every plan is tried."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.allocation.oracle import least_usd_per_hour
from foresail.domain.allocation import AllocationProblem, AllocationStatus, Candidate, ModelDemand
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.fleet import build
from foresail.policies.programs.highs import Solver

EQUAL = 1e-6  # USD per hour, and of the cost
ROUNDED = 1e-4  # below the best by no more: a load may exceed its replicas by a millionth of one
SLICED, FRACTIONAL = "sliced", "fractional"  # the two meanings of a case: with the paper's slices, and without


def measure_golden(folder: Path) -> dict[str, Any]:
    """How far each case is from its proven optimum, in both meanings; empty where there are no cases."""
    cases = [path.with_name(path.name.replace(".expected", "")) for path in sorted(folder.glob("*.expected.json"))]
    return {path.stem: _judge_case(path) for path in cases}


def measure_small(fleets: int) -> dict[str, Any]:
    """Our cost against that of the best of all plans, over so many random fleets."""
    rows = [_compare(small_fleet(np.random.default_rng(seed))) for seed in range(fleets)]
    return {
        "fleets": fleets,
        "can_be_served": sum(best is not None for _, best in rows),
        "above": sum(_differs(own, best) > 0 for own, best in rows),
        "below": sum(_differs(own, best) < 0 for own, best in rows),
    }


def small_fleet(rng: np.random.Generator) -> AllocationProblem:
    """One to three models with two or three variants on two accelerators that are scarce; served or priced."""
    models = tuple(_small_model(rng, f"model-{place}") for place in range(rng.integers(1, 4)))
    return AllocationProblem(models, {"a": int(rng.integers(2, 8)), "b": int(rng.integers(2, 8))})


def _small_model(rng: np.random.Generator, name: str) -> ModelDemand:
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 3)))
    candidates = tuple(_small_candidate(rng, f"{name}-{place}", shape) for place in range(rng.integers(2, 4)))
    priced = None if rng.random() < 0.5 else float(rng.choice([2e-4, 1e-3, 5e-3]))
    return ModelDemand(name, rng.uniform(0.0, 2.0, shape) * (rng.random(shape) < 0.8), candidates, priced)


def _small_candidate(rng: np.random.Generator, name: str, shape: tuple[int, int]) -> Candidate:
    able = rng.random(shape) < 0.85
    gpus, accelerator = int(rng.choice([1, 1, 2, 4])), str(rng.choice(["a", "b"]))
    usd = round(float(rng.uniform(0.5, 5.0)) * gpus, 2)
    capacity = np.round(rng.uniform(0.5, 5.0, shape) * gpus * able, 2)
    return Candidate(name, accelerator, gpus, usd, capacity, max_replicas=int(rng.integers(1, 4)))


def _compare(problem: AllocationProblem) -> tuple[float | None, float | None]:
    allocation = allocate(problem)
    infeasible = allocation.status is AllocationStatus.INFEASIBLE
    return None if infeasible else allocation.usd_per_hour, least_usd_per_hour(problem)


def _differs(own: float | None, best: float | None) -> float:
    """By how much ours costs more; no plan costs more than any."""
    if own is None or best is None:
        return float((own is None) - (best is None))
    within = (EQUAL if own > best else ROUNDED) * max(best, 1.0)
    return 0.0 if abs(own - best) <= within else own - best


def _judge_case(path: Path) -> dict[str, Any]:
    case = json.loads(path.read_text(encoding="utf-8"))
    proven = json.loads(path.with_name(f"{path.stem}.expected.json").read_text(encoding="utf-8"))
    problem = _problem(case)
    found = {FRACTIONAL: _own(problem), SLICED: _sliced(problem, case["slice_factor"])}
    return {
        meaning: {"own": own, "proven": proven[meaning]["cost"], "right": _differs(own, proven[meaning]["cost"]) == 0}
        for meaning, own in found.items()
    }


def _problem(case: Mapping[str, Any]) -> AllocationProblem:
    """A case in the format of the paper's programs; `max_count` caps a type."""
    demand = np.array(case["workload_distribution"], np.float64) * case["total_request_rate"]
    gpus = case["gpu_info"]
    candidates = tuple(Candidate(n, n, 1, g["cost"], np.array(g["tputs"], np.float64)) for n, g in gpus.items())
    caps = {name: info["max_count"] for name, info in gpus.items() if "max_count" in info}
    return AllocationProblem((ModelDemand("model", demand, candidates),), caps)


def _own(problem: AllocationProblem) -> float | None:
    allocation = allocate(problem)
    return None if allocation.status is AllocationStatus.INFEASIBLE else allocation.usd_per_hour


def _sliced(problem: AllocationProblem, slices: int) -> float | None:
    found = Solver(build(problem, slices=slices).program).solve(60.0)
    return None if found.x is None else found.objective
