"""Many models under shared caps by Dantzig-Wolfe decomposition, with the Lagrangian bound as proof.

Every accelerator with a cap has a shadow price λ ≥ 0. At given prices each model solves its own small program; the sum
of their least costs, less λ · stock, is a lower bound of any plan's cost, whatever λ is:

    L(λ) = Σ_m min_plan [usd(plan) + λ · gpus(plan)] - λ · stock  ≤  optimum

Their plans go to a master that picks one for each model within the stock; its duals are the next prices. Prices are
smoothed towards the best so far (Wentges 1997), which keeps them from swinging, and start from those of the relaxation
or of the last cycle. Where no choice of the plans on offer comes near the bound, models are planned anew in groups,
within what the others leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from foresail.domain.allocation import AllocationProblem
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.fleet import build
from foresail.policies.allocation.master import Master
from foresail.policies.allocation.offer import Offer
from foresail.policies.allocation.pricing import Pricer, least_offer
from foresail.policies.allocation.program import by_priority
from foresail.policies.allocation.replicas import Replicas
from foresail.policies.allocation.rework import rework
from foresail.policies.programs.highs import Solver

SMOOTHING = 0.6  # share of the best prices so far
ROUNDS = 60
RELAXED_GAP = 1e-4  # between the master's relaxation and the bound: what is left is for whole plans to close
WHOLE_GAP = 5e-3  # at which whole plans are good enough to stop looking for others
SPREAD = 0.3  # of the prices around the best (log scale)
PATIENCE = 2  # rounds without a better plan
FAIR_GAP = 1e-2  # above which models are planned anew in groups
GROUP, SIZES = 4, 3  # models in the smallest group; how often it is doubled where that finds nothing, plus one
LARGE = 8_000  # columns of a fleet; fewer are better looked through in one program (`prove.py`) than group by group
CHOICE_SECONDS = 2.0  # at most, for one choice of whole plans


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """What the models cost at least at some prices.

    Args:
        prices: By accelerator with a cap, in the order of their names, shape (A,).
        least: By model, GPUs at their prices included, shape (M,).
        bound: What no plan costs less than.
    """

    prices: FloatArray
    least: FloatArray
    bound: float


@dataclass(frozen=True, slots=True)
class Decomposed:
    """What the decomposition found.

    Args:
        replicas: The best plan.
        usd_per_hour: Of that plan.
        bound_usd_per_hour: Lagrangian, at `prices`.
        prices: By accelerator, USD per GPU-hour.
        seconds: Of the solver.
        floors: What the models cost at least at every price that was asked, for whoever goes on from here.
    """

    replicas: Replicas
    usd_per_hour: float
    bound_usd_per_hour: float
    prices: Mapping[str, float]
    seconds: float
    floors: tuple[Floor, ...] = ()


@dataclass(frozen=True, slots=True)
class Effort:
    """When a search may stop: at a share of the cost that a better plan could save, or after the solver's seconds."""

    gap: float = 1e-6
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Start:
    """Where a search starts: prices by accelerator, and replicas worth looking at first, such as the last cycle's."""

    prices: Mapping[str, float] | None = None
    replicas: Replicas | None = None


def decompose(
    problem: AllocationProblem,
    *,
    target_utilization: float = 1.0,
    effort: Effort = Effort(),
    start: Start = Start(),
) -> Decomposed:
    """The cheapest plans that were found for a fleet, and a bound on what any plan costs.

    Args:
        problem: Every model with a price of unserved demand; minima within the stock.
        target_utilization: Load over replicas that a plan may reach.
        effort: When to stop.
        start: Where to start.
    """
    search = _Search(problem, target_utilization, effort)
    if start.replicas is not None:
        search.recall(start.replicas)
    prices = relaxed_prices(problem, target_utilization) if start.prices is None else start.prices
    search.run(np.array([prices.get(name, 0.0) for name in search.accelerators]))
    return search.answer()


def relaxed_prices(problem: AllocationProblem, target_utilization: float) -> dict[str, float]:
    """What a GPU of each accelerator would be worth if replicas need not be whole."""
    fleet = build(problem, target_utilization, only_rows=True)
    found = Solver(fleet.program, relaxed=True).solve()
    return {name: max(0.0, -float(found.row_prices[row])) for name, row in fleet.stock_rows.items()}


