"""A fleet as one program: the quickest proof for a handful of models, and the only one where all must be served.

Within a solver's tolerance (1e-6 of a replica) a trickle may go to a variant without a replica. Where the demand does
not fit once it is routed to replicas that exist, the shares that were lent so are tied to a replica of their own, and
the program is solved again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from foresail.domain.allocation import TRAFFIC_RPS, AllocationProblem, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.cost import cost_of
from foresail.policies.allocation.decompose import Effort, Start, decompose, relaxed_prices
from foresail.policies.allocation.dive import dive
from foresail.policies.allocation.fleet import FleetProgram, build, tie
from foresail.policies.allocation.program import ModelColumns
from foresail.policies.allocation.replicas import Replicas
from foresail.policies.allocation.routing import NOTHING, Routed, route
from foresail.policies.allocation.slices import route_slices
from foresail.policies.programs.highs import Solution, Solver
from foresail.policies.programs.linear import IntArray

PROVEN_GAP = 1e-6
TIE_GAP = 1e-7  # below what priority discounts, or ties would be decided by chance
LENT = 2e-6  # a share beyond what the solver's tolerance leaves of a share that is tied
FIRST_PLAN = 1e6  # a gap that any plan meets
LEAST_SECONDS = 0.5  # for what must be said however little time there is: what can be served
PRICING = 0.5  # share of the time for better shadow prices


@dataclass(frozen=True, slots=True)
class Terms:
    """How a plan is to be made.

    Args:
        target_utilization: Load over replicas that a plan may reach, above 0, at most 1.
        effort: When to stop.
        slices: Shares come in multiples of 1/slices; None: any share.
    """

    target_utilization: float = 1.0
    effort: Effort = Effort()  # noqa: RUF009  frozen
    slices: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Plans by model, what nobody can beat, at which prices, and whether all that must be served is."""

    routed: list[Routed]
    bound: float
    prices: Mapping[str, float]
    complete: bool = True


def solve_at_once(problem: AllocationProblem, terms: Terms) -> Found:
    """The cheapest plan, or the cheapest of those that serve most where not all can be served.

    Args:
        problem: Minima within the stock.
        terms: How.
    """
    fleet = build(problem, terms.target_utilization, terms.slices)
    found, routed = _solve(problem, fleet, terms)
    if found.x is None:
        return serve_most(problem, terms)
    return _with_prices(problem, terms, found, routed)


def _solve(problem: AllocationProblem, fleet: FleetProgram, terms: Terms) -> tuple[Solution, list[Routed]]:
    """Solve until what was planned can be routed to replicas that exist; no solution: there is no plan."""
    gap, left = min(terms.effort.gap, TIE_GAP), terms.effort.seconds
    while True:
        solver = Solver(fleet.program, relative_gap=gap)
        found = solver.solve(left)
        if not found.proven:
            found = _in_time(fleet, found, terms)
        left = max(left - solver.seconds, 0.0)
        if found.x is None:
            return found, []
        routed = _route(problem, fleet, terms, found.x)
        lent = [_lent(columns, found.x) for columns in fleet.columns]
        if not any(map(len, lent)) or not _short(problem, routed, found, terms):
            return found, routed
        tie(fleet, lent, terms.slices or 1)


def _in_time(fleet: FleetProgram, found: Solution, terms: Terms) -> Solution:
    """What is known when time ended the search: the relaxation bounds the cost, and a plan is dived for."""
    relaxed = Solver(fleet.program, relaxed=True).solve()
    if relaxed.x is None:
        return replace(found, x=None, proven=True)
    x = dive(fleet) if terms.slices is None else None
    if x is None and found.x is None:
        found = Solver(fleet.program, relative_gap=FIRST_PLAN).solve()
    elif x is not None and fleet.program.cost @ x < found.objective:
        found = replace(found, x=x, objective=float(fleet.program.cost @ x))
    return replace(found, bound=max(found.bound, relaxed.objective), proven=False)


