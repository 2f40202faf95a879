"""Is a plan what it says? Its moves are replayed on the instance, and its figures computed anew."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.verification.claim import Claim
from foresail.cli.rescheduling.verification.fault import Fault, Kind
from foresail.cli.rescheduling.verification.measures import measure
from foresail.cli.rescheduling.verification.replay import Limits, replay
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
    before, after = measure(instance, State(room).free), measure(instance, free)
    claimed = [*_compare("before", claim.before, before), *_compare("after", claim.after, after)]
    claimed += _check_bound(claim, after | {"moves": len(claim.moves)})
    return Verdict((*start_faults(room), *faults, *claimed), before, after)


def _compare(when: str, claimed: Mapping[str, float], found: Mapping[str, float]) -> Iterator[Fault]:
    for name, value in claimed.items():
        if name in found and not math.isclose(value, found[name], rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield Fault(Kind.CLAIM, f"{name} {when} is {found[name]:g} and not {value:g}")


def _check_bound(claim: Claim, reached: Mapping[str, float]) -> Iterator[Fault]:
    """A bound is not beaten, and what is certified has one and comes up to it, rounded."""
    if claim.certified and claim.bound is None:
        yield Fault(Kind.CLAIM, "the plan is called certified and has no bound")
    measures = [(name, more) for name, more in REACHED.get(claim.objective, ()) if name in reached]
    for name, more in measures if claim.bound is not None else ():
        sign = 1.0 if more else -1.0
        value, bound = sign * reached[name], sign * float(claim.bound or 0.0)
        if value > bound + TOLERANCE * max(1.0, abs(bound)):
            yield Fault(Kind.CLAIM, f"{name} is {reached[name]:g}, which beats the bound {claim.bound:g}")
        elif claim.certified and value < np.floor(bound + TOLERANCE) - TOLERANCE:
            yield Fault(Kind.CLAIM, f"the plan is called certified: {name} is {reached[name]:g}, bound {claim.bound:g}")
