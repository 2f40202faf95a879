"""A better plan soon: whole plans need more to choose from than prices ask for, and that is a replica away."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from foresail.policies.allocation.offer import Offer, usd_of
from foresail.policies.allocation.whole import Whole

PATIENCE = 2  # times that nothing better is found
Place = tuple[int, tuple[int, ...]]  # a model, and its replicas


def look_around(whole: Whole) -> None:
    """Offer what is a replica away from the best plan and from what has least excess, and choose, while that helps."""
    vicinity, waits = _Vicinity(whole), 0
    while waits < PATIENCE and whole.goes_on():
        before = usd_of(whole.plan)
        vicinity.look()
        whole.choose()
        waits = 0 if usd_of(whole.plan) < before else waits + 1


class _Vicinity:
    """What was not looked around at yet, the least excess first."""

    def __init__(self, whole: Whole) -> None:
        self._whole, self._waiting = whole, list[tuple[float, Place]]()
        self._seen: set[Place] = set()
        self._looked: set[Place] = set()
        for model, own in enumerate(whole.offers):
            for offer in own.values():
                self._see(model, offer)

    def look(self) -> None:
        """Around the plans of the best choice, and around as many others."""
        for place in enumerate(offer.replicas for offer in self._whole.plan):
            self._around(place)
        for _ in self._whole.plan:
            if self._waiting:
                self._around(heapq.heappop(self._waiting)[1])

    def _around(self, place: Place) -> None:
        if place in self._looked:
            return
        self._looked.add(place)
        model, replicas = place
        for near in _neighbours(replicas):
            if (model, near) in self._seen:
                continue
            self._seen.add((model, near))
            offer = self._whole.pricers[model].recall(near)
            if offer is not None:
                self._see(model, offer)

    def _see(self, model: int, offer: Offer) -> None:
        excess, place = self._whole.excess(model, offer), (model, offer.replicas)
        self._seen.add(place)
        if excess < self._whole.room:
            self._whole.offers[model].setdefault(offer.replicas, offer)
            heapq.heappush(self._waiting, (excess, place))


def _neighbours(replicas: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """One more of a candidate, one less, and one of another in its stead."""
    every = range(-1, len(replicas))
    for less in every:
        for more in every:
            if less != more and (less < 0 or replicas[less] > 0):
                yield tuple(count + (v == more) - (v == less) for v, count in enumerate(replicas))
