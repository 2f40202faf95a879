"""One model's cheapest plan when every GPU costs its shadow price too: the subproblem of the decomposition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foresail.domain.allocation import TRAFFIC_RPS, AllocationProblem, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.offer import Offer
from foresail.policies.allocation.program import SECONDS_PER_HOUR, add_model, gpus_of, most_replicas, traffic_of
from foresail.policies.programs.highs import Solver
from foresail.policies.programs.linear import LinearProgram


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """A model's least cost with parts of replicas allowed.

    Args:
        usd_per_hour: GPUs at their prices included.
        replicas: Shape (V,).
        reduced: Shape (V,): what a replica more, or less where negative, costs on top.
    """

    usd_per_hour: float
    replicas: FloatArray
    reduced: FloatArray


class Pricer:
    """A model's program, kept between prices.

    Args:
        model: With a price of unserved demand, so that every price has an answer.
        problem: For the stock.
        accelerators: Those with a cap, in the order of all price arrays.
        target_utilization: Load over replicas that a plan may reach.
    """

    def __init__(
        self, model: ModelDemand, problem: AllocationProblem, accelerators: tuple[str, ...], target_utilization: float
    ) -> None:
        program, traffic = LinearProgram(), traffic_of(model, target_utilization)
        columns = add_model(program, model, traffic, most_replicas(model, traffic, problem.gpus))
        self._cost, self._replicas = program.cost, columns.replicas
        self.box = (program.lower[columns.replicas], program.upper[columns.replicas])
        self.gpus = gpus_of(model, accelerators)
        self._solver, self._given = Solver(program), Solver(program, relaxed=True)

    def price(self, prices: FloatArray, seconds: float | None) -> tuple[float, Offer | None]:
        """The least cost at these prices, as a bound, and the plan that was found.

        Args:
            prices: Shape (A,), USD per GPU-hour on top of what replicas cost.
            seconds: Limit.
        """
        self._solver.set_costs(self._replicas, self._priced(prices))
        found = self._solver.solve(seconds)
        return found.bound, None if found.x is None else self._offer(found.x)

    def relax(self, prices: FloatArray, lower: FloatArray, upper: FloatArray) -> Relaxed | None:
        """The least cost at these prices with parts of replicas, so many of each; None where there is no plan."""
        self._given.set_costs(self._replicas, self._priced(prices))
        self._given.set_bounds(self._replicas, lower, upper)
        found = self._given.solve()
        if found.x is None:
            return None
        return Relaxed(found.objective, found.x[self._replicas], found.reduced_costs[self._replicas])

    @property
    def seconds(self) -> float:
        """What all solves so far took."""
        return self._solver.seconds + self._given.seconds

    def recall(self, replicas: Sequence[int]) -> Offer | None:
        """What given replicas, such as those known from before, serve and cost; None where they may not be."""
        if len(replicas) != len(self._replicas):
            return None
        if not all(low <= count <= high for count, low, high in zip(replicas, *self.box, strict=True)):
            return None
        self._given.set_bounds(self._replicas, np.asarray(replicas), np.asarray(replicas))
        found = self._given.solve()
        return None if found.x is None else self._offer(found.x)

    def _priced(self, prices: FloatArray) -> FloatArray:
        return np.asarray(self._cost[self._replicas] + self.gpus @ prices)

    def _offer(self, x: FloatArray) -> Offer:
        replicas = np.rint(x[self._replicas])
        return Offer(tuple(int(count) for count in replicas), float(self._cost @ x), replicas @ self.gpus)


def least_offer(model: ModelDemand, accelerators: tuple[str, ...]) -> Offer:
    """The plan that only keeps the minimum and serves nothing with it: there is always one plan."""
    replicas = np.array([candidate.min_replicas for candidate in model.candidates])
    usd = sum(_least_usd(candidate) for candidate in model.candidates)
    unserved_rps = float(model.demand_rps[model.demand_rps > TRAFFIC_RPS].sum())
    usd += unserved_rps * SECONDS_PER_HOUR * (model.unserved_usd_per_request or 0.0)
    return Offer(tuple(replicas.tolist()), usd, replicas @ gpus_of(model, accelerators))


def _least_usd(candidate: Candidate) -> float:
    """Price of a candidate's minimum, and of the change to it."""
    least, now = candidate.min_replicas, candidate.current_replicas
    change = 0 if now is None else least - now
    switch = max(change, 0) * candidate.start_usd_per_hour + max(-change, 0) * candidate.stop_usd_per_hour
    return least * candidate.usd_per_hour + switch
