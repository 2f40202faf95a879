"""Steepest descent on expected fragmentation for pods with GPUs: always the one move that takes most of it away.

Over all pods and nodes, a shared card being the fullest that has room (as the paper on fragmentation places). It ends
where no single move helps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.pods import WHOLE_MILLI, PodInstance
from foresail.cli.rescheduling.verification.claim import Move

Floats = NDArray[np.float64]
NEVER = 1e9
LEAST_GAIN = 1e-9


class Descent:
    """Nodes and pods, and what each move would change.

    Args:
        instance: Is left as it is.
    """

    def __init__(self, instance: PodInstance) -> None:
        self.instance = instance
        asks = instance.asks
        self._most = max(instance.node_gpus.tolist(), default=0)
        self.cpu, self.memory = instance.node_cpu.copy(), instance.node_memory.copy()
        self.cards = np.where(np.arange(self._most) < instance.node_gpus[:, None], WHOLE_MILLI, 0)
        self.node = instance.node.copy()
        self.held = np.zeros((len(instance.pods), self._most), np.int64)
        for pod, cards in enumerate(instance.cards):
            self.held[pod, list(cards)] = asks.milli[pod]
        for taken, asked in ((self.cpu, asks.cpu), (self.memory, asks.memory), (self.cards, self.held)):
            np.subtract.at(taken, self.node, asked)
        keys = [(*row, spec) for row, spec in zip(self._columns().tolist(), map(sorted, instance.specs), strict=True)]
        order = {key: place for place, key in enumerate(dict.fromkeys(map(str, keys)))}
        self.shape = np.array([order[str(key)] for key in keys], np.int64)
        self._first = np.array([np.flatnonzero(self.shape == place)[0] for place in range(len(order))], np.int64)
        self.moves: list[Move] = []
        self.before = self._fragmented(self.cpu, self.memory, self.cards)
        everywhere = np.arange(len(instance.nodes))
        self._arriving = np.full((len(order), len(instance.nodes)), NEVER)
        self._leaving = np.zeros(len(instance.pods))
        self._update(everywhere)

    def run(self, moves: int) -> None:
        """Move until there are so many moves, or none helps."""
        while len(self.moves) < moves and len(self.node):
            best = np.argsort(self._arriving, axis=1)[:, :2]
            first, second = best[self.shape, 0], best[self.shape, -1]
            to = np.where(first == self.node, second, first)
            gain = self._leaving + self._arriving[self.shape, to]
            gain[(to == self.node) | ~self.instance.movable] = NEVER
            pod = int(gain.argmin())
            if gain[pod] >= -LEAST_GAIN:
                return
            self._move(pod, int(to[pod]))

    def fragmented_gpus(self) -> float:
        """F now."""
        return float(self.before.sum()) / WHOLE_MILLI

    def _move(self, pod: int, to: int) -> None:
        asks, source = self.instance.asks, int(self.node[pod])
        held = self._seat(self.cards[to][None, :], pod)[0]
        for node, sign, cards in ((source, 1, self.held[pod]), (to, -1, held)):
            self.cpu[node] += sign * asks.cpu[pod]
            self.memory[node] += sign * asks.memory[pod]
            self.cards[node] += sign * cards
        self.node[pod], self.held[pod] = to, held
        names = self.instance
        self.moves.append(Move(names.pods[pod], names.nodes[to], cards=tuple(np.flatnonzero(held).tolist())))
        self._update(np.array([source, to]))

    def _update(self, nodes: IntArray) -> None:
        """What arriving on these nodes and leaving them would change."""
        self.before[nodes] = self._fragmented(self.cpu[nodes], self.memory[nodes], self.cards[nodes])
        for shape, pod in enumerate(self._first.tolist()):
            self._arriving[shape, nodes] = self._arrive(pod, nodes)
        pods = np.flatnonzero(np.isin(self.node, nodes))
        asks, home = self.instance.asks, self.node[pods]
        after = self._fragmented(
            self.cpu[home] + asks.cpu[pods], self.memory[home] + asks.memory[pods], self.cards[home] + self.held[pods]
        )
        self._leaving[pods] = after - self.before[home]

    def _arrive(self, pod: int, nodes: IntArray) -> Floats:
        asks, spec = self.instance.asks, self.instance.specs[pod]
        cards = self._seat(self.cards[nodes], pod)
        cpu, memory = self.cpu[nodes] - asks.cpu[pod], self.memory[nodes] - asks.memory[pod]
        room = (cpu >= 0) & (memory >= 0) & ((cards > 0).sum(axis=1) == asks.gpus[pod])
        if spec:
            room &= np.array([self.instance.models[node] in spec for node in nodes.tolist()], bool)
        found = np.full(len(nodes), NEVER)
        left = self.cards[nodes] - cards
        found[room] = self._fragmented(cpu[room], memory[room], left[room]) - self.before[nodes[room]]
        return found

    def _seat(self, cards: IntArray, pod: int) -> IntArray:
        """What it would hold of cards, shape (K, G): the fullest with room, whole ones in order; none: no room."""
        count, milli = int(self.instance.asks.gpus[pod]), int(self.instance.asks.milli[pod])
        held = np.zeros_like(cards)
        if not count:
            return held
        keys = np.where(cards >= milli, cards, 2 * WHOLE_MILLI)
        chosen = np.argsort(keys, axis=1, kind="stable")[:, :count]
        rows = np.flatnonzero((cards >= milli).sum(axis=1) >= count)
        held[rows[:, None], chosen[rows]] = milli
        return held

    def _fragmented(self, cpu: IntArray, memory: IntArray, cards: IntArray) -> Floats:
        """F of each of K states, in thousandths of a card."""
        types = self.instance.types
        sizes, which = np.unique(types.milli, return_inverse=True)
        enough = cards[:, None, :] >= np.maximum(sizes, 1)[None, :, None]  # (K, sizes, G)
        lost = np.where(enough, 0, cards[:, None, :]).sum(axis=2)[:, which]
        fits = (types.gpus > 0) & (types.cpu <= cpu[:, None]) & (types.memory <= memory[:, None])
        fits &= enough.sum(axis=2)[:, which] >= types.gpus
        return np.asarray(np.where(fits, lost, cards.sum(axis=1, keepdims=True)) @ self.instance.shares)

    def _columns(self) -> IntArray:
        asks = self.instance.asks
        return np.stack((asks.cpu, asks.memory, asks.gpus, asks.milli), axis=1)
