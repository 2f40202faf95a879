"""Is a plan what it says? Its moves are replayed on the instance, and its figures computed anew."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.verification.claim import Claim
from foresail.cli.rescheduling.verification.fault import Fault, Kind
from foresail.cli.rescheduling.verification.measures import measure
from foresail.cli.rescheduling.verification.price import price_faults
from foresail.cli.rescheduling.verification.replay import Limits, replay
from foresail.cli.rescheduling.verification.rest import rest_faults
from foresail.cli.rescheduling.verification.room import State, start_faults
from foresail.cli.rescheduling.verification.seats import room_of

TOLERANCE = 1e-6  # of figures, relative above 1
# What each objective is about, and whether more of it is better.
REACHED = {
    "fragments": (("free_slots", True), ("fragmented_gpus", False)),
    "whole-nodes": (("whole_free_nodes", True),),
    "fewest-moves": (("moves", False),),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the replay of a plan gives.

    Args:
        faults: All of them.
        before: Measures by name.
        after: Likewise, at the end of the order.
    """

    faults: tuple[Fault, ...]
    before: Mapping[str, float]
    after: Mapping[str, float]


def verify(instance: Instance, claim: Claim, limits: Limits) -> Verdict:
    """Replay a plan on its instance."""
    room = room_of(instance)
    faults, free = replay(room, claim, limits)
    before, after = (_told(instance, claim, measure(instance, of)) for of in (State(room).free, free))
    faults = [*start_faults(room), *faults, *rest_faults(instance, claim, limits.rest)]
    price = claim.price_per_move if limits.price_per_move is None else limits.price_per_move
    earned = next((one for one in REACHED.get(claim.objective, REACHED["fragments"]) if one[0] in after), None)
    if price > 0.0 and earned and not faults:
        faults += price_faults(instance, room, claim, earned, price)
    faults += [*_compare("before", claim.before, before), *_compare("after", claim.after, after)]
    faults += _check_bound(claim, after | {"moves": len(claim.moves)})
    return Verdict(tuple(faults), before, after)


def _told(instance: Instance, claim: Claim, measures: Mapping[str, float]) -> dict[str, float]:
    """Machines without VMs are told where they were asked for."""
    all_of_them = claim.objective == "whole-nodes" or not isinstance(instance, VmInstance)
    return {name: value for name, value in measures.items() if all_of_them or name != "whole_free_nodes"}


def _compare(when: str, claimed: Mapping[str, float], found: Mapping[str, float]) -> Iterator[Fault]:
    for name, value in claimed.items():
        if name in found and not math.isclose(value, found[name], rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield Fault(Kind.CLAIM, f"{name} {when} is {found[name]:g} and not {value:g}")


def _check_bound(claim: Claim, reached: Mapping[str, float]) -> Iterator[Fault]:
    """A bound is not beaten, and what is certified has one and comes up to it, rounded where moves cost nothing."""
    if claim.certified and claim.bound is None:
        yield Fault(Kind.CLAIM, "the plan is called certified and has no bound")
    measures = [(name, more) for name, more in REACHED.get(claim.objective, ()) if name in reached]
    for name, more in measures if claim.bound is not None else ():
        sign, paid = 1.0 if more else -1.0, claim.price_per_move * len(claim.moves)
        value, bound = sign * reached[name] - paid, sign * float(claim.bound or 0.0)
        told = f"{name} is {reached[name]:g}{f' and moves cost {paid:g}' if paid else ''}"
        least = bound if claim.price_per_move else np.floor(bound + TOLERANCE)
        if value > bound + TOLERANCE * max(1.0, abs(bound)):
            yield Fault(Kind.CLAIM, f"{told}, which beats the bound {claim.bound:g}")
        elif claim.certified and value < least - TOLERANCE * max(1.0, abs(bound)):
            yield Fault(Kind.CLAIM, f"the plan is called certified: {told}, bound {claim.bound:g}")
