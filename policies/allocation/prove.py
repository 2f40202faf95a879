"""Proving more than prices can: one program of what may still matter, with what each model costs at least.

The Lagrangian bound leaves a gap where the stock splits badly into whole replicas: up to a seventh for twenty models,
less the more there are. One program of the whole fleet could close it, but its relaxation is weaker than the prices
are. So two things are handed over from the decomposition:

    cost_m + λ · gpus_m ≥ least_m(λ)        for each model m and the best prices λ that it was asked at

which lifts the relaxation to the Lagrangian bound (summed with the stock it is that bound); and whatever would cost
more than could be saved, even at its best, is left out: a candidate v of model m is out when

    L + least LP cost of m with y_v ≥ 1 - least_m ≥ (1 - gap) · cost of the best plan      at the best prices

for then no plan with it beats the best one by more than the gap. The rest is a small program with a good start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.decompose import Decomposed, Floor
from foresail.policies.allocation.fleet import FleetProgram, build
from foresail.policies.allocation.program import add_model, by_priority, gpus_of, most_replicas, traffic_of
from foresail.policies.allocation.replicas import Replicas
from foresail.policies.programs.highs import Solver
from foresail.policies.programs.linear import LinearProgram

FLOORS = 6  # prices whose floors are handed over
ROUNDING = 1e-6  # USD/h, of floors


@dataclass(frozen=True, slots=True)
class Proven:
    """The best plan, None where no better one was found, and what no plan costs less than."""

    replicas: Replicas | None
    bound: float


def prove(
    problem: AllocationProblem, known: Decomposed, *, target_utilization: float, gap: float, seconds: float
) -> Proven:
    """Look for a better plan and a better bound.

    Args:
        problem: Every model with a price of unserved demand.
        known: What the decomposition ended with, with one floor at least.
        target_utilization: Load over replicas that a plan may reach.
        gap: At which to stop.
        seconds: Of the solver.
    """
    floors = sorted(known.floors, key=lambda floor: -floor.bound)[:FLOORS]
    best = floors[0]
    worth = (1.0 - gap) * known.usd_per_hour  # a plan that costs less is looked for
    kept = [
        _kept(model, known.replicas[place], problem, target_utilization, best, place, worth)
        for place, model in enumerate(by_priority(problem.models))
    ]
    smaller = _only(problem, kept)
    fleet = build(smaller, target_utilization)
    _add_floors(fleet, smaller, floors)
    solver = Solver(fleet.program, relative_gap=gap, thorough=True)
    solver.start(
        np.concatenate([columns.replicas for columns in fleet.columns]),
        np.array([known.replicas[place][v] for place, own in enumerate(kept) for v in own], np.float64),
    )
    found = solver.solve(seconds)
    bound = max(best.bound, min(found.bound, worth))
    if found.x is None or found.objective >= known.usd_per_hour:
        return Proven(None, bound)
    return Proven(_replicas(problem, kept, fleet, found.x), bound)


def _kept(
    model: ModelDemand,
    replicas: Sequence[int],
    problem: AllocationProblem,
    target_utilization: float,
    floor: Floor,
    place: int,
    worth: float,
) -> list[int]:
    """Candidates of a model that a plan worth looking for may use."""
    forced = _forced_usd(model, problem, target_utilization, floor.prices)
    limit = worth - floor.bound + floor.least[place]
    return [
        v
        for v, candidate in enumerate(model.candidates)
        if replicas[v] > 0 or _is_bound(candidate) or forced[v] < limit
    ]


def _is_bound(candidate: Candidate) -> bool:
    """Whether leaving it out would say something: replicas that stay, or that cost something to stop."""
    stops = bool(candidate.current_replicas) and candidate.stop_usd_per_hour > 0.0
    return candidate.min_replicas > 0 or stops


def _forced_usd(
    model: ModelDemand, problem: AllocationProblem, target_utilization: float, prices: FloatArray
) -> FloatArray:
    """Least cost of a model at prices, parts of replicas allowed, with one of each candidate, shape (V,)."""
    program, traffic = LinearProgram(), traffic_of(model, target_utilization)
    own = add_model(program, model, traffic, most_replicas(model, traffic, problem.gpus)).replicas
    lower, upper = program.lower[own], program.upper[own]
    solver = Solver(program, relaxed=True)
    solver.set_costs(own, program.cost[own] + gpus_of(model, tuple(sorted(problem.gpus))) @ prices)
    usd = np.full(len(own), np.inf)
    for v in np.flatnonzero(upper >= 1.0):
        solver.set_bounds(own, np.maximum(lower, np.arange(len(own)) == v), upper)
        usd[v] = solver.solve().objective
    return usd


def _only(problem: AllocationProblem, kept: Sequence[Sequence[int]]) -> AllocationProblem:
    models = (
        replace(model, candidates=tuple(model.candidates[v] for v in own))
        for model, own in zip(problem.models, kept, strict=True)
    )
    return replace(problem, models=tuple(models))


def _add_floors(fleet: FleetProgram, problem: AllocationProblem, floors: Sequence[Floor]) -> None:
    program, names, costs = fleet.program, tuple(sorted(problem.gpus)), fleet.program.cost
    for place, (model, columns) in enumerate(zip(problem.models, fleet.columns, strict=True)):
        gpus = gpus_of(model, names)
        for floor in floors:
            usd = costs[columns.all].copy()
            usd[: len(columns.replicas)] += gpus @ floor.prices
            row = program.add_rows(1, lower=float(floor.least[place]) - ROUNDING)
            used = np.flatnonzero(usd)
            program.put(np.full(len(used), row[0]), columns.all[used], usd[used])


def _replicas(
    problem: AllocationProblem, kept: Sequence[Sequence[int]], fleet: FleetProgram, x: FloatArray
) -> Replicas:
    plans = []
    for model, own, columns in zip(problem.models, kept, fleet.columns, strict=True):
        plan = [0] * len(model.candidates)
        for v, column in zip(own, columns.replicas, strict=True):
            plan[v] = int(x[column])
        plans.append(tuple(plan))
    return tuple(plans)
