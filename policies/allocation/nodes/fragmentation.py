"""Expected fragmentation: how much of a node's free cards the pods that are expected could not use.

From the paper "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent"
(USENIX ATC 2023), section 3. For a shape m of the expected mix, with part p_m, the fragment of node n is

    F_n(m) = all free cards of n                                    if m does not fit on n, or asks for no card
           = the free parts of cards with less free than m takes    otherwise
    F_n    = sum over m of p_m F_n(m)

and a replica is to go where F_n grows the least. F looks at one next pod only: an empty node of eight cards and CPU for
three of the next pods counts as whole. So what is descended here is F + L, with one more term that looks ahead:

    L_n    = sum over m of p_m (free cards of n, less those that many m side by side would take)

Many are as many as CPU, memory and the single cards allow. Whether the cards come out even for a shape of several is
left to F alone: with that in L too, large replicas were turned away more often.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foresail.policies.allocation.nodes.cluster import Cluster, Demands, Ints, copies
from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI, Mix

Floats = NDArray[np.float64]


class Fragmentation:
    """Measures nodes of a cluster against a mix of M shapes; rows (R,) say which nodes."""

    def __init__(self, cluster: Cluster, mix: Mix) -> None:
        asking = {shape: part for shape, part in mix.parts.items() if shape.cards}
        self._cluster = cluster
        self._mix = cluster.demands(tuple(asking))
        self._parts = np.array(list(asking.values())) / sum(mix.parts.values())

    def expected(self, rows: Ints) -> Floats:
        """(R,) the paper's F of nodes, in cards."""
        cluster = self._cluster
        offers = self._offers(rows, cluster.free[rows, None]).sum(axis=-2, keepdims=True)
        usable, _ = self._used(rows, offers, cluster.cpu[rows, None], cluster.memory[rows, None])
        return np.asarray((cluster.free[rows].sum(axis=1) - usable[:, 0, 0]) / WHOLE_CARD_MILLI)

    def growth(self, rows: Ints, asked: Demands, columns: Ints) -> Floats:
        """(R, S, c) growth of F + L, in cards, when a replica takes the card of a column (or the whole ones it needs).

        Infinite where it does not fit.
        """
        cluster = self._cluster
        free, cpu, memory = cluster.free[rows, None], cluster.cpu[rows, None], cluster.memory[rows, None]
        share = asked.share[cluster.kind[rows], :, None]
        card = free[..., columns]
        before, after = self._offers(rows, card), self._offers(rows, card - share)
        now = self._offers(rows, free).sum(axis=-2, keepdims=True)
        then = now - asked.cards[:, None, None] * (before - after)
        used_now = self._used(rows, now, cpu, memory).sum(axis=0)
        used_then = self._used(rows, then, cpu - asked.cpu, memory - asked.memory).sum(axis=0)
        taken = asked.cards[:, None] * share
        possible = (cluster.room(rows, asked) > 0)[..., None] & (card >= share)
        return np.where(possible, (used_now - used_then - 2 * taken) / WHOLE_CARD_MILLI, np.inf)

    def _offers(self, rows: Ints, cards: Ints) -> Ints:
        """Of each card (R, S, C): copies of each shape of the mix that it holds, and what it has for one: (2, …, M)."""
        need = self._mix.share[self._cluster.kind[rows], None, None]
        cards = cards[..., None]
        return np.stack((cards // need, np.where(cards >= need, cards, 0)))

    def _used(self, rows: Ints, offers: Ints, cpu: Ints, memory: Ints) -> Floats:
        """Expected use of what all cards of a node offer, in thousandths: by one next pod and by many, (2, …)."""
        mix = self._mix
        beside = np.minimum(copies(cpu[..., None, None], mix.cpu), copies(memory[..., None, None], mix.memory))
        share = mix.share[self._cluster.kind[rows], None, None]
        one = np.where((offers[0] >= mix.cards) & (beside > 0), offers[1], 0)
        many = np.minimum(offers[0], mix.cards * beside) * share
        return np.asarray(np.stack((one, many)) @ self._parts)
