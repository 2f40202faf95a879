"""Proving what prices cannot: all plans that a better choice could be made of, and the best choice of them.

The Lagrangian bound L leaves a gap where the stock splits badly into whole replicas: up to a seventh for twenty models,
less the more there are. With all plans at hand whose excess is below r (`whole.py`), a choice is either made of those
or costs L + r at least. The best choice of a few thousand plans is found in no time, and r is doubled until that is a
proof.
"""

from __future__ import annotations

from collections.abc import Sequence

from foresail.policies.allocation.whole import CHOICE_SECONDS, Whole
from foresail.policies.allocation.within import Within

FIRST_REACH = 0.25  # of what the gap that is asked for leaves open
LEAST_GAP = 1e-3  # or this one
STEPS = 50  # between looks at the time


def list_plans(whole: Whole) -> list[Within]:
    """Of every model, before anything was looked into."""
    floor = whole.floor
    return [Within(own, floor.prices, float(least)) for own, least in zip(whole.pricers, floor.least, strict=True)]


def exhaust(whole: Whole, models: Sequence[Within]) -> None:
    """Go on listing until no plan is cheaper by more than the gap, or time is up; what was listed is not again."""
    floor = whole.floor
    reach = FIRST_REACH * max(whole.gap, LEAST_GAP) * floor.bound
    while whole.goes_on():
        room = whole.room
        reach = min(reach, room)
        reached = _collect(whole, models, reach)
        all_there = reached >= room  # then it is only the choice that lacks a proof, and has all the time for it
        bound = whole.choose(whole.left() if all_there else CHOICE_SECONDS)
        whole.bound = max(whole.bound, min(bound, floor.bound + reached))
        if all_there:
            return
        if reached >= reach:
            reach *= 2.0


def _collect(whole: Whole, models: Sequence[Within], reach: float) -> float:
    """Offer every plan with an excess below `reach`; the excess that none is missing below, less where time ended."""
    reached = reach
    for place, model in enumerate(models):
        limit = whole.left() * (1.0 - 1.0 / (len(models) - place))  # all have the same share of the time
        for step, offer in enumerate(model.below(whole.floor.least[place] + reach)):
            if offer is not None:
                whole.offers[place][offer.replicas] = offer
            if step % STEPS == STEPS - 1 and whole.left() <= limit:
                break
        reached = min(reached, max(model.floor - whole.floor.least[place], 0.0))
    return reached
