"""All plans of a model that cost little more than its cheapest at some prices: branch and bound that goes on.

A box of plans (least and most replicas of each candidate) costs no less than its relaxation. Boxes are looked into in
the order of what is known of their cost, so that whatever has not come yet costs no less than the first that waits.
Where its reduced cost makes another replica of a candidate too dear, the part of the box with that replica waits apart.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.allocation.offer import Offer
from foresail.policies.allocation.pricing import Pricer, Relaxed

WHOLE = 1e-6  # replicas this close to a whole number are one, and reduced costs this small are none
Box = tuple[FloatArray, FloatArray]


class Within:
    """What is left to look through of a model's plans; mutable.

    Args:
        pricer: Of the model.
        prices: By accelerator with a cap, shape (A,).
        least: What the model costs at least at these prices, USD per hour.
    """

    def __init__(self, pricer: Pricer, prices: FloatArray, least: float) -> None:
        self._pricer, self._prices, self._order = pricer, prices, count()
        self._waiting: list[tuple[float, int, Box]] = []
        self._add(least, pricer.box)

    @property
    def floor(self) -> float:
        """No plan that has not come yet costs less, GPUs at their prices included, USD per hour."""
        return self._waiting[0][0] if self._waiting else np.inf

    def below(self, usd: float) -> Iterator[Offer | None]:
        """The plans that cost less than `usd`, in any order, and None for every step without one."""
        while self.floor < usd:
            _, _, box = heapq.heappop(self._waiting)
            found = self._pricer.relax(self._prices, *box)
            yield None if found is None else self._look_into(box, found, usd)

    def _look_into(self, box: Box, found: Relaxed, usd: float) -> Offer | None:
        if found.usd_per_hour >= usd:
            self._add(found.usd_per_hour, box)
            return None
        lower, upper = self._hold(box, found, usd)
        free = upper > lower
        if not free.any():
            return self._pricer.recall(lower.astype(int).tolist())
        for part in _split(found.replicas, (lower, upper), free):
            self._add(found.usd_per_hour, part)
        return None

    def _hold(self, box: Box, found: Relaxed, usd: float) -> Box:
        """The part of a box without replicas that are too dear."""
        lower, upper = box[0].copy(), box[1].copy()
        room = usd - found.usd_per_hour
        for v in np.flatnonzero((np.abs(found.reduced) > WHOLE) & (upper > lower)):
            reduced = found.reduced[v]
            steps = np.floor(room / abs(reduced)) + 1.0  # so many replicas cost at least `usd`
            if steps > upper[v] - lower[v]:
                continue
            dear = (lower.copy(), upper.copy())
            if reduced > 0.0:
                dear[0][v], upper[v] = lower[v] + steps, lower[v] + steps - 1.0
            else:
                dear[1][v], lower[v] = upper[v] - steps, upper[v] - steps + 1.0
            self._add(found.usd_per_hour + steps * abs(reduced), dear)
        return lower, upper

    def _add(self, usd: float, box: Box) -> None:
        heapq.heappush(self._waiting, (usd, next(self._order), box))


def _split(replicas: FloatArray, box: Box, free: BoolArray) -> Iterator[Box]:
    """Parts of a box, at the candidate that is least whole; around a whole one where all are."""
    off = np.where(free, np.abs(replicas - np.rint(replicas)), -1.0)
    whole = off.max() <= WHOLE
    v = int(np.argmax(np.where(free, box[1] - box[0], -1.0) if whole else off))
    at = np.rint(replicas[v]) if whole else np.floor(replicas[v])
    for low, high in (
        ((-np.inf, at - 1.0), (at, at), (at + 1.0, np.inf)) if whole else ((-np.inf, at), (at + 1.0, np.inf))
    ):
        lower, upper = box[0].copy(), box[1].copy()
        lower[v], upper[v] = max(lower[v], low), min(upper[v], high)
        if lower[v] <= upper[v]:
            yield lower, upper
