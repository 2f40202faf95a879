"""What a cluster has room for, of VMs and of pods alike: resources of nodes, and what each unit holds of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.verification.claim import Move
from foresail.cli.rescheduling.verification.fault import Fault, Kind
from foresail.domain.timeseries import BoolArray

Seat = tuple[Kind, str] | IntArray  # what is wrong with it, or what is held there, shape (R,)


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """A cluster of N nodes with R resources each, and U units.

    Args:
        nodes: Names.
        resources: Names of them.
        capacity: Shape (N, R).
        units: Names.
        held: Shape (U, R): what each unit holds where it is.
        homes: Shape (U,): where each is.
        movable: Shape (U,).
        apart: Groups of units of which no two may be on one node.
        seat: What a unit would hold on a node as the move has it.
        workloads: That each unit is of, empty: of none; empty where none is known.
    """

    nodes: tuple[str, ...]
    resources: tuple[str, ...]
    capacity: IntArray
    units: tuple[str, ...]
    held: IntArray
    homes: IntArray
    movable: BoolArray
    apart: tuple[tuple[int, ...], ...]
    seat: Callable[[int, int, Move], Seat]
    workloads: tuple[str, ...] = ()


class State:
    """Who is where while a plan is replayed, and what is free.

    Args:
        room: Before any move.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self.free = room.capacity.copy()
        np.subtract.at(self.free, room.homes, room.held)
        self.homes = room.homes.tolist()
        self._held = dict(enumerate(room.held))
        self._groups: dict[int, list[int]] = {}
        for place, group in enumerate(room.apart):
            for unit in group:
                self._groups.setdefault(unit, []).append(place)
        self._members = Counter((group, self.homes[unit]) for unit, all_of in self._groups.items() for group in all_of)

    def short(self, node: int, seat: IntArray) -> list[str]:
        """Resources of which a node has not enough for a seat."""
        return [self._room.resources[place] for place in np.flatnonzero((seat > self.free[node]) & (seat > 0))]

    def has_company(self, unit: int, node: int) -> bool:
        """Whether a unit that must be apart from this one is on the node, or is coming to it."""
        return any(self._members[group, node] > 0 for group in self._groups.get(unit, ()))

    def hold(self, unit: int, node: int, seat: IntArray) -> None:
        """Take the destination, the source being held still."""
        self.free[node] -= seat
        for group in self._groups.get(unit, ()):
            self._members[group, node] += 1

    def leave(self, unit: int, node: int, seat: IntArray) -> None:
        """Give up the source for what is held on `node`."""
        source = self.homes[unit]
        self.free[source] += self._held[unit]
        for group in self._groups.get(unit, ()):
            self._members[group, source] -= 1
        self.homes[unit], self._held[unit] = node, seat


def start_faults(room: Room) -> Iterator[Fault]:
    """What contradicts itself before anything is moved: nodes that are over-committed, units that must be apart."""
    state = State(room)
    for node, resource in zip(*np.nonzero(state.free < 0), strict=True):
        there = [room.units[unit] for unit in np.flatnonzero((room.homes == node) & (room.held[:, resource] > 0))]
        short = f"{-state.free[node, resource]} {room.resources[resource]} more than it has"
        yield Fault(Kind.START, f"{room.nodes[node]} is over-committed: {_listed(there)} hold {short}")
    for group in room.apart:
        on: dict[int, list[str]] = {}
        for unit in group:
            on.setdefault(state.homes[unit], []).append(room.units[unit])
        for node, together in on.items():
            if len(together) > 1:
                yield Fault(Kind.START, f"{_listed(together)} must be apart and are on {room.nodes[node]}")


def _listed(names: list[str], most: int = 6) -> str:
    more = [f"{len(names) - most} more"] if len(names) > most else []
    shown = [*names[:most], *more]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
