"""How quick a plan with its proof is, by size, and against the paper's program on CBC in the same run."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.allocation.instances import MIXES, one_model
from benchmarks.allocation.rival import solve_sliced
from foresail.domain.allocation import AllocationProblem, AllocationStatus
from foresail.policies.allocation.allocate import allocate

WORSE = 1e-6  # of the cost


@dataclass(frozen=True, slots=True)
class Size:
    """Instances of one size.

    Args:
        types: GPU types.
        shape: Buckets, input lengths by output lengths.
        slices: Of a bucket, for the rival.
        rps: Rates.
        seeds: Of each mix at each rate.
        rival_instances: How many of them the rival gets, spread over mixes and rates.
        allowed_seconds: Asked of the 95th percentile.
    """

    types: int
    shape: tuple[int, int]
    slices: int
    rps: tuple[float, ...]
    seeds: int
    rival_instances: int
    allowed_seconds: float

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.types} types, {self.shape[0] * self.shape[1]} buckets"

    def instances(self) -> Iterator[AllocationProblem]:
        """All of them, the seed changing last."""
        for seed, rps, kind in itertools.product(range(self.seeds), self.rps, MIXES):
            yield one_model(self.types, self.shape, kind, rps, seed)

    def for_rival(self) -> Iterator[tuple[int, AllocationProblem]]:
        """Its share, with their numbers."""
        count = len(self.rps) * len(MIXES) * self.seeds
        chosen = set(np.linspace(0, count - 1, self.rival_instances).astype(int).tolist())
        yield from ((number, problem) for number, problem in enumerate(self.instances()) if number in chosen)


SIZES = (
    Size(4, (10, 6), 8, (4.0, 16.0, 64.0, 128.0), 4, 9, 0.06),
    Size(8, (10, 10), 8, (20.0, 100.0, 500.0), 4, 6, 0.15),
    Size(12, (15, 15), 16, (20.0, 100.0, 300.0), 3, 3, 0.5),
    Size(16, (20, 20), 16, (100.0, 300.0), 2, 1, 2.0),
)


def measure_size(size: Size) -> dict[str, Any]:
    """Ours: CPU seconds of one thread from the problem to the plan with routing and proof."""
    _plan(next(size.instances()))  # what is loaded once is not the plan's
    rows = [_plan(problem) for problem in size.instances()]
    seconds = [row["cpu_seconds"] for row in rows]
    return {
        "instances": rows,
        "median_seconds": statistics.median(seconds),
        "p95_seconds": float(np.percentile(seconds, 95)),
        "proven": sum(row["proven"] for row in rows),
    }


def measure_rival(size: Size, limit_seconds: float) -> dict[str, Any]:
    """The rival's answers, by number of the instance."""
    rows = {}
    for number, problem in size.for_rival():
        answer = solve_sliced(problem.models[0], slices=size.slices, cpu_seconds=limit_seconds)
        rows[number] = {"cpu_seconds": answer.cpu_seconds, "usd": answer.usd_per_hour, "finished": answer.finished}
    return {"limit_seconds": limit_seconds, "instances": rows}


def compare(own: dict[str, Any], rival: dict[str, Any]) -> dict[str, Any]:
    """How many times our CPU the rival takes: where it finished, and at least on all; and who is dearer."""
    pairs = [(own["instances"][number], row) for number, row in rival["instances"].items()]
    factors = [row["cpu_seconds"] / mine["cpu_seconds"] for mine, row in pairs]
    finished = [factor for factor, (_, row) in zip(factors, pairs, strict=True) if row["finished"]]
    usd = [(mine["usd"], row["usd"]) for mine, row in pairs if row["usd"] is not None]
    return {
        "instances": len(pairs),
        "finished": len(finished),
        "factors_where_finished": finished,
        "factors_at_least": factors,
        "rival_median_seconds": statistics.median(row["cpu_seconds"] for _, row in pairs),
        "rival_dearer": sum(theirs > mine * (1 + WORSE) for mine, theirs in usd),
        "own_dearer": sum(mine > theirs * (1 + WORSE) for mine, theirs in usd),
    }


def _plan(problem: AllocationProblem) -> dict[str, Any]:
    begin = process_time()
    allocation = allocate(problem)
    seconds = process_time() - begin
    proven = allocation.status is AllocationStatus.OPTIMAL
    return {"cpu_seconds": seconds, "usd": allocation.usd_per_hour, "proven": proven}
