"""The master of the decomposition: one plan for each model out of those offered, within the stock of GPUs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.offer import Offer
from foresail.policies.programs.highs import GAP, Solver
from foresail.policies.programs.linear import LinearProgram


@dataclass(slots=True)
class Master:
    """Offers so far, and the linear program over them; mutable.

    Args:
        stock: Shape (A,), GPUs by accelerator with a cap.
        offers: By model, by replicas.
    """

    stock: FloatArray
    offers: list[dict[tuple[int, ...], Offer]]
    seconds: float = 0.0  # of the solver, for choices so far
    _solver: Solver = field(init=False)

    def __post_init__(self) -> None:
        self._solver = Solver(self._program(whole=False)[0])

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

    def choose(self, seconds: float) -> list[Offer] | None:
        """The cheapest whole choice found within `seconds`."""
        program, offers = self._program(whole=True)
        solver = Solver(program, relative_gap=1e-7)
        found = solver.solve(seconds)
        self.seconds += solver.seconds
        if found.x is None:
            return None
        return [offers[column] for column in np.flatnonzero(found.x > 0.5)]

    def _program(self, *, whole: bool) -> tuple[LinearProgram, list[Offer]]:
        offers = [(model, offer) for model, own in enumerate(self.offers) for offer in own.values()]
        program = LinearProgram()
        columns = program.add_columns(len(offers), cost=[offer.usd_per_hour for _, offer in offers], whole=whole)
        one = program.add_rows(len(self.offers), lower=1.0, upper=1.0)
        program.put(one[[model for model, _ in offers]], columns, 1.0)
        within = program.add_rows(len(self.stock), upper=self.stock)
        program.put(within[:, None], columns[None, :], np.array([offer.gpus for _, offer in offers]).T)
        return program, [offer for _, offer in offers]
