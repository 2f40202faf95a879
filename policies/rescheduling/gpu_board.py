"""Pods on their nodes while a plan is made: what each pod's leaving would gain, and its arrival elsewhere cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.pods import PodInstance

NOWHERE: Final = -1  # card of a pod that has none, or several whole ones
_LEAST: Final = 1e-9  # thousandths of a card: below, two cards are as good


@dataclass(frozen=True, slots=True, eq=False)
class PodMove:
    """A pod to cards of another node: (C,) thousandths of each."""

    pod: int
    node: int
    taken: IntArray


class PodBoard:
    """Free cards, CPU and memory of nodes, and where pods are; changed in place.

    Attributes:
        kind: (P,) shape of each pod.
        host: (P,) node of each pod now.
        place_host: (N,) node that a place belongs to; a pod's place is its node.
        fixed: (P,) pods that do not move.
        leaving: (P,) what is gained when a pod goes.
        arriving: (S, N) what is gained (mostly lost: negative) when a pod of a shape comes; -inf: it does not fit.
        origin: (P,) node of each pod at the start.
        trail: Moves so far, in order.
        unordered: Pods whose moves were wanted and possible in no order.
    """

    def __init__(self, instance: PodInstance, measure: ExpectedFragmentation) -> None:
        self.instance, self.measure, self.shapes = instance, measure, instance.shapes
        self.cpu, self.memory = instance.free_cpu_milli.copy(), instance.free_memory_mebibytes.copy()
        self.free, self.held = instance.free_cards_milli.copy(), instance.held_milli.copy()
        self.kind, self.host = self.shapes.of_pod, instance.pod_node.copy()
        self.place_host, self.origin = np.arange(len(instance.nodes)), instance.pod_node
        self.fixed = ~instance.movable | ~instance.cards_known
        self.trail: list[PodMove] = []
        self.unordered: tuple[int, ...] = ()
        self.leaving = np.zeros(len(instance.pods))
        self.arriving = np.empty((len(self.shapes.cards), len(instance.nodes)))
        self._card = np.empty(self.arriving.shape, np.int64)
        self._look(self.place_host)

    def worth(self) -> float:
        """Of all nodes together."""
        return float(self._worth(self.place_host).sum())

    def move(self, pod: int, node: int) -> None:
        """To the cards of a node where it is worth the most."""
        self.put(pod, node, self.best_cards(pod, node))

    def best_cards(self, pod: int, node: int) -> IntArray:
        """(C,) thousandths of each card of a node that a pod would take."""
        taken = np.zeros(self.free.shape[1], np.int64)
        cards, card = self.instance.pod_cards[pod], self._card[self.kind[pod], node]
        places = [card] if cards == 1 else np.flatnonzero(self.free[node] == WHOLE_CARD_MILLI)[:cards]
        taken[places if cards else []] = self.instance.pod_share_milli[pod]
        return taken

    def fits(self, pod: int, node: int, taken: IntArray) -> bool:
        """Whether there is room for a pod on these cards of a node, now."""
        instance = self.instance
        beside = (
            self.cpu[node] >= instance.pod_cpu_milli[pod] and self.memory[node] >= instance.pod_memory_mebibytes[pod]
        )
        return bool(beside and (self.free[node] >= taken).all())

    def put(self, pod: int, node: int, taken: IntArray) -> None:
        """To certain cards of a node; where it was is free afterwards."""
        instance, old = self.instance, int(self.host[pod])
        cpu, memory = instance.pod_cpu_milli[pod], instance.pod_memory_mebibytes[pod]
        for row, sign, cards in ((old, 1, self.held[pod]), (node, -1, taken)):
            self.cpu[row] += sign * cpu
            self.memory[row] += sign * memory
            self.free[row] += sign * cards
        self.host[pod], self.held[pod] = node, taken
        self.trail.append(PodMove(pod, node, taken))
        self._look(np.array([old, node]))

    def home(self, pod: int) -> bool:
        """Send a pod back to where it began, if there is room; says whether there was."""
        node, taken = int(self.instance.pod_node[pod]), self.instance.held_milli[pod]
        room = self.host[pod] != node and self.fits(pod, node, taken)
        if room:
            self.put(pod, node, taken)
        return room

    def snapshot(self) -> tuple[int, tuple[NDArray[Any], ...]]:
        """How it stands."""
        return len(self.trail), tuple(array.copy() for array in self._arrays())

    def restore(self, snapshot: tuple[int, tuple[NDArray[Any], ...]]) -> None:
        """Put it back to how it stood."""
        del self.trail[snapshot[0] :]
        for array, before in zip(self._arrays(), snapshot[1], strict=True):
            array[:] = before

    def away(self) -> list[PodMove]:
        """What brings pods straight to where they are, in no order."""
        pods = np.flatnonzero(self.host != self.origin).tolist()
        return [PodMove(pod, int(self.host[pod]), self.held[pod].copy()) for pod in pods]

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        state = (self.cpu, self.memory, self.free, self.held, self.host)
        return *state, self.leaving, self.arriving, self._card

    def _worth(self, rows: IntArray) -> FloatArray:
        return self.measure.worth(self.cpu[rows], self.memory[rows], self.measure.offers(self.free[rows]))

    def _look(self, rows: IntArray) -> None:
        """Work out again what leaving and arriving is worth on nodes that changed."""
        self.arriving[:, rows], self._card[:, rows] = arrivals(self, rows)
        here = np.zeros(len(self.place_host), bool)
        here[rows] = True
        pods = np.flatnonzero(here[self.host])
        self.leaving[pods] = self._departures(pods)

    def _departures(self, pods: IntArray) -> FloatArray:
        rows, instance = self.host[pods], self.instance
        cpu = self.cpu[rows] + instance.pod_cpu_milli[pods]
        memory = self.memory[rows] + instance.pod_memory_mebibytes[pods]
        offers = self.measure.offers(self.free[rows] + self.held[pods])
        return self.measure.worth(cpu, memory, offers) - self._worth(rows)


def arrivals(board: PodBoard, rows: IntArray) -> tuple[FloatArray, IntArray]:
    """(S, R) what an arrival of each shape on nodes gains at most, and the card that has it."""
    shapes, measure, free = board.shapes, board.measure, board.free[rows]
    cpu = board.cpu[rows] - shapes.cpu_milli[:, None]
    memory = board.memory[rows] - shapes.memory_mebibytes[:, None]
    fits = (cpu >= 0) & (memory >= 0) & shapes.allowed[:, rows]
    offers = measure.offers(free)
    before = measure.worth(board.cpu[rows], board.memory[rows], offers)
    gain, card = np.full(fits.shape, -np.inf), np.full(fits.shape, NOWHERE)

    def look(able: IntArray, at: IntArray, place: int, change: IntArray) -> None:
        worth = measure.worth(cpu[able, at], memory[able, at], offers[at] + change) - before[at]
        better = worth > gain[able, at] + _LEAST
        gain[able[better], at[better]], card[able[better], at[better]] = worth[better], place

    able, at = np.nonzero(fits & (shapes.cards == 0)[:, None])
    look(able, at, NOWHERE, np.zeros(1, np.int64))
    whole = (free == WHOLE_CARD_MILLI).sum(axis=1)
    able, at = np.nonzero(fits & (shapes.cards > 1)[:, None] & (whole >= shapes.cards[:, None]))
    one = measure.offers_change(np.array(WHOLE_CARD_MILLI), np.array(0))
    look(able, at, NOWHERE, one * shapes.cards[able, None])
    single = fits & (shapes.cards == 1)[:, None]
    for place in range(free.shape[1]):
        able, at = np.nonzero(single & (free[:, place] >= shapes.share_milli[:, None]))
        had = free[at, place]
        look(able, at, place, measure.offers_change(had, had - shapes.share_milli[able]))
    return gain, card
