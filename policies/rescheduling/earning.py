"""Moves that earn their price: what is left of a plan once those are left out that gain less than they cost.

A move may be left out with all that come to the room that it gives up. So one move is tried after another, all that
leave a node or come to one, and every tail of moves that touch one another; what gains less than its price goes, until
nothing does. Nodes are worth what is free on them, each by itself, so that only the nodes of such moves are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.waves import Flow

Worth = Callable[[IntArray, IntArray], FloatArray]  # of rows of nodes (K,) with so much free (K, R): (K,)


def earning(
    free: IntArray,
    flows: Sequence[Flow],
    worth: Worth,
    price: float,
    *,
    homes: Sequence[int] = (),
    neighbors: Mapping[int, Collection[int]] | None = None,
) -> list[int]:
    """Places in `flows` of the moves that stay, each of which still finds its room once those before it are made.

    Args:
        free: (N, R) at the start.
        flows: In an order in which each fits once those before it are done.
        worth: Of nodes, by what is free on them.
        price: What each move must gain, in the unit of worth.
        homes: Node of each unit; needed for those that others may not meet.
        neighbors: Units that a unit may not meet.
    """
    plan = _Plan(free, flows, worth, homes, neighbors or {})
    while plan.drop_a_group(price):
        pass
    return sorted(plan.kept)


class _Plan:
    """Moves by node, and what may be left out of them."""

    def __init__(
        self,
        free: IntArray,
        flows: Sequence[Flow],
        worth: Worth,
        homes: Sequence[int],
        neighbors: Mapping[int, Collection[int]],
    ) -> None:
        self._free, self._flows, self._worth, self._neighbors = free, flows, worth, neighbors
        self._there: dict[int, set[int]] = defaultdict(set)
        for unit in neighbors:
            self._there[homes[unit]].add(unit)
        self._at: dict[int, list[int]] = defaultdict(list)
        for place, flow in enumerate(flows):
            self._at[flow.source].append(place)
            self._at[flow.to].append(place)
        self.kept = set(range(len(flows)))

    def drop_a_group(self, price: float) -> bool:
        """Leave out the first moves that gain less than their price; says whether there were some."""
        for group in self._groups():
            dropped = self._with_dependents(group)
            if self._gain(dropped) < price * len(dropped):
                self.kept -= dropped
                return True
        for linked in _linked(self._flows, self.kept):
            for first, gain in enumerate(self._gains_of_tails(linked)):
                if gain < price * (len(linked) - first):
                    self.kept -= set(linked[first:])
                    return True
        return False

    def _groups(self) -> Iterator[Collection[int]]:
        yield from ([place] for place in sorted(self.kept))
        for ends in ([flow.source for flow in self._flows], [flow.to for flow in self._flows]):
            by_node = defaultdict(list)
            for place in sorted(self.kept):
                by_node[ends[place]].append(place)
            yield from (group for group in by_node.values() if len(group) > 1)

    def _with_dependents(self, group: Iterable[int]) -> set[int]:
        """Those and all that would not find their room without them."""
        dropped = set(group)
        left = list(dropped)
        while left:
            _, stranded = self._end(self._flows[left.pop()].source, dropped)
            dropped.update(stranded)
            left += stranded
        return dropped

    def _gain(self, group: Collection[int]) -> float:
        """What all the moves that stay are worth less without these."""
        nodes = sorted({node for place in group for node in (self._flows[place].source, self._flows[place].to)})
        rows = np.array(nodes, np.int64)
        ends = [np.array([self._end(node, without)[0] for node in nodes]) for without in ((), group)]
        return float((self._worth(rows, ends[0]) - self._worth(rows, ends[1])).sum())

    def _gains_of_tails(self, linked: Sequence[int]) -> list[float]:
        """What moves that are linked are worth from each on: nothing but those needs the room that they give up."""
        nodes = sorted({node for place in linked for node in (self._flows[place].source, self._flows[place].to)})
        rows, row = np.array(nodes, np.int64), {node: place for place, node in enumerate(nodes)}
        free = self._free[rows]
        worth = self._worth(rows, free)
        totals = [float(worth.sum())]
        for place in linked:
            flow = self._flows[place]
            ends = [row[flow.source], row[flow.to]]
            free[ends[0]] += flow.gives
            free[ends[1]] -= flow.takes
            worth[ends] = self._worth(rows[ends], free[ends])
            totals.append(float(worth.sum()))
        return [totals[-1] - total for total in totals[:-1]]

    def _end(self, node: int, without: Collection[int]) -> tuple[IntArray, list[int]]:
        """What is free on a node at the end, and moves to it that find no room."""
        free, there, stranded = self._free[node].copy(), set(self._there[node]), []
        for place in self._at[node]:
            flow = self._flows[place]
            if place in without or place not in self.kept:
                continue
            if flow.source == node:
                free += flow.gives
                there.discard(flow.unit)
            elif ((free < flow.takes) & (flow.takes > 0)).any() or there & set(self._neighbors.get(flow.unit, ())):
                stranded.append(place)
            else:
                free -= flow.takes
                there.add(flow.unit)
        return free, stranded


def _linked(flows: Sequence[Flow], kept: Collection[int]) -> list[list[int]]:
    """Moves that are linked by nodes, in order."""
    groups: list[tuple[set[int], list[int]]] = []
    for place in sorted(kept):
        nodes, places = {flows[place].source, flows[place].to}, [place]
        apart = []
        for group in groups:
            if group[0].isdisjoint(nodes):
                apart.append(group)
            else:
                nodes |= group[0]
                places = group[1] + places
        groups = [*apart, (nodes, places)]
    return [sorted(places) for _, places in groups]
