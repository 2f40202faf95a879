"""GPU pods on nodes: who holds which cards, what of it may move, and the mix of pods that is expected next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI
from foresail.policies.programs.linear import IntArray

CARDS_UNKNOWN: Final = "asks for cards, and which ones it holds is not known"
PINNED: Final = "pinned: marked as not movable"


@dataclass(frozen=True, slots=True, eq=False)
class PodMix:
    """The M shapes that are expected next: the target workload of fragmentation.

    Args:
        cpu_milli: (M,) thousandths of a CPU.
        memory_mebibytes: (M,).
        cards: (M,) cards on one node, 0 for a pod without any.
        share_milli: (M,) of each card; 1000 where there are several.
        part: (M,) of the pods; taken as they are, so that they should add up to 1.
    """

    cpu_milli: IntArray
    memory_mebibytes: IntArray
    cards: IntArray
    share_milli: IntArray
    part: FloatArray

    def __post_init__(self) -> None:
        _freeze(self)


@dataclass(frozen=True, slots=True, eq=False)
class PodShapes:
    """The S shapes of an instance's pods; pods of one shape may stand in for one another.

    Args:
        of_pod: (P,) which shape a pod has.
        cpu_milli: (S,).
        memory_mebibytes: (S,).
        cards: (S,).
        share_milli: (S,).
        allowed: (S, N) whether a node's model of card will do.
    """

    of_pod: IntArray
    cpu_milli: IntArray
    memory_mebibytes: IntArray
    cards: IntArray
    share_milli: IntArray
    allowed: BoolArray


@dataclass(frozen=True, eq=False)
class PodInstance:
    """P pods on N nodes of at most C cards. Arrays are read-only.

    Args:
        nodes: (N,) ids.
        node_cpu_milli: (N,) in all, used or not.
        node_memory_mebibytes: (N,) in all.
        node_cards: (N,) number of cards, 1000 thousandths each.
        node_model: (N,) model of the cards, empty where there are none.
        pods: (P,) ids.
        pod_cpu_milli: (P,).
        pod_memory_mebibytes: (P,).
        pod_cards: (P,) number of cards asked for.
        pod_share_milli: (P,) of each card.
        pod_models: (P,) models that will do; empty: every model.
        pod_node: (P,) row of the node.
        held_milli: (P, C) of each card of the node; nothing where the cards of a pod are not known.
        movable: (P,) False: pinned.
        mix: What is expected next.
        workloads: (P,) that each is of, empty: of none; empty where none is known. No two of one are in a wave.

    Raises:
        ValueError: What cannot be: an id twice, a node that is not there, a share that is not the pod's.
    """

    nodes: tuple[str, ...]
    node_cpu_milli: IntArray
    node_memory_mebibytes: IntArray
    node_cards: IntArray
    node_model: tuple[str, ...]
    pods: tuple[str, ...]
    pod_cpu_milli: IntArray
    pod_memory_mebibytes: IntArray
    pod_cards: IntArray
    pod_share_milli: IntArray
    pod_models: tuple[frozenset[str], ...]
    pod_node: IntArray
    held_milli: IntArray
    movable: BoolArray
    mix: PodMix
    workloads: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _freeze(self)
        twice = len(set(self.nodes)) < len(self.nodes) or len(set(self.pods)) < len(self.pods)
        if twice:
            raise ValueError("ids of nodes, and of pods, must be unique")
        if len(self.pods) and not 0 <= self.pod_node.min() <= self.pod_node.max() < len(self.nodes):
            raise ValueError(f"pod_node must be rows of {len(self.nodes)} nodes")
        if ((self.held_milli != 0) & (self.held_milli != self.pod_share_milli[:, None])).any():
            raise ValueError("held_milli must be a pod's share on each card that it holds, and 0 elsewhere")

    @cached_property
    def cards_known(self) -> BoolArray:
        """(P,) whether it is known which cards a pod holds; nothing is known of what one without them leaves free."""
        return np.asarray((self.held_milli > 0).sum(axis=1) == self.pod_cards)

    @cached_property
    def open_nodes(self) -> BoolArray:
        """(N,) whether pods may come: not where it is unknown which cards are free."""
        still = np.ones(len(self.nodes), bool)
        still[self.pod_node[~self.cards_known]] = False
        return still

    @cached_property
    def free_cards_milli(self) -> IntArray:
        """(N, C) free at the start; negative where a card is given away twice."""
        free = np.where(np.arange(self.held_milli.shape[1]) < self.node_cards[:, None], WHOLE_CARD_MILLI, 0)
        np.subtract.at(free, self.pod_node, self.held_milli)
        return free

    @cached_property
    def free_cpu_milli(self) -> IntArray:
        """(N,) free at the start."""
        return self._left(self.node_cpu_milli, self.pod_cpu_milli)

    @cached_property
    def free_memory_mebibytes(self) -> IntArray:
        """(N,) free at the start."""
        return self._left(self.node_memory_mebibytes, self.pod_memory_mebibytes)

    @cached_property
    def shapes(self) -> PodShapes:
        """Pods that may stand in for one another, by what they ask for."""
        asked = zip(
            *(column.tolist() for column in self._asked()), (tuple(sorted(m)) for m in self.pod_models), strict=True
        )
        keys = list(asked)
        order = {key: row for row, key in enumerate(sorted(set(keys)))}
        cpu, memory, cards, share = np.array([key[:4] for key in order], np.int64).reshape(-1, 4).T
        allowed = [[not key[4] or model in key[4] for model in self.node_model] for key in order]
        return PodShapes(
            np.array([order[key] for key in keys], np.int64),
            cpu,
            memory,
            cards,
            share,
            np.array(allowed, bool).reshape(len(order), len(self.nodes)) & self.open_nodes,
        )

    def skipped(self) -> dict[int, str]:
        """Pods that are not moved, by row, each with its reason."""
        reasons = dict.fromkeys(np.flatnonzero(~self.cards_known).tolist(), CARDS_UNKNOWN)
        return dict(sorted((reasons | dict.fromkeys(np.flatnonzero(~self.movable).tolist(), PINNED)).items()))

    def overcommitment(self) -> str | None:
        """Which node gives away more than it has, to whom; None: none does."""
        short = {
            "CPU": self.free_cpu_milli < 0,
            "memory": self.free_memory_mebibytes < 0,
            "cards": (self.free_cards_milli < 0).any(axis=1) | (self._cards_asked() > self.node_cards),
        }
        for row in np.flatnonzero(np.any(list(short.values()), axis=0)).tolist():
            what = " and ".join(name for name, over in short.items() if over[row])
            units = ", ".join(self.pods[pod] for pod in np.flatnonzero(self.pod_node == row).tolist())
            return f"node {self.nodes[row]} is over-committed in {what} by {units}: no plan is made of what cannot be"
        return None

    def _left(self, total: IntArray, used: IntArray) -> IntArray:
        return total - np.bincount(self.pod_node, used, len(total)).astype(np.int64)

    def _cards_asked(self) -> IntArray:
        """(N,) cards that are needed at least, whole ones and parts together."""
        milli = np.bincount(self.pod_node, self.pod_cards * self.pod_share_milli, len(self.nodes)).astype(np.int64)
        return -(-milli // WHOLE_CARD_MILLI)

    def _asked(self) -> Sequence[IntArray]:
        return self.pod_cpu_milli, self.pod_memory_mebibytes, self.pod_cards, self.pod_share_milli


def held_by(cards: Sequence[Sequence[int]], share_milli: IntArray, node_cards: IntArray) -> IntArray:
    """(P, C) thousandths that pods hold, from the places of their cards on their nodes."""
    held = np.zeros((len(cards), max(int(node_cards.max(initial=1)), 1)), np.int64)
    for row, places in enumerate(cards):
        held[row, list(places)] = share_milli[row]
    return held


def _freeze(record: object) -> None:
    values: Mapping[str, object] = {field.name: getattr(record, field.name) for field in fields(record)}  # type: ignore[arg-type]
    for value in values.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
