"""What is known of whole plans at the best prices: offers of every model, the best choice of them, and a bound.

At prices λ with the bound L a plan of a model costs some excess over the model's cheapest, and a choice of plans

    Σ usd(plan_m) = L + Σ_m excess_m(plan_m) + λ · GPUs left  ≥  L + the excess of any one of them

so that no plan whose excess exceeds the gap is part of a better choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.master import choose
from foresail.policies.allocation.offer import Offer, usd_of
from foresail.policies.allocation.pricing import Pricer

GAP_SHARE = 0.1  # of the gap that is asked for, in one choice
CHOICE_SECONDS = 2.0  # at most, for one choice
ROUNDING = 1e-9


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


@dataclass(slots=True)
class Whole:
    """A search among whole plans; mutable.

    Args:
        pricers: By model.
        stock: Shape (A,).
        floor: The best that is known.
        offers: By model, by replicas.
        plan: The best that is known, by model.
        gap: At which to stop.
        left_seconds: Of the solver, less what was taken here.
        bound: What no plan costs less than.
        spared_seconds: Of those that are left, not to be taken.
    """

    pricers: Sequence[Pricer]
    stock: FloatArray
    floor: Floor
    offers: list[dict[tuple[int, ...], Offer]]
    plan: list[Offer]
    gap: float
    left_seconds: Callable[[], float]
    bound: float
    spared_seconds: float = 0.0
    choosing_seconds: float = 0.0

    @property
    def room(self) -> float:
        """Excess of any plan that is part of a choice that is cheaper by more than the gap; less than 0: none is."""
        return (1.0 - self.gap) * usd_of(self.plan) - self.floor.bound

    def goes_on(self) -> bool:
        """Whether there is time, and the proof lacks."""
        return self.left() > 0.0 and self.bound < (1.0 - self.gap) * usd_of(self.plan)

    def left(self) -> float:
        """Seconds."""
        return self.left_seconds() - self.choosing_seconds - self.spared_seconds

    def excess(self, model: int, offer: Offer) -> float:
        """What a model's plan costs more than its cheapest."""
        return offer.usd_per_hour + float(self.floor.prices @ offer.gpus - self.floor.least[model])

    def choose(self, most_seconds: float = CHOICE_SECONDS) -> float:
        """Keep the best choice of what is offered; what no choice of it costs less than."""
        most = (usd_of(self.plan) - self.floor.bound) * (1.0 + ROUNDING)
        every = ((model, offer) for model, known in enumerate(self.offers) for offer in known.values())
        own = [offer.replicas for offer in self.plan]  # kept, whatever rounding makes of their excess
        within = [(m, offer) for m, offer in every if offer.replicas == own[m] or self.excess(m, offer) <= most]
        choice = choose(self.stock, within, gap=GAP_SHARE * self.gap, seconds=min(most_seconds, self.left()))
        self.choosing_seconds += choice.seconds
        if choice.offers is not None and usd_of(choice.offers) < usd_of(self.plan):
            self.plan = choice.offers
        return choice.bound