class _Search:
    """Rounds of pricing and choosing; keeps the best plan and the best bound."""

    def __init__(self, problem: AllocationProblem, target_utilization: float, effort: Effort) -> None:
        self.accelerators = tuple(sorted(problem.gpus))
        self._effort = effort
        self._stock = np.array([float(problem.gpus[name]) for name in self.accelerators])
        self._problem, self._target, self._reworked_seconds = problem, target_utilization, 0.0
        models = by_priority(problem.models)
        self._pricers = [Pricer(model, problem, self.accelerators, target_utilization) for model in models]
        self._plan = [least_offer(model, self.accelerators) for model in models]
        self._master = Master(self._stock, [{offer.replicas: offer} for offer in self._plan])
        self._bound, self._prices = -np.inf, np.zeros(len(self._stock))
        self._floors: list[Floor] = []

    def recall(self, replicas: Sequence[Sequence[int]]) -> None:
        """Offer plans that are known from before."""
        for index, (pricer, known) in enumerate(zip(self._pricers, replicas, strict=True)):
            offer = pricer.recall(known, self._left())
            if offer is not None:
                self._master.add(index, offer)

    def run(self, prices: FloatArray) -> None:
        """Search from these prices, shape (A,)."""
        for _ in range(ROUNDS):
            news = self._price(prices)
            self._choose()
            relaxed, duals = self._master.relax()
            if self._done(relaxed) or (not news and np.allclose(prices, duals)):
                break
            prices = SMOOTHING * self._prices + (1.0 - SMOOTHING) * duals if news else duals
        self._vary(generator := np.random.default_rng(0))
        if sum(pricer.columns for pricer in self._pricers) > LARGE:
            self._rework(generator)

    def _vary(self, generator: np.random.Generator) -> None:
        """Ask at prices around the best ones: whole plans need more to choose from than the relaxation does."""
        best, waits = self._prices, 0
        while waits < PATIENCE and self._left() > 0.0 and self._gap() > max(self._effort.gap, WHOLE_GAP):
            before = self._usd(self._plan)
            self._price(best * np.exp(generator.normal(0.0, SPREAD, len(best))))
            self._choose()
            waits = 0 if self._usd(self._plan) < before else waits + 1

    def _rework(self, generator: np.random.Generator) -> None:
        """Plan groups of models anew, all of them in turn; larger groups where smaller ones find nothing."""
        waits = 0
        while waits < SIZES and self._left() > 0.0 and self._gap() > max(self._effort.gap, FAIR_GAP):
            before, order = self._usd(self._plan), generator.permutation(len(self._plan))
            size = GROUP << waits
            for first in range(0, len(order), size):
                self._rework_group(order[first : first + size].tolist())
            self._choose()
            waits = 0 if self._usd(self._plan) < before else waits + 1

    def _rework_group(self, group: list[int]) -> None:
        if self._left() <= 0.0:
            return
        known = [offer.replicas for offer in self._plan]
        found = rework(self._problem, known, group, self._target)
        self._reworked_seconds += found.seconds
        offers = [
            self._pricers[place].recall(own, None) for place, own in zip(group, found.replicas or (), strict=False)
        ]
        plan = list(self._plan)
        for place, offer in zip(group, offers, strict=False):
            if offer is not None:
                self._master.add(place, offer)
                plan[place] = offer
        if None not in offers and self._usd(plan) < self._usd(self._plan):
            self._plan = plan

    def answer(self) -> Decomposed:
        """What was found so far."""
        prices = dict(zip(self.accelerators, self._prices.tolist(), strict=True))
        replicas = tuple(offer.replicas for offer in self._plan)
        spent = self._effort.seconds - self._left()
        return Decomposed(replicas, self._usd(self._plan), self._bound, prices, spent, tuple(self._floors))

    def _price(self, prices: FloatArray) -> bool:
        """Ask every model at these prices; whether any had a plan that is new."""
        least, news = np.zeros(len(self._pricers)), False
        for index, pricer in enumerate(self._pricers):
            least[index], offer = pricer.price(prices, self._left())
            news |= offer is not None and self._master.add(index, offer)
        bound = float(least.sum() - prices @ self._stock)
        if np.isfinite(bound):
            self._floors.append(Floor(prices, least, bound))
        if bound > self._bound:
            self._bound, self._prices = bound, prices
        return news

    def _choose(self) -> None:
        plan = self._master.choose(min(CHOICE_SECONDS, max(self._left(), 0.1)))
        if plan is not None and self._usd(plan) < self._usd(self._plan):
            self._plan = plan

    def _done(self, relaxed: float) -> bool:
        """Whether the plan is good enough, time is up, or other prices could raise the bound no further."""
        converged = relaxed - self._bound <= RELAXED_GAP * relaxed
        return converged or self._gap() <= self._effort.gap or self._left() <= 0.0

    def _gap(self) -> float:
        usd = self._usd(self._plan)
        return (usd - self._bound) / usd if usd > 0.0 else 0.0

    def _left(self) -> float:
        """Seconds that are left."""
        spent = sum(pricer.seconds for pricer in self._pricers) + self._master.seconds + self._reworked_seconds
        return max(self._effort.seconds - spent, 0.0)

    @staticmethod
    def _usd(plan: Sequence[Offer]) -> float:
        return sum(offer.usd_per_hour for offer in plan)
