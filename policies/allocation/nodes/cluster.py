"""Free cards, CPU and memory of many nodes as arrays, changed in place as replicas come and go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI, Node, Placement, Shape

Ints = NDArray[np.int64]
UNKNOWN: Final = 2**40  # of CPU or memory: more than anything asks for
NOT_ALLOWED: Final = 2**20  # thousandths of a card: more than any card has


@dataclass(frozen=True, slots=True)
class Demands:
    """What S shapes ask for, as arrays.

    Args:
        cards: (S,) cards.
        share: (K, S) thousandths that are taken of each card, on each of the K kinds of node.
        cpu: (S,) thousandths of a CPU.
        memory: (S,) MiB.
    """

    cards: Ints
    share: Ints
    cpu: Ints
    memory: Ints


class Cluster:
    """Nodes as arrays over N nodes of at most C cards.

    Attributes:
        names: Of the nodes, in the order of all arrays.
        free: (N, C) free thousandths of each card; a card that a node does not have is 0, as one that is taken.
        cpu: (N,) free thousandths of a CPU.
        memory: (N,) free MiB.
        kind: (N,) which combination of accelerator and slices a node has.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = tuple(nodes)
        self.names = tuple(node.name for node in nodes)
        self._row = {name: row for row, name in enumerate(self.names)}
        if len(self._row) < len(nodes):
            twice = next(name for row, name in enumerate(self.names) if self._row[name] != row)
            raise ValueError(f"names of nodes must be unique, got {twice!r} twice")
        widest = max((len(node.free_cards_milli) for node in nodes), default=0)
        self.free: Ints = np.zeros((len(nodes), max(widest, 1)), np.int64)
        for row, node in enumerate(nodes):
            self.free[row, : len(node.free_cards_milli)] = node.free_cards_milli
        self.cpu = _integers(UNKNOWN if node.free_cpu_milli is None else node.free_cpu_milli for node in nodes)
        self.memory = _integers(
            UNKNOWN if node.free_memory_mebibytes is None else node.free_memory_mebibytes for node in nodes
        )
        self._kinds = sorted({(node.accelerator, node.slices_milli) for node in nodes})
        self.kind = _integers(self._kinds.index((node.accelerator, node.slices_milli)) for node in nodes)
        self._mates = _mates(nodes)

    def copy(self) -> Cluster:
        """The same nodes with what is free on them now, to be changed apart."""
        twin = copy(self)
        twin.free, twin.cpu, twin.memory = self.free.copy(), self.cpu.copy(), self.memory.copy()
        return twin

    def mates(self, row: int) -> list[int]:
        """The rows of the machine that a node is on: they share its CPU and memory."""
        return self._mates.get(row, [row])

    def demands(self, shapes: Sequence[Shape]) -> Demands:
        """What shapes ask for on these nodes."""
        shares = [[shape.share_on(*kind) for shape in shapes] for kind in self._kinds]
        return Demands(
            cards=_integers(shape.cards for shape in shapes),
            share=_integers(NOT_ALLOWED if share is None else share for row in shares for share in row).reshape(
                len(self._kinds), len(shapes)
            ),
            cpu=_integers(shape.cpu_milli for shape in shapes),
            memory=_integers(shape.memory_mebibytes for shape in shapes),
        )

    def room(self, rows: Ints, asked: Demands) -> Ints:
        """(R, S) replicas of each shape alone that fit on each node; one without cards is bounded by what is known."""
        share = asked.share[self.kind[rows]]
        whole = self.free[rows, None] // np.maximum(share, 1)[..., None]
        by_cards = np.where(asked.cards > 0, whole.sum(axis=-1) // np.maximum(asked.cards, 1), UNKNOWN)
        by_type = np.where(share < NOT_ALLOWED, UNKNOWN, 0)
        by_cpu = copies(self.cpu[rows, None], asked.cpu)
        by_memory = copies(self.memory[rows, None], asked.memory)
        return np.minimum(np.minimum(by_cards, by_type), np.minimum(by_cpu, by_memory))

    def whole(self) -> Ints:
        """(N,) cards of each node of which nothing is taken."""
        return np.asarray((self.free >= WHOLE_CARD_MILLI).sum(axis=1), np.int64)

    def room_on(self, rows: Ints, shape: Shape, whole: Ints) -> Ints:
        """(R,) what `room` says of a shape of whole cards where each of these nodes has its type; `whole` is known."""
        by_cards = whole[rows] // shape.cards
        if shape.cpu_milli:
            by_cards = np.minimum(by_cards, self.cpu[rows] // shape.cpu_milli)
        if shape.memory_mebibytes:
            by_cards = np.minimum(by_cards, self.memory[rows] // shape.memory_mebibytes)
        return by_cards

    def tightest(self, rows: Ints, free: Ints | None = None) -> int:
        """Of some nodes the one with the least cards free (N,), then CPU, then memory, then the first."""
        for left in (self.free.sum(axis=1) if free is None else free, self.cpu, self.memory):
            rows = rows[left[rows] == left[rows].min()]
        return int(rows[0])

    def take(self, shape: Shape, row: int, card: int) -> Placement:
        """Place a replica on a node: a single card is the one that is named, several are the first that are whole."""
        share = shape.share_on(*self._kinds[self.kind[row]]) or 0
        cards = (card,) if shape.cards == 1 else tuple(np.flatnonzero(self.free[row] >= share)[: shape.cards].tolist())
        return self._add(Placement(self.names[row], shape, cards), row, -1)

    def give_back(self, placement: Placement) -> int:
        """Free what a replica held; returns the row of its node."""
        row = self._row[placement.node]
        self._add(placement, row, +1)
        return row

    def nodes(self) -> tuple[Node, ...]:
        """The nodes with what is free on them now."""
        return tuple(
            Node(
                name=node.name,
                accelerator=node.accelerator,
                free_cards_milli=tuple(self.free[row, : len(node.free_cards_milli)].tolist()),
                free_cpu_milli=None if node.free_cpu_milli is None else int(self.cpu[row]),
                free_memory_mebibytes=None if node.free_memory_mebibytes is None else int(self.memory[row]),
                slices_milli=node.slices_milli,
                host=node.host,
            )
            for row, node in enumerate(self._nodes)
        )

    def _add(self, placement: Placement, row: int, sign: int) -> Placement:
        shape = placement.shape
        share = shape.share_on(*self._kinds[self.kind[row]]) or 0
        self.free[row, np.array(placement.cards, np.int64)] += sign * share
        self.cpu[self.mates(row)] += sign * shape.cpu_milli
        self.memory[self.mates(row)] += sign * shape.memory_mebibytes
        return placement


def copies(left: Ints, asked: Ints) -> Ints:
    """How many times what is asked for goes into what is left; what is not asked for binds nothing."""
    return np.where(asked > 0, left // np.maximum(asked, 1), UNKNOWN)


def _mates(nodes: Sequence[Node]) -> dict[int, list[int]]:
    """Rows by row, of machines that have several."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, node in enumerate(nodes):
        if node.host:
            rows[node.host].append(row)
    return {row: mates for mates in rows.values() if len(mates) > 1 for row in mates}


def _integers(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)
