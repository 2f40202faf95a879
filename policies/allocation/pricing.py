"""One model's cheapest plan when every GPU costs its shadow price too: the subproblem of the decomposition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foresail.domain.allocation import TRAFFIC_RPS, AllocationProblem, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.offer import Offer
from foresail.policies.allocation.program import SECONDS_PER_HOUR, add_model, gpus_of, most_replicas, traffic_of
from foresail.policies.programs.highs import Solver
from foresail.policies.programs.linear import LinearProgram


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
        self._least, self._most = program.lower[columns.replicas], program.upper[columns.replicas]
        self.gpus, self.columns = gpus_of(model, accelerators), program.columns
        self._solver = Solver(program)

    def price(self, prices: FloatArray, seconds: float | None) -> tuple[float, Offer | None]:
        """The least cost at these prices, as a bound, and the plan that was found.

        Args:
            prices: Shape (A,), USD per GPU-hour on top of what replicas cost.
            seconds: Limit.
        """
        self._solver.set_costs(self._replicas, self._cost[self._replicas] + self.gpus @ prices)
        found = self._solver.solve(seconds)
        return found.bound, None if found.x is None else self._offer(found.x)

    @property
    def seconds(self) -> float:
        """What all solves so far took."""
        return self._solver.seconds

    def recall(self, replicas: Sequence[int], seconds: float | None) -> Offer | None:
        """What replicas known from before would serve and cost now, None where they are out of the question."""
        if len(replicas) != len(self._replicas):
            return None
        if not all(low <= count <= high for count, low, high in zip(replicas, self._least, self._most, strict=True)):
            return None
        self._solver.set_bounds(self._replicas, np.asarray(replicas), np.asarray(replicas))
        found = self._solver.solve(seconds)
        self._solver.set_bounds(self._replicas, self._least, self._most)
        return None if found.x is None else self._offer(found.x)

    def _offer(self, x: FloatArray) -> Offer:
        replicas = x[self._replicas]
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
