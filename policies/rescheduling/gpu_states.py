"""States that a node could be in: without some of its pods, and with others; many at once, in arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.gpu_board import NOWHERE, PodBoard

MOST_COMERS: Final = 6  # pods that come to one node in a pattern
NOBODY: Final = 1 << 30  # in place of a shape: sorts behind all
_MOST_LEAVING: Final = 62  # bits of a whole number, one a pod


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """R states of nodes.

    Args:
        row: (R,) node.
        cpu: (R,) free.
        memory: (R,) free.
        free: (R, C) of each card.
        offers: (R, K) of the cards, to the measure.
        worth: (R,) by the measure.
        leavers: (R,) bits, one for each pod of the node that could leave: set where it has left.
        comers: (R, most) shapes that have come, in rising order, NOBODY behind.
        cards: (R, most) card that each of them took.
        value: (R,) what the state earns at the prices of the time.
    """

    row: IntArray
    cpu: IntArray
    memory: IntArray
    free: IntArray
    offers: IntArray
    worth: FloatArray
    leavers: IntArray
    comers: IntArray
    cards: IntArray
    value: FloatArray

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: IntArray) -> Self:
        """Some of the states."""
        return type(self)(*(getattr(self, field.name)[which] for field in fields(self)))

    def best(self, most: int, of: IntArray | None = None) -> Self:
        """So many of each node (or of each of what is named by `of`), the most valuable."""
        groups = self.row if of is None else of
        order = np.lexsort((-self.value, groups))
        rows = groups[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        return self.take(order[rank < most])


def join(*parts: States) -> States:
    """All states of several lots."""
    return States(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(States)))


class Nodes:
    """The states that nodes of a board can reach, from as they stand.

    Attributes:
        leavers: (N, most) pods that could leave each node, -1 where there are no more.
        start: The states as they stand, a row for each node.
    """

    def __init__(self, board: PodBoard) -> None:
        self._board, self._measure, self._shapes = board, board.measure, board.shapes
        self.leavers = _by_node(board)
        self._twin = self._twins()
        rows, blank = board.place_host, (len(board.place_host), MOST_COMERS)
        offers = self._measure.offers(board.free)
        worth = self._measure.worth(board.cpu, board.memory, offers)
        none = np.zeros(len(rows), np.int64)
        comers, cards = np.full(blank, NOBODY), np.full(blank, NOWHERE)
        cpu, memory, free = board.cpu.copy(), board.memory.copy(), board.free.copy()
        self.start = States(rows, cpu, memory, free, offers, worth, none, comers, cards, np.zeros(len(rows)))

    def after_leaving(self, states: States, cost: FloatArray) -> States:
        """One more pod leaves, each after those of lower bits; cost (S,) of each shape's leaving."""
        bits = np.arange(self.leavers.shape[1])
        pods = self.leavers[states.row]
        later = (np.int64(1) << bits) > states.leavers[:, None]
        twins = self._twin[states.row]
        twin_gone = (twins < 0) | (states.leavers[:, None] >> np.maximum(twins, 0) & 1 == 1)
        which, bit = np.nonzero((pods >= 0) & later & twin_gone)
        found, pod, instance = states.take(which), pods[which, bit], self._board.instance
        cpu, memory = found.cpu + instance.pod_cpu_milli[pod], found.memory + instance.pod_memory_mebibytes[pod]
        free = found.free + self._board.held[pod]
        offers = self._measure.offers(free)
        worth = self._measure.worth(cpu, memory, offers)
        value = found.value + worth - found.worth - cost[self._board.kind[pod]]
        leavers = found.leavers | (np.int64(1) << bit)
        return States(found.row, cpu, memory, free, offers, worth, leavers, found.comers, found.cards, value)

    def after_coming(self, states: States, level: int, price: FloatArray, wanted: BoolArray) -> States:
        """One more pod comes, of each shape that is wanted (R, S) and on every card; price (S,) is paid for it."""
        shapes = self._shapes
        lots = [self._coming(states, wanted, place) for place in range(NOWHERE, states.free.shape[1])]
        which, shape, card, worth, offers = (np.concatenate(column) for column in zip(*lots, strict=True))
        value = states.value[which] + worth - states.worth[which] + price[shape]
        found = states.take(which)
        found.comers[:, level], found.cards[:, level] = shape, card
        self._occupy(found.free, shape, card)
        cpu, memory = found.cpu - shapes.cpu_milli[shape], found.memory - shapes.memory_mebibytes[shape]
        kind = (found.leavers, found.comers, found.cards)
        return States(found.row, cpu, memory, found.free, offers, worth, *kind, value)

    def room(self, states: States) -> BoolArray:
        """(R, S) whether a state has room for one more of a shape."""
        shapes = self._shapes
        room = (states.cpu[:, None] >= shapes.cpu_milli) & (states.memory[:, None] >= shapes.memory_mebibytes)
        room &= shapes.allowed[:, states.row].T & (states.free.max(axis=1)[:, None] >= shapes.share_milli)
        whole = (states.free == WHOLE_CARD_MILLI).sum(axis=1)
        return np.asarray(room & ((shapes.cards <= 1) | (whole[:, None] >= shapes.cards)))

    def _coming(self, states: States, wanted: BoolArray, place: int) -> tuple[np.ndarray, ...]:
        """Comers to one card of each state, or (NOWHERE) to none and to several: state, shape, card, worth, offers."""
        shapes, measure = self._shapes, self._measure
        if place == NOWHERE:
            which, shape = np.nonzero(wanted & (shapes.cards != 1))
            one = measure.offers_change(np.array(WHOLE_CARD_MILLI), np.array(0))
            change = shapes.cards[shape, None] * one
        else:
            had = states.free[:, place]
            alike = (states.free[:, :place] == had[:, None]).any(axis=1)  # a card before it is the same
            able = (shapes.cards == 1) & (had[:, None] >= shapes.share_milli) & ~alike[:, None]
            which, shape = np.nonzero(wanted & able)
            change = measure.offers_change(had[which], had[which] - shapes.share_milli[shape])
        offers = states.offers[which] + change
        cpu = states.cpu[which] - shapes.cpu_milli[shape]
        memory = states.memory[which] - shapes.memory_mebibytes[shape]
        worth = measure.worth(cpu, memory, offers)
        return which, shape, np.full(len(which), place), worth, offers

    def _occupy(self, free: IntArray, shape: IntArray, card: IntArray) -> None:
        """Take cards in place."""
        single = np.flatnonzero(card != NOWHERE)
        free[single, card[single]] -= self._shapes.share_milli[shape[single]]
        several = np.flatnonzero(self._shapes.cards[shape] > 1)
        whole = free[several] == WHOLE_CARD_MILLI
        first = whole & (whole.cumsum(axis=1) <= self._shapes.cards[shape[several], None])
        free[several] = np.where(first, 0, free[several])

    def _twins(self) -> IntArray:
        """(N, most) the pod before, by bit, that makes no difference from a pod if one of them leaves; -1: none."""
        board = self._board
        alone = board.instance.pod_share_milli % WHOLE_CARD_MILLI == 0  # no card, or whole ones
        card = np.where(alone, NOWHERE, board.held.argmax(axis=1))
        twin = np.full(self.leavers.shape, -1)
        for bit in range(1, self.leavers.shape[1]):
            for before in range(bit):
                one, other = self.leavers[:, bit], self.leavers[:, before]
                same = (one >= 0) & (board.kind[one] == board.kind[other]) & (card[one] == card[other])
                twin[same, bit] = before
        return twin


def _by_node(board: PodBoard) -> IntArray:
    """(N, most) pods that could leave each node; of very many on one node, the first."""
    pods = np.flatnonzero(~board.fixed)
    pods = pods[np.argsort(board.host[pods], kind="stable")]
    rank = np.arange(len(pods)) - np.searchsorted(board.host[pods], board.host[pods])
    pods, rank = pods[rank < _MOST_LEAVING], rank[rank < _MOST_LEAVING]
    table = np.full((len(board.place_host), int(rank.max(initial=-1)) + 1), -1)
    table[board.host[pods], rank] = pods
    return table
