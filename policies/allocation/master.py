"""The master of the decomposition: one plan for each model out of those offered, within the stock of GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.offer import Offer
from foresail.policies.programs.highs import GAP, Solver
from foresail.policies.programs.linear import LinearProgram

CHOICE_GAP = 1e-7  # where nothing else is asked for


@dataclass(slots=True)
class Master:
    """Offers so far, and the linear program over them; mutable.

    Args:
        stock: Shape (A,), GPUs by accelerator with a cap.
        offers: By model, by replicas.
    """

    stock: FloatArray
    offers: list[dict[tuple[int, ...], Offer]]
    _solver: Solver = field(init=False)

    def __post_init__(self) -> None:
        self._solver = Solver(_choice(self.stock, self.every()))

    def add(self, model: int, offer: Offer) -> bool:
        """Take an offer; whether it is new: the same replicas may come cheaper than when nothing was served by them."""
        known = self.offers[model].get(offer.replicas)
        if known is not None and known.usd_per_hour <= offer.usd_per_hour + GAP:
            return False
        self.offers[model][offer.replicas] = offer
        rows = np.concatenate([[model], len(self.offers) + np.flatnonzero(offer.gpus)])
        self._solver.add_column(offer.usd_per_hour, rows, np.concatenate([[1.0], offer.gpus[offer.gpus > 0]]))
        return True

    def relax(self) -> tuple[float, FloatArray]:
        """Cost of the best mix of offers, and what a GPU of each accelerator would be worth, shape (A,)."""
        found = self._solver.solve()
        return found.objective, np.maximum(-found.row_prices[len(self.offers) :], 0.0)

    def every(self) -> list[tuple[int, Offer]]:
        """All offers, each with its model."""
        return [(model, offer) for model, own in enumerate(self.offers) for offer in own.values()]


@dataclass(frozen=True, slots=True)
class Choice:
    """The cheapest whole choice, None where there is none or none was found, and what none costs less than."""

    offers: list[Offer] | None
    bound: float
    seconds: float


def choose(stock: FloatArray, offers: Sequence[tuple[int, Offer]], *, gap: float, seconds: float) -> Choice:
    """One offer for each model within the stock.

    Args:
        stock: Shape (A,), GPUs by accelerator with a cap.
        offers: With the model of each, whose numbers begin at 0.
        gap: At which to stop.
        seconds: Of the solver.
    """
    solver = Solver(_choice(stock, offers, whole=True), relative_gap=gap)
    found = solver.solve(seconds)
    chosen = None if found.x is None else [offers[column][1] for column in np.flatnonzero(found.x > 0.5).tolist()]
    return Choice(chosen, found.bound, solver.seconds)


def _choice(stock: FloatArray, offers: Sequence[tuple[int, Offer]], *, whole: bool = False) -> LinearProgram:
    program = LinearProgram()
    columns = program.add_columns(len(offers), cost=[offer.usd_per_hour for _, offer in offers], whole=whole)
    one = program.add_rows(1 + max((model for model, _ in offers), default=-1), lower=1.0, upper=1.0)
    program.put(one[[model for model, _ in offers]], columns, 1.0)
    within = program.add_rows(len(stock), upper=stock)
    program.put(within[:, None], columns[None, :], np.array([offer.gpus for _, offer in offers]).T)
    return program
