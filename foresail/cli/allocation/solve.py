"""Solving a case, with the processor's time that it took, and the same demand on one accelerator only."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache

from foresail.cli.allocation.case import Case
from foresail.domain.allocation import (
    TRAFFIC_RPS,
    Allocation,
    AllocationProblem,
    AllocationStatus,
    Candidate,
    ModelDemand,
)
from foresail.domain.errors import InputError
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.decompose import Effort
from foresail.policies.allocation.transitions.near import stay_near

TIE, SAME = 1e-9, 1e-7  # share of the cost by which plans may differ: asked for, and kept within a solver's rounding
TIE_SECONDS = 2.0  # at most, for one program that breaks ties
RIVAL_SECONDS = 2.0  # at most, for one model on one accelerator: the comparison is not what was asked for


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a case is to be solved.

    Args:
        sliced: Whether shares come in whole slices, as in the paper.
        seconds: Limit of the search.
        target_utilization: Load over replicas that a plan may reach.
    """

    sliced: bool = False
    seconds: float = 120.0
    target_utilization: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """A case, how it was to be solved, and what came of it."""

    case: Case
    wanted: Wanted
    allocation: Allocation
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class OneType:
    """The same demand on one accelerator only, as many of it as that takes.

    Args:
        accelerator: Which.
        unservable: Buckets with traffic that no variant on it can serve.
        gpus: 0 where not all can be served.
        usd_per_hour: Likewise.
        stock: GPUs that there are, None where nothing caps them.
    """

    accelerator: str
    unservable: int
    gpus: int
    usd_per_hour: float
    stock: int | None


def solve(case: Case, wanted: Wanted) -> Solved:
    """Plan a case.

    Raises:
        InputError: It cannot be solved as wanted.
    """
    slices = _slices(case, wanted)
    started = time.process_time()
    allocation = allocate(
        case.problem,
        target_utilization=wanted.target_utilization,
        effort=Effort(seconds=wanted.seconds),
        slices=slices,
    )
    allocation = _nearest(case, wanted, allocation)
    return Solved(case, wanted, allocation, time.process_time() - started)


def _nearest(case: Case, wanted: Wanted, best: Allocation) -> Allocation:
    """Of the plans that cost the same as the best one, that which changes least of what runs."""
    variants = [candidate for model in case.problem.models for candidate in model.candidates]
    changing = any(candidate.current_replicas is not None for candidate in variants)
    if not changing or best.status is not AllocationStatus.OPTIMAL:
        return best
    near = stay_near(
        case.problem,
        best,
        tolerance=TIE,
        target_utilization=wanted.target_utilization,
        seconds=min(TIE_SECONDS, wanted.seconds),
    )
    same = near.usd_per_hour <= best.usd_per_hour * (1.0 + SAME) + SAME
    return near if same and near.status is AllocationStatus.OPTIMAL else best


def _slices(case: Case, wanted: Wanted) -> int | None:
    if not wanted.sliced:
        return None
    if case.is_fleet:
        raise InputError(
            case.source,
            "--semantics",
            "the paper's program has one model, and this is a fleet",
            value="sliced",
            remedy="give one model in Mélange's JSON, or --semantics fractional",
        )
    if case.slice_factor is None:
        raise InputError(
            case.source,
            "slice_factor",
            "is missing",
            value=None,
            remedy="say into how many slices a bucket is cut, or give --semantics fractional",
        )
    return case.slice_factor


@cache
def on_one_type(solved: Solved) -> tuple[OneType, ...]:
    """What each accelerator alone would cost, in the case's order; the table and the plot both ask."""
    return tuple(_alone(solved, accelerator) for accelerator in solved.case.accelerators)


def _alone(solved: Solved, accelerator: str) -> OneType:
    models = [_restricted(model, accelerator) for model in solved.case.problem.models]
    unservable = sum(map(_unservable, models))
    stock = _stock(solved.case, accelerator)
    if unservable:
        return OneType(accelerator, unservable, 0, 0.0, stock)
    plans = [(model, _plan(model, solved)) for model in models]
    gpus = sum(
        count * candidate.gpus_per_replica
        for model, plan in plans
        for candidate, count in zip(model.candidates, plan.plans[model.name].replicas, strict=True)
    )
    return OneType(accelerator, 0, gpus, sum(plan.usd_per_hour for _, plan in plans), stock)


def _plan(model: ModelDemand, solved: Solved) -> Allocation:
    return allocate(
        AllocationProblem((model,), {}),
        target_utilization=solved.wanted.target_utilization,
        effort=Effort(seconds=min(RIVAL_SECONDS, solved.wanted.seconds)),
        slices=_slices(solved.case, solved.wanted),
    )


def _restricted(model: ModelDemand, accelerator: str) -> ModelDemand:
    """A model all of whose demand must be served by variants on one accelerator, without maxima."""
    there = (_uncapped(candidate) for candidate in model.candidates if candidate.accelerator == accelerator)
    return replace(model, candidates=tuple(there), unserved_usd_per_request=None)


def _uncapped(candidate: Candidate) -> Candidate:
    return replace(candidate, max_replicas=None)


def _unservable(model: ModelDemand) -> int:
    able = sum(candidate.capacity_rps > 0.0 for candidate in model.candidates)
    return int(((model.demand_rps > TRAFFIC_RPS) & (able == 0)).sum())


def _stock(case: Case, accelerator: str) -> int | None:
    if case.is_fleet:
        return case.problem.gpus.get(accelerator)
    named = (candidate for candidate in case.problem.models[0].candidates if candidate.name == accelerator)
    return next(named).max_replicas


def refused(solved: Solved) -> bool:
    """Whether the answer is that not all that must be served can be."""
    return solved.allocation.status is AllocationStatus.INFEASIBLE
