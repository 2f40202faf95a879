"""Moves in as few waves as first-fit packings find, in several orders: of VMs and of pods alike.

The moves of a wave run at the same time, so that all its destinations are held before any source is given up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from foresail.policies.programs.linear import IntArray

UNORDERED: Final = "was to move, and in no order is there room for it: units would have to change places at once"
_TRIES: Final = 40


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a wave: moves at the same time, into one node, and out of one."""

    parallel: int = 5
    into: int = 2
    out: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A move as room sees it.

    Args:
        unit: That moves.
        source: Row of the node that it leaves.
        to: Row of the node that it comes to.
        gives: (R,) of each resource of the source when it has left.
        takes: (R,) of each resource of the destination.
        workload: That the unit is of, of which no two are away at a time; empty: of none.
    """

    unit: int
    source: int
    to: int
    gives: IntArray
    takes: IntArray
    workload: str = ""


def pack(
    free: IntArray,
    flows: Sequence[Flow],
    limits: Limits,
    *,
    homes: Sequence[int] = (),
    neighbors: Mapping[int, Collection[int]] | None = None,
) -> list[list[int]]:
    """Places in `flows` by wave; at worst each move is a wave of its own, in the given order.

    Args:
        free: (N, R) at the start.
        flows: In an order in which each fits once those before it are done.
        limits: Of a wave.
        homes: Node of each unit; needed for those that others may not meet.
        neighbors: Units that a unit may not meet.
    """
    least, best = least_waves(flows, limits), [[place] for place in range(len(flows))]
    rng = np.random.default_rng(0)
    traffic = Counter(flow.source for flow in flows) + Counter(flow.to for flow in flows)
    busy = np.array([traffic[flow.source] + traffic[flow.to] for flow in flows], float)
    for attempt in range(_TRIES):
        if len(best) <= least:
            break
        noise = rng.random(len(flows)) * (attempt - 1.0)
        order = range(len(flows)) if not attempt else np.argsort(noise - busy, kind="stable").tolist()
        waves = _first_fit(_Room(free, homes, neighbors or {}), flows, list(order), limits)
        if waves is not None and len(waves) < len(best):
            best = waves
    return best


def least_waves(flows: Sequence[Flow], limits: Limits) -> int:
    """No packing has fewer."""
    into, out = Counter(flow.to for flow in flows), Counter(flow.source for flow in flows)
    workloads = Counter(flow.workload for flow in flows if flow.workload)
    each = ((into, limits.into), (out, limits.out), (workloads, 1))
    least = [-(-max(counts.values(), default=0) // most) for counts, most in each]
    return max(-(-len(flows) // limits.parallel), *least)


class _Room:
    """What is free, and who is where or is coming."""

    def __init__(self, free: IntArray, homes: Sequence[int], neighbors: Mapping[int, Collection[int]]) -> None:
        self._free, self._neighbors = free.copy(), neighbors
        self._at = {unit: {homes[unit]} for unit in neighbors}

    def fits(self, flow: Flow) -> bool:
        near = self._neighbors.get(flow.unit, ())
        room = (self._free[flow.to] >= flow.takes) | (flow.takes == 0)
        return bool(room.all()) and not any(flow.to in self._at[other] for other in near)

    def hold(self, flow: Flow) -> None:
        self._free[flow.to] -= flow.takes
        if flow.unit in self._at:
            self._at[flow.unit].add(flow.to)

    def leave(self, flow: Flow) -> None:
        self._free[flow.source] += flow.gives
        if flow.unit in self._at:
            self._at[flow.unit] = {flow.to}


def _first_fit(room: _Room, flows: Sequence[Flow], left: list[int], limits: Limits) -> list[list[int]] | None:
    """Fill one wave after another; None: what is left fits nowhere."""
    waves: list[list[int]] = []
    while left:
        wave = _fill(room, flows, left, limits)
        if not wave:
            return None
        for place in wave:
            room.leave(flows[place])
        taken = set(wave)
        left = [place for place in left if place not in taken]
        waves.append(wave)
    return waves


def _fill(room: _Room, flows: Sequence[Flow], left: Sequence[int], limits: Limits) -> list[int]:
    wave: list[int] = []
    away: set[str] = set()
    into: Counter[int] = Counter()
    out: Counter[int] = Counter()
    for place in left:
        flow = flows[place]
        if len(wave) == limits.parallel:
            break
        open_to = out[flow.source] < limits.out and into[flow.to] < limits.into and flow.workload not in away
        if open_to and room.fits(flow):
            room.hold(flow)
            away |= {flow.workload} - {""}
            out[flow.source] += 1
            into[flow.to] += 1
            wave.append(place)
    return wave
