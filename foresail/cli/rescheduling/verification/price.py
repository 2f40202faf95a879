"""Does each move earn its price? Moves are left out of the replay, and what is worth less without them is counted.

Left out are: the last one, the last two, and so on; each one; all that leave the same node. Where the others would not
find their room without some, these are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.verification.claim import Claim
from foresail.cli.rescheduling.verification.fault import Fault, Kind
from foresail.cli.rescheduling.verification.measures import measure
from foresail.cli.rescheduling.verification.room import Room, State

TOLERANCE = 1e-6  # of what moves earn
Step = tuple[int, int, IntArray]  # unit, node, what it holds there


def price_faults(
    instance: Instance, room: Room, claim: Claim, objective: tuple[str, bool], price: float
) -> Iterator[Fault]:
    """Moves of a plan without other faults that earn less than their price.

    Args:
        instance: That the plan is for.
        room: Of the instance.
        claim: The plan.
        objective: The measure that moves earn, and whether more of it is better.
        price: Of each, in that measure.
    """
    steps = _steps(room, claim)
    end = _replayed(room, steps)
    for left_out in _groups(room, steps):
        without = _replayed(room, [step for place, step in enumerate(steps) if place not in left_out])
        if end is None or without is None:
            continue
        earned = _difference(instance, objective, without, end)
        if earned < price * len(left_out) - TOLERANCE * max(1.0, price * len(left_out)):
            names = ", ".join(claim.moves[place].unit for place in left_out)
            message = f"{names}: {earned:g} is earned together where {price:g} each are asked"
            yield Fault(Kind.PRICE, message, left_out[0])


def _groups(room: Room, steps: Sequence[Step]) -> list[list[int]]:
    places = list(range(len(steps)))
    tails = [places[first:] for first in reversed(places)]
    homes = [int(room.homes[unit]) for unit, _, _ in steps]
    together = [[place for place in places if homes[place] == home] for home in dict.fromkeys(homes)]
    found = {tuple(group): group for group in [*tails, *([place] for place in places), *together]}
    return list(found.values())


def _steps(room: Room, claim: Claim) -> list[Step]:
    units = {name: place for place, name in enumerate(room.units)}
    nodes = {name: place for place, name in enumerate(room.nodes)}
    steps = []
    for move in claim.moves:
        unit, node = units[move.unit], nodes[move.to]
        seat = room.seat(unit, node, move)
        if not isinstance(seat, tuple):
            steps.append((unit, node, seat))
    return steps


def _replayed(room: Room, steps: Sequence[Step]) -> IntArray | None:
    """What is free in the end; None where a move would not find its room."""
    state = State(room)
    for unit, node, seat in steps:
        if state.short(node, seat) or state.has_company(unit, node):
            return None
        state.hold(unit, node, seat)
        state.leave(unit, node, seat)
    return state.free


def _difference(instance: Instance, objective: tuple[str, bool], before: IntArray, after: IntArray) -> float:
    """What is earned from before to after, on the nodes that differ."""
    nodes = np.flatnonzero((before != after).any(axis=1))
    name, more = objective
    gain = measure(instance, after, nodes)[name] - measure(instance, before, nodes)[name]
    return gain if more else -gain
