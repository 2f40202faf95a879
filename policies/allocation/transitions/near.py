"""Of all plans that cost at most 1 + ε times the best one: the plan nearest to what runs.

    min   Σ_v weight_v · (up_v + down_v)
    s.t.  usd · x ≤ (1 + ε) · usd of the best plan,   y_v - up_v + down_v = current_v,   and the rows of the plan

and then, of the plans that are as near, the cheapest. A change weighs what a start of that replica wastes. A handful of
models is moved at once; of more, each on its own, within its own cost and the GPUs that all others leave.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foresail.domain.allocation import Allocation, AllocationProblem, AllocationStatus, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.fleet import build
from foresail.policies.allocation.program import add_changes
from foresail.policies.allocation.transitions.answer import planned
from foresail.policies.allocation.transitions.share import Plans, groups_of, share_of
from foresail.policies.programs.highs import Solution, Solver
from foresail.policies.programs.linear import IntArray, LinearProgram

LEAST_SECONDS = 1.0  # a change wastes something even where a replica serves at once: of plans alike the nearer one
LEAST_USD_PER_GPU_HOUR = 0.01  # a change of a free replica counts too
PRIORITY_WEIGHT = 1e-3  # of a change, between the least and the most important model: decides ties only
ROUNDING = 1e-7


def stay_near(
    problem: AllocationProblem,
    best: Allocation,
    *,
    tolerance: float,
    target_utilization: float = 1.0,
    seconds: float = 10.0,
) -> Allocation:
    """The plan that changes least of those within the tolerance of the best one; the best one if none changes less.

    Args:
        problem: As `best` was found for; a candidate without `current_replicas` may change freely.
        best: The plan to compare with; where it leaves demand that must be served it is returned as it is.
        tolerance: Share of its cost that fewer changes may cost, at least 0.
        target_utilization: As `best` was found with.
        seconds: Of the solver, for one program.
    """
    if best.status is AllocationStatus.INFEASIBLE:
        return best
    plans = {name: plan.replicas for name, plan in best.plans.items()}
    for group in groups_of(problem):
        search = _Search(share_of(problem, group, plans), problem.models, target_utilization)
        plans |= search.nearest(plans, tolerance, seconds)
    nearer = planned(problem, plans, best, target_utilization)
    return nearer if distance(problem, nearer) < distance(problem, best) - ROUNDING else best


def distance(problem: AllocationProblem, plan: Allocation) -> float:
    """Replicas to start and to stop, each by its weight."""
    return sum(
        change_weight(candidate) * _stake(model, problem.models) * abs(count - candidate.current_replicas)
        for model in problem.models
        for candidate, count in zip(model.candidates, plan.plans[model.name].replicas, strict=True)
        if candidate.current_replicas is not None
    )


def change_weight(candidate: Candidate) -> float:
    """USD that a start wastes until the replica serves; a stop weighs as much, as it may have to be taken back."""
    usd = max(candidate.usd_per_hour, LEAST_USD_PER_GPU_HOUR * candidate.gpus_per_replica)
    return usd * max(candidate.startup_seconds, LEAST_SECONDS) / 3600.0


def _stake(model: ModelDemand, models: Sequence[ModelDemand]) -> float:
    """A little more than 1, most for the greatest priority."""
    below = sum(other.priority < model.priority for other in models)
    return 1.0 + PRIORITY_WEIGHT * below / len(models)


class _Search:
    """The program of some models with their changes, its cost and its distance as two columns that can be limited."""

    def __init__(self, problem: AllocationProblem, everyone: Sequence[ModelDemand], target_utilization: float) -> None:
        fleet = build(problem, target_utilization)
        program, self._models = fleet.program, problem.models
        self._replicas = [columns.replicas for columns in fleet.columns]
        own = program.columns
        self._usd, self._distance = program.add_columns(2)
        program.put(program.add_rows(1, upper=0.0)[0], np.arange(own + 1), np.append(program.cost[:own], -1.0))
        within = program.add_rows(1, upper=0.0)[0]
        program.put(within, self._distance, -1.0)
        for model, columns in zip(problem.models, self._replicas, strict=True):
            _count_changes(program, model, columns, within, _stake(model, everyone))
        self._upper, self._columns = program.upper, program.columns
        self._solver = Solver(program)

    def nearest(self, plans: Plans, tolerance: float, seconds: float) -> dict[str, tuple[int, ...]]:
        """Replicas of the models, nearest to what runs, within the tolerance of what their plans cost."""
        best = np.concatenate([plans[model.name] for model in self._models])
        usd = self._minimise(self._usd, seconds, replicas=(best, best))
        if usd.x is None:
            return {}
        self._limit(self._usd, usd.objective * (1.0 + tolerance) + ROUNDING)
        nearest = self._minimise(self._distance, seconds, replicas=self._range(best))
        if nearest.x is None:
            return {}
        self._limit(self._distance, nearest.objective * (1.0 + ROUNDING) + ROUNDING)
        cheapest = self._minimise(self._usd, seconds, replicas=self._range(best))
        x = nearest.x if cheapest.x is None else cheapest.x
        return {
            model.name: tuple(int(count) for count in x[columns])
            for model, columns in zip(self._models, self._replicas, strict=True)
        }

    def _range(self, best: IntArray) -> tuple[FloatArray, FloatArray]:
        """Between the minimum and what is of use, planned, or running within the maximum."""
        candidates = [candidate for model in self._models for candidate in model.candidates]
        least = np.array([float(candidate.min_replicas) for candidate in candidates])
        most = [
            min(candidate.current_replicas or 0, np.inf if candidate.max_replicas is None else candidate.max_replicas)
            for candidate in candidates
        ]
        useful = self._upper[np.concatenate(self._replicas)]
        return least, np.maximum(np.maximum(most, useful), best)

    def _minimise(
        self, column: int, seconds: float, *, replicas: tuple[IntArray, IntArray] | tuple[FloatArray, FloatArray]
    ) -> Solution:
        cost = np.zeros(self._columns)
        cost[column] = 1.0
        self._solver.set_costs(np.arange(self._columns), cost)
        self._solver.set_bounds(np.concatenate(self._replicas), *replicas)
        return self._solver.solve(seconds)

    def _limit(self, column: int, most: float) -> None:
        self._solver.set_bounds(np.array([column]), np.zeros(1), np.array([most]))


def _count_changes(program: LinearProgram, model: ModelDemand, replicas: IntArray, within: int, stake: float) -> None:
    for candidate, column in zip(model.candidates, replicas, strict=True):
        if candidate.current_replicas is None:
            continue
        changes = add_changes(program, column, candidate.current_replicas)
        program.put(within, changes, change_weight(candidate) * stake)
