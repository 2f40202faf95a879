"""Which states of nodes earn more than they should at given prices: the columns that a master program lacks.

A pattern of a node is some of its pods leaving and others coming. At prices - so much for a move, so much for a place
for a pod of each shape - it earns what it adds to the node's worth, less what its leavers pay, plus what its comers
bring. All sets of leavers are tried, since they are few (once: they do not depend on prices), and comers are added one
by one while a bound on what more of them could bring says that the node's price may still be beaten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.gpu_board import PodBoard
from foresail.policies.rescheduling.gpu_states import MOST_COMERS, Nodes, States, join

_LOT: Final = 4096  # states that are looked at together: what fits a processor's cache
_MOST_STATES: Final = 400_000  # sets of leavers, all nodes together
_EACH: Final = 3  # patterns of a node that are found at once


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """What moves and places cost, in the measure's worth.

    Args:
        place: (S,) for a place for a pod of each shape.
        node: (N,) what a node's pattern must earn at least.
        move: For each move: that of its own, and what one more would gain where so many are all made.
    """

    place: FloatArray
    node: FloatArray
    move: float


class Pricing:
    """Patterns of the nodes of a board as it stands.

    Attributes:
        nodes: The states that nodes can reach.
        whole: Whether no set of leavers was left out.
    """

    def __init__(self, board: PodBoard) -> None:
        self._board, self._shapes = board, board.shapes
        self.nodes = Nodes(board)
        self._left, self.whole = self._leave()

    def gain(self, states: States) -> FloatArray:
        """(R,) what states add to the worth of their nodes."""
        return states.worth - self.nodes.start.worth[states.row]

    def first(self, each: int) -> States:
        """Patterns to begin with: comers where they cost the least, and small sets of leavers that gain the most."""
        start = self.nodes.start
        comers = self.nodes.after_coming(start, 0, np.zeros(len(self._shapes.cards)), self.nodes.room(start))
        cheap = comers.best(each, of=comers.comers[:, 0])
        leavers = np.bitwise_count(self._left.leavers).astype(np.int64)
        small = np.flatnonzero((leavers > 0) & (leavers <= 2))
        value = self.gain(self._left) / np.maximum(leavers, 1)
        return join(cheap, replace(self._left, value=value).take(small).best(each))

    def better(self, prices: Prices, beam: int, slack: float, again: Callable[[], bool]) -> States:
        """Patterns that earn more than their node's price by a slack: the best few of each node.

        Args:
            prices: At which they are weighed.
            beam: States of each node that comers are added to, in each round.
            slack: In the measure's worth.
            again: Whether there is time for more comers.
        """
        paid = (prices.place > 0)[:, None] & self._shapes.allowed  # all that are: a master program wants a choice
        states, found = self._valued(prices, paid), []
        for level in range(MOST_COMERS + 1):
            least = prices.node[states.row] + slack
            found.append(states.take(np.flatnonzero(states.value > least)).best(_EACH))
            if level == MOST_COMERS or not len(states) or not again():
                break
            states = self._come(states.best(beam), level, (prices.place, paid), prices.node + slack)
        return join(*found).best(_EACH)

    def unbeaten(self, prices: Prices, slack: float, again: Callable[[], bool]) -> FloatArray | None:
        """(N,) what no pattern of a node earns more than, at least its price: by search until it is certain.

        Args:
            prices: At which patterns are weighed.
            slack: What a node may be over its price without being searched further.
            again: Whether there is time, asked often. None is returned once there is not.
        """
        limit, useful = prices.node.copy(), self._useful(prices.place)
        valued = self._valued(prices, useful)
        open_ = [(0, valued.take(lot)) for lot in _lots(len(valued))]
        while open_:
            if not again():
                return None
            level, states = open_.pop()
            np.maximum.at(limit, states.row, states.value)
            could = self._could(states, level, prices.place, useful)
            if level == MOST_COMERS:
                np.maximum.at(limit, states.row, could.max(axis=1, initial=-np.inf))
                continue
            worth_it = could > (limit[states.row] + slack)[:, None]
            np.maximum.at(limit, states.row, np.where(worth_it, -np.inf, could).max(axis=1, initial=-np.inf))
            comers = self.nodes.after_coming(states, level, prices.place, worth_it)
            open_ += [(level + 1, comers.take(lot)) for lot in _lots(len(comers))]
        return limit

    def by_leaving_alone(self, moves: int, price: float) -> tuple[float, float]:
        """What no n moves gain more than, less the price, as if coming elsewhere took nothing: n times this, and that.

        At any rate that is valid; this one says the most of so many moves.
        """
        gain, left = self.gain(self._left), np.bitwise_count(self._left.leavers).astype(np.int64)
        best = np.zeros((len(self.nodes.start), int(left.max(initial=0)) + 1))
        np.maximum.at(best, (self._left.row, left), gain)
        count = np.arange(best.shape[1])
        rates = np.unique(best[:, 1:] / count[1:])[:: -max(best.size // 400, 1)]
        paid = [price, *rates[rates > price].tolist()]
        limits = [(rate - price, float((best - rate * count).max(axis=1).sum())) for rate in paid]
        return min(limits, key=lambda limit: moves * limit[0] + limit[1])

    def _useful(self, price: FloatArray) -> BoolArray:
        """(S, N) shapes that are paid for and may come where no other may that asks for no more and is paid no less."""
        shapes, order = self._shapes, np.arange(len(price))
        asked = (shapes.cpu_milli, shapes.memory_mebibytes, shapes.cards, shapes.share_milli, -price)
        no_worse = np.logical_and.reduce([one[:, None] <= one for one in asked])  # (S, S) one instead of other
        better = no_worse & ~(no_worse.T & (order[:, None] >= order))  # of those that are alike, the first
        return np.asarray((price > 0)[:, None] & shapes.allowed & ~(better.T @ shapes.allowed))

    def _leave(self) -> tuple[States, bool]:
        lots, free = [self.nodes.start], np.zeros(len(self._shapes.cards))
        while len(lots[-1]) and sum(map(len, lots)) < _MOST_STATES:
            lots.append(self.nodes.after_leaving(lots[-1], free))
        return join(*lots), not len(lots[-1])

    def _valued(self, prices: Prices, useful: BoolArray) -> States:
        """All sets of leavers at prices, but those that no comers could make good."""
        board, left = self._board, self._left
        cost = np.append((prices.place + prices.move)[board.kind], 0.0)  # the last: of nobody
        pays = np.zeros(len(left))
        for bit in range(self.nodes.leavers.shape[1]):
            pays += np.where(left.leavers >> bit & 1, cost[self.nodes.leavers[left.row, bit]], 0.0)
        value = self.gain(left) - pays
        emptied = replace(self._emptied(), value=np.zeros(len(self.nodes.start)))
        most = np.maximum(self._could(emptied, 0, prices.place, useful, losing=False).max(axis=1, initial=0.0), 0.0)
        return replace(left, value=value).take(np.flatnonzero(value + most[left.row] > prices.node[left.row]))

    def _emptied(self) -> States:
        """Each node with all gone that can go: most room there is."""
        board, instance = self._board, self._board.instance
        pods = np.flatnonzero(~board.fixed)
        cpu, memory, free = self.nodes.start.cpu.copy(), self.nodes.start.memory.copy(), self.nodes.start.free.copy()
        np.add.at(cpu, board.host[pods], instance.pod_cpu_milli[pods])
        np.add.at(memory, board.host[pods], instance.pod_memory_mebibytes[pods])
        np.add.at(free, board.host[pods], board.held[pods])
        return replace(self.nodes.start, cpu=cpu, memory=memory, free=free)

    def _come(self, states: States, level: int, paid: tuple[FloatArray, BoolArray], least: FloatArray) -> States:
        """One more comer, where it or what may come after it could earn more than the least (N,)."""
        lots = []
        for lot in _lots(len(states)):
            some = states.take(lot)
            worth_it = self._could(some, level, *paid) > least[some.row][:, None]
            lots.append(self.nodes.after_coming(some, level, paid[0], worth_it))
        return join(*lots) if lots else states

    def _could(
        self, states: States, level: int, price: FloatArray, useful: BoolArray, *, losing: bool = True
    ) -> FloatArray:
        """(R, S) what a state could earn at most if one of a shape came next, and then others of that shape or later.

        A comer brings its price less what it loses at least; after it the CPU, the memory or the cards are filled with
        parts of what brings the most for it, or with as many as there are of the next larger size.
        """
        room = self.nodes.room(states) & useful[:, states.row].T
        kinds = np.flatnonzero(room.any(axis=0))  # few: the others cost nothing here
        room, shapes = room[:, kinds], self._shapes
        if level:
            room &= kinds >= states.comers[:, level - 1, None]
        cpu, memory, share = shapes.cpu_milli[kinds], shapes.memory_mebibytes[kinds], shapes.share_milli[kinds]
        size = shapes.cards[kinds] * share
        net = np.broadcast_to(price[kinds], room.shape)
        if losing:
            net = net - self._board.measure.least_loss(
                states.cpu, states.memory, states.offers, states.free, size, share
            )
        gain = np.where(room, np.maximum(net, 0.0), 0.0)
        left = ((cpu, states.cpu), (memory, states.memory), (size, states.free.sum(axis=1)))
        beside = np.minimum.reduce([_fill(gain, asked, has[:, None] - asked) for asked, has in left])
        # Shapes are sorted by CPU: none of those that may follow asks for less.
        count = np.where(cpu > 0, (states.cpu[:, None] - cpu) // np.maximum(cpu, 1), np.inf)
        most = _later(gain)
        by_count = np.where(most > 0, most * np.minimum(count, 1e12), 0.0)
        could = np.full((len(states), len(price)), -np.inf)
        could[:, kinds] = np.where(room, states.value[:, None] + net + np.minimum(beside, by_count), -np.inf)
        return could


def _lots(count: int) -> Iterator[IntArray]:
    yield from (np.arange(first, min(first + _LOT, count)) for first in range(0, count, _LOT))


def _later(values: FloatArray) -> FloatArray:
    """(R, S) the largest from each column on."""
    return np.maximum.accumulate(values[:, ::-1], axis=1)[:, ::-1]


def _fill(gain: FloatArray, asked: IntArray, room: IntArray) -> FloatArray:
    """(R, S) room (R, S) filled with what brings the most for what it asks, from each column on."""
    rate = _later(gain / np.maximum(asked, 1e-6))  # what asks for nothing fills without end, as good as
    return rate * room
