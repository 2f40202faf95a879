"""The cheapest replicas for now, given what may come: what stops may have to start again, and starts cost.

    min   now · usd · y + Σ_v start_v · up_v + Σ_s p_s · (later · usd · z_s + Σ_v start_v · up_sv)
    s.t.  y serves the present demand, z_s that of scenario s, each within the stock
          up ≥ y - current,   up_s ≥ z_s - y

A two-stage program with recourse (Birge and Louveaux 2011, Introduction to Stochastic Programming, §2): a replica that
many scenarios need is kept through a lull, and bought early only where that pays. To plan for the peak instead
(`peak.py`) pays for all of it all the time; that is for demand that has to be served before a later start could help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from foresail.domain.allocation import Allocation, AllocationProblem, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.fleet import share_stock
from foresail.policies.allocation.program import SECONDS_PER_HOUR, add_model, most_replicas, traffic_of
from foresail.policies.allocation.transitions.answer import planned
from foresail.policies.allocation.transitions.share import groups_of, share_of
from foresail.policies.programs.highs import Solver, SolverError
from foresail.policies.programs.linear import IntArray, LinearProgram

MUST_SERVE = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """What may be asked later: demand by model, shape (I, J) each, a model that is not named as now; how likely."""

    demand_rps: Mapping[str, FloatArray]
    probability: float


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds until the next decision, and those after it that a scenario stands for."""

    now_seconds: float
    later_seconds: float


@dataclass(frozen=True, slots=True)
class Search:
    """How a plan is looked for: load over replicas that it may reach, and when to stop."""

    target_utilization: float = 1.0
    gap: float = 1e-3
    seconds: float = 10.0


def look_ahead(
    problem: AllocationProblem,
    best: Allocation,
    scenarios: Sequence[Scenario],
    span: Span,
    search: Search = Search(),
) -> Allocation:
    """The plan that is cheapest with what may come; the best one for now where none is found.

    Args:
        problem: What is asked now; a start costs its replica's price for `startup_seconds`, and prices of changes in
            the candidates are not counted.
        best: The cheapest plan for now, which gives the bound.
        scenarios: Probabilities add up to 1.
        span: How long now and later count.
        search: When to stop, for each group of models.
    """
    plans = {name: plan.replicas for name, plan in best.plans.items()}
    for group in groups_of(problem):
        plans |= _plan(share_of(problem, group, plans), scenarios, span, search)
    return planned(problem, plans, best, search.target_utilization)


def _plan(
    problem: AllocationProblem, scenarios: Sequence[Scenario], span: Span, search: Search
) -> dict[str, tuple[int, ...]]:
    stages = _Stages(problem, scenarios, search.target_utilization)
    now = stages.add(problem, span.now_seconds / SECONDS_PER_HOUR)
    stages.add_starts(now, 1.0)
    for scenario in scenarios:
        later = stages.add(_at(problem, scenario), scenario.probability * span.later_seconds / SECONDS_PER_HOUR)
        stages.add_starts(later, scenario.probability, since=now)
    found = stages.solve(search)
    if found is None:
        return {}
    counts = iter(found[now].astype(int).tolist())
    return {model.name: tuple(next(counts) for _ in model.candidates) for model in problem.models}


def _at(problem: AllocationProblem, scenario: Scenario) -> AllocationProblem:
    """The fleet in a scenario: what cannot be served then has a price, however dear, so that now has an answer."""
    return replace(problem, models=tuple(_later(model, scenario) for model in problem.models))


def _later(model: ModelDemand, scenario: Scenario) -> ModelDemand:
    demand = scenario.demand_rps.get(model.name, model.demand_rps)
    usd = model.unserved_usd_per_request
    return replace(model, demand_rps=demand, unserved_usd_per_request=_dear(model) if usd is None else usd)


def _dear(model: ModelDemand) -> float:
    """USD for a request that must be served: several times what it costs on the dearest variant that can serve it."""
    usd = [
        candidate.usd_per_hour / float(candidate.capacity_rps[candidate.capacity_rps > 0.0].min())
        for candidate in model.candidates
        if (candidate.capacity_rps > 0.0).any()
    ]
    return MUST_SERVE * max(usd, default=1.0) / SECONDS_PER_HOUR


def _times(usd: float | None, hours: float) -> float | None:
    return None if usd is None else usd * hours


@dataclass(slots=True, eq=False)
class _Stages:
    """A program that grows by a stage for now and one for each scenario; mutable."""

    problem: AllocationProblem
    scenarios: Sequence[Scenario]
    target_utilization: float
    program: LinearProgram = field(default_factory=LinearProgram)
    _current: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        candidates = [candidate for model in self.problem.models for candidate in model.candidates]
        counts = [candidate.current_replicas for candidate in candidates]
        unknown = np.inf  # then starts are free
        self._current = np.array([unknown if count is None else count for count in counts], np.float64)

    def add(self, problem: AllocationProblem, hours: float) -> IntArray:
        """The replicas' columns of a stage that lasts so many hours."""
        columns = [self._add_model(model, hours) for model in problem.models]
        share_stock(self.program, problem, columns)
        return np.concatenate([*columns, np.empty(0, np.int64)])

    def add_starts(self, replicas: IntArray, weight: float, *, since: IntArray | None = None) -> None:
        """Price what is started for a stage: since another one, or beyond what runs."""
        usd = [
            weight * candidate.usd_per_hour * candidate.startup_seconds / SECONDS_PER_HOUR
            for model in self.problem.models
            for candidate in model.candidates
        ]
        starts = self.program.add_columns(len(replicas), cost=usd)
        rows = self.program.add_rows(len(replicas), lower=-self._current if since is None else 0.0)
        self.program.put(rows, starts, 1.0)
        self.program.put(rows, replicas, -1.0)
        if since is not None:
            self.program.put(rows, since, 1.0)

    def solve(self, search: Search) -> FloatArray | None:
        """The unknowns, None where nothing was found that holds."""
        solver = Solver(self.program, relative_gap=search.gap)
        try:
            return solver.solve(search.seconds).x
        except SolverError:  # the plan for now is good without what may come
            return None

    def _add_model(self, model: ModelDemand, hours: float) -> IntArray:
        """The model's columns, with costs in USD for that time; changes are priced between stages."""
        timed = replace(
            model,
            candidates=tuple(
                replace(one, usd_per_hour=one.usd_per_hour * hours, current_replicas=None) for one in model.candidates
            ),
            unserved_usd_per_request=_times(model.unserved_usd_per_request, hours),
        )
        traffic = traffic_of(timed, self.target_utilization)
        return add_model(self.program, timed, traffic, self._most(model)).replicas

    def _most(self, model: ModelDemand) -> IntArray:
        """What is of use now or in a scenario, within the maximum and the stock."""
        own = next(one for one in self.problem.models if one.name == model.name)
        asked = [own, *(_later(own, scenario) for scenario in self.scenarios)]
        gpus = self.problem.gpus
        most = [most_replicas(one, traffic_of(one, self.target_utilization), gpus) for one in asked]
        limits: IntArray = np.max(most, axis=0)
        return limits
