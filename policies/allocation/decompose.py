"""Many models under shared caps by Dantzig-Wolfe decomposition, with the Lagrangian bound as proof.

Every accelerator with a cap has a shadow price λ ≥ 0. At given prices each model solves its own small program; the sum
of their least costs, less λ · stock, is a lower bound of any plan's cost, whatever λ is:

    L(λ) = Σ_m min_plan [usd(plan) + λ · gpus(plan)] - λ · stock  ≤  optimum

Their plans go to a master that picks one for each model within the stock; its duals are the next prices. Prices are
smoothed towards the best so far (Wentges 1997), which keeps them from swinging, and start from those of the relaxation
or of the last cycle. Where prices lead no further, `exhaust.py` goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from foresail.domain.allocation import AllocationProblem
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.exhaust import exhaust, list_plans
from foresail.policies.allocation.fleet import build
from foresail.policies.allocation.master import CHOICE_GAP, Master, choose
from foresail.policies.allocation.offer import Offer, usd_of
from foresail.policies.allocation.pricing import Pricer, least_offer
from foresail.policies.allocation.program import by_priority
from foresail.policies.allocation.replicas import Replicas
from foresail.policies.allocation.vicinity import look_around
from foresail.policies.allocation.whole import CHOICE_SECONDS, Floor, Whole
from foresail.policies.programs.highs import Solver

SMOOTHING = 0.6  # share of the best prices so far
ROUNDS = 60
RELAXED_GAP = 1e-4  # between the master's relaxation and the bound: what is left is for whole plans to close
GOOD_GAP = 5e-3  # to close it further may take far longer, so there is an end to that
POLISH_SECONDS = 1.0  # of the solver, for that
TIE_SHARE = 0.1  # of the gap asked for: routing the plan may cost a little more than the program said
LEAST_SECONDS = 0.1  # for a choice however little time there is


@dataclass(frozen=True, slots=True)
class Decomposed:
    """What the decomposition found.

    Args:
        replicas: The best plan.
        usd_per_hour: Of that plan.
        bound_usd_per_hour: Lagrangian, at `prices`: no plan costs less.
        proven_usd_per_hour: What no plan costs less than, by prices or by whatever else.
        prices: By accelerator, USD per GPU-hour.
    """

    replicas: Replicas
    usd_per_hour: float
    bound_usd_per_hour: float
    proven_usd_per_hour: float
    prices: Mapping[str, float]


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
    only_prices: bool = False,
) -> Decomposed:
    """The cheapest plans that were found for a fleet, and a bound on what any plan costs.

    Args:
        problem: Every model with a price of unserved demand; minima within the stock.
        target_utilization: Load over replicas that a plan may reach.
        effort: When to stop.
        start: Where to start.
        only_prices: Stop where prices lead no further.
    """
    search = _Search(problem, target_utilization, effort)
    if start.replicas is not None:
        search.recall(start.replicas)
    prices = relaxed_prices(problem, target_utilization) if start.prices is None else start.prices
    search.run(np.array([prices.get(name, 0.0) for name in search.accelerators]))
    return search.answer(only_prices=only_prices)


def relaxed_prices(problem: AllocationProblem, target_utilization: float) -> dict[str, float]:
    """What a GPU of each accelerator would be worth if replicas need not be whole."""
    fleet = build(problem, target_utilization, only_rows=True)
    found = Solver(fleet.program, relaxed=True).solve()
    return {name: max(0.0, -float(found.row_prices[row])) for name, row in fleet.stock_rows.items()}


class _Search:
    """Rounds of pricing and choosing; keeps the best plan and the best bound."""

    def __init__(self, problem: AllocationProblem, target_utilization: float, effort: Effort) -> None:
        self.accelerators = tuple(sorted(problem.gpus))
        self._effort, self._choosing_seconds = effort, 0.0
        models = by_priority(problem.models)
        self._pricers = [Pricer(model, problem, self.accelerators, target_utilization) for model in models]
        self._plan = [least_offer(model, self.accelerators) for model in models]
        stock = np.array([float(problem.gpus[name]) for name in self.accelerators])
        self._master = Master(stock, [{offer.replicas: offer} for offer in self._plan])
        self._floor = Floor(np.zeros(len(stock)), np.full(len(models), -np.inf), -np.inf)

    def recall(self, replicas: Sequence[Sequence[int]]) -> None:
        """Offer plans that are known from before."""
        for index, (pricer, known) in enumerate(zip(self._pricers, replicas, strict=True)):
            offer = pricer.recall(known)
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
            prices = SMOOTHING * self._floor.prices + (1.0 - SMOOTHING) * duals if news else duals

    def answer(self, *, only_prices: bool) -> Decomposed:
        """What was found so far, and what can be found beyond prices."""
        plan, floor, proven = self._plan, self._floor, self._floor.bound
        if not only_prices and np.isfinite(floor.bound):
            plan, proven = self._beyond_prices()
        prices = dict(zip(self.accelerators, floor.prices.tolist(), strict=True))
        return Decomposed(tuple(offer.replicas for offer in plan), usd_of(plan), floor.bound, proven, prices)

    def _beyond_prices(self) -> tuple[list[Offer], float]:
        """A plan no dearer, and what none costs less than: to a good gap, and a while longer to the one asked for."""
        whole = Whole(
            self._pricers,
            self._master.stock,
            self._floor,
            [dict(own) for own in self._master.offers],
            self._plan,
            self._good_gap,
            self._left_seconds,
            self._floor.bound,
        )
        look_around(whole)
        listed = list_plans(whole)
        exhaust(whole, listed)
        if self._effort.gap < self._good_gap:
            whole.gap, whole.spared_seconds = TIE_SHARE * self._effort.gap, max(whole.left() - POLISH_SECONDS, 0.0)
            exhaust(whole, listed)
        return whole.plan, whole.bound

    def _price(self, prices: FloatArray) -> bool:
        """Ask every model at these prices; whether any had a plan that is new."""
        least, news = np.zeros(len(self._pricers)), False
        for index, pricer in enumerate(self._pricers):
            least[index], offer = pricer.price(prices, self._left_seconds())
            news |= offer is not None and self._master.add(index, offer)
        floor = Floor(prices, least, float(least.sum() - prices @ self._master.stock))
        if floor.bound > self._floor.bound:
            self._floor = floor
        return news

    def _choose(self) -> None:
        seconds = min(CHOICE_SECONDS, max(self._left_seconds(), LEAST_SECONDS))
        choice = choose(self._master.stock, self._master.every(), gap=CHOICE_GAP, seconds=seconds)
        self._choosing_seconds += choice.seconds
        if choice.offers is not None and usd_of(choice.offers) < usd_of(self._plan):
            self._plan = choice.offers

    def _done(self, relaxed: float) -> bool:
        """Whether the plan is good enough, time is up, or other prices could raise the bound no further."""
        converged = relaxed - self._floor.bound <= RELAXED_GAP * relaxed
        left, gap = self._left_seconds(), self._effort.gap
        aim = gap if self._effort.seconds - left < POLISH_SECONDS else self._good_gap
        return converged or self._floor.bound >= (1.0 - aim) * usd_of(self._plan) or left <= 0.0

    @property
    def _good_gap(self) -> float:
        return max(self._effort.gap, GOOD_GAP)

    def _left_seconds(self) -> float:
        spent = sum(pricer.seconds for pricer in self._pricers) + self._choosing_seconds
        return max(self._effort.seconds - spent, 0.0)
