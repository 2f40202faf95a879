"""The paper's program for CBC through PuLP, one thread: written from the paper (arXiv 2404.14527, section 4).

    min  Σ_g usd_g · B_g    Σ_g A_sg = 1 for every slice s    Σ_s load_sg · A_sg ≤ B_g    A binary, B whole

Every bucket is cut into slices of equal size, and each slice goes to one GPU type. PuLP comes with CBC and is in the
dependency group "bench" only; the product knows neither.
"""

from __future__ import annotations

import importlib
import resource
import warnings
from dataclasses import dataclass
from typing import Any

from foresail.domain.allocation import TRAFFIC_RPS, Candidate, ModelDemand

ENDED, OPTIMAL = 1, 1  # PuLP: the solver ended well; what it found is called optimal


@dataclass(frozen=True, slots=True)
class Answer:
    """What the rival says.

    Args:
        usd_per_hour: Of its plan, None where it has none.
        finished: Whether it calls that optimal, and within the limit.
        cpu_seconds: Building the model and solving it, the solver's process included.
    """

    usd_per_hour: float | None
    finished: bool
    cpu_seconds: float


def solve_sliced(model: ModelDemand, *, slices: int, cpu_seconds: float) -> Answer:
    """Plan one model.

    Args:
        model: All of it must be served; of its candidates only cost and capacity count.
        slices: Of each bucket, the paper's slice factor.
        cpu_seconds: After which CBC stops.
    """
    begin = _cpu_seconds()
    pulp = importlib.import_module("pulp")
    program, counts = _program(pulp, model, slices)
    with warnings.catch_warnings():  # PuLP 4 will take CBC from elsewhere
        warnings.simplefilter("ignore", DeprecationWarning)
        program.solve(pulp.PULP_CBC_CMD(msg=False, threads=1, timeLimit=cpu_seconds, timeMode="cpu"))
    spent = _cpu_seconds() - begin
    found = program.status == ENDED and all(count.value() is not None for count in counts)
    usd = sum(one.usd_per_hour * round(count.value()) for one, count in zip(model.candidates, counts, strict=True))
    finished = found and program.sol_status == OPTIMAL and spent < cpu_seconds
    return Answer(usd if found else None, finished, spent)


def _program(pulp: Any, model: ModelDemand, slices: int) -> tuple[Any, list[Any]]:
    program = pulp.LpProblem("cheapest_mix", pulp.LpMinimize)
    counts = [program.add_variable(f"B{g}", lowBound=0, cat="Integer") for g in range(len(model.candidates))]
    program += pulp.lpSum(one.usd_per_hour * count for one, count in zip(model.candidates, counts, strict=True))
    loads: list[list[Any]] = [[] for _ in counts]
    for bucket, rps in enumerate(model.demand_rps.ravel()):
        for part in range(slices if rps > TRAFFIC_RPS else 0):
            chosen = [_place(program, one, bucket, (part, g)) for g, one in enumerate(model.candidates)]
            program += pulp.lpSum(variable for variable in chosen if variable is not None) == 1
            for g, variable in enumerate(chosen):
                if variable is not None:
                    load = rps / slices / model.candidates[g].capacity_rps.ravel()[bucket]
                    loads[g].append(float(load) * variable)
    for count, load in zip(counts, loads, strict=True):
        program += pulp.lpSum(load) <= count
    return program, counts


def _place(program: Any, candidate: Candidate, bucket: int, name: tuple[int, int]) -> Any:
    """Whether a slice goes to a type, None where that cannot serve it."""
    able = candidate.capacity_rps.ravel()[bucket] > 0.0
    return program.add_variable(f"A{bucket}_{name[0]}_{name[1]}", cat="Binary") if able else None


def _cpu_seconds() -> float:
    """Of this process and of those it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