def serve_most(problem: AllocationProblem, terms: Terms) -> Found:
    """Where all must be served and cannot be: the cheapest of the plans that leave least, so that it can be named."""
    hard = [model.unserved_usd_per_request is None for model in problem.models]
    priced = replace(problem, models=tuple(map(_priced_at_least, problem.models)))
    fleet = build(priced, terms.target_utilization, terms.slices)
    unserved = np.concatenate([columns.unserved for columns, must in zip(fleet.columns, hard, strict=True) if must])
    rps = np.concatenate([traffic.rps for traffic, must in zip(fleet.traffic, hard, strict=True) if must])
    while True:
        x = _least_then_cheapest(fleet, unserved, rps, terms)
        routed = _route(problem, fleet, terms, x)
        lent = [_lent(columns, x) for columns in fleet.columns]
        left = sum(float(own.left_rps.sum()) for own, must in zip(routed, hard, strict=True) if must)
        short = terms.slices is not None or left > float(rps @ x[unserved]) + LENT * float(rps.sum())
        if not short or not any(map(len, lent)):
            return Found(routed, np.nan, {}, complete=False)
        tie(fleet, lent, terms.slices or 1)


def _priced_at_least(model: ModelDemand) -> ModelDemand:
    return replace(model, unserved_usd_per_request=model.unserved_usd_per_request or 0.0)


def _least_then_cheapest(fleet: FleetProgram, unserved: IntArray, rps: FloatArray, terms: Terms) -> FloatArray:
    """Leave as little as can be, then spend as little as that takes."""
    program, seconds = fleet.program, max(terms.effort.seconds / 2, LEAST_SECONDS)
    solver = Solver(program, relative_gap=PROVEN_GAP)
    everything = np.arange(program.columns)
    weights = np.zeros(program.columns)
    weights[unserved] = rps / rps.max(initial=TRAFFIC_RPS)
    solver.set_costs(everything, weights)
    least = solver.solve(seconds)
    if least.x is None:
        return np.where(program.whole, program.lower, 0.0)
    solver.set_bounds(unserved, np.zeros(len(unserved)), np.clip(least.x[unserved] + NOTHING, 0.0, 1.0))
    solver.set_costs(everything, program.cost)
    cheapest = solver.solve(seconds)
    return least.x if cheapest.x is None else cheapest.x


def _with_prices(problem: AllocationProblem, terms: Terms, found: Solution, routed: list[Routed]) -> Found:
    """Better shadow prices by decomposition, and what else it finds where time ended the program early."""
    hard = any(model.unserved_usd_per_request is None for model in problem.models)
    if hard or not problem.gpus or terms.slices is not None:
        return Found(routed, found.bound, {})
    start = Start(
        relaxed_prices(problem, terms.target_utilization), replicas=tuple(own.plan.replicas for own in routed)
    )
    effort = replace(terms.effort, seconds=PRICING * terms.effort.seconds)
    target = terms.target_utilization
    ended = decompose(problem, target_utilization=target, effort=effort, start=start, only_prices=found.proven)
    if not found.proven and ended.usd_per_hour < found.objective:
        routed = route_all(problem, ended.replicas, target)
    return Found(routed, max(found.bound, ended.proven_usd_per_hour), ended.prices)


def route_all(problem: AllocationProblem, replicas: Replicas, target_utilization: float) -> list[Routed]:
    """Route every model's demand to these replicas."""
    return [route(model, own, target_utilization) for model, own in zip(problem.models, replicas, strict=True)]


def _route(problem: AllocationProblem, fleet: FleetProgram, terms: Terms, x: FloatArray) -> list[Routed]:
    if terms.slices is None:
        replicas = tuple(tuple(int(count) for count in x[columns.replicas]) for columns in fleet.columns)
        return route_all(problem, replicas, terms.target_utilization)
    pairs = zip(problem.models, fleet.columns, strict=True)
    return [route_slices(model, columns, x, terms.slices) for model, columns in pairs]


def _lent(columns: ModelColumns, x: FloatArray) -> IntArray:
    """Pairs with a share of a variant that has no replica."""
    return np.flatnonzero((x[columns.shares] > LENT) & (x[columns.replicas][columns.pair_variant] < 1.0))


def _short(problem: AllocationProblem, routed: list[Routed], found: Solution, terms: Terms) -> bool:
    """Whether routing leaves what the program had served by shares that it lent."""
    if terms.slices is not None:
        return True
    if any(model.unserved_usd_per_request is None for model in problem.models):
        hard = zip(problem.models, routed, strict=True)
        return any(model.unserved_usd_per_request is None and own.left_rps.any() for model, own in hard)
    return cost_of(problem, routed) > found.objective * (1.0 + PROVEN_GAP) + 1e-9
