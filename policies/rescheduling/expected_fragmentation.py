"""The expected fragmentation F of many states of nodes at once, by tables over a mix that does not change.

F is the measure of `policies.allocation.nodes.fragmentation` (USENIX ATC 2023, section 3): the free cards of a node
that the next pod of the mix could not use,

    F_n    = free cards of n - sum over classes k of w_k(CPU, memory) [enough cards for k] usable_k(cards)

with the shapes of the mix gathered into classes that ask for the same cards. w_k is what of the mix is of class k and
has the CPU and memory: a table over the sizes that occur. usable_k sums over cards what is free on those that have the
share: a table over 0…1000. There the placing of single replicas looks at a hundred states; a plan looks at a million.
Moves keep what is free in all, so the least F is the most that is usable: that is counted here, in thousandths.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.pods import PodMix

_COUNT: Final = 1 << 20  # of a packed number: cards above, free thousandths below


class ExpectedFragmentation:
    """What of free cards the next pod of a mix can use; states (…,) with cards (…, C) and K classes."""

    def __init__(self, mix: PodMix) -> None:
        asking = mix.cards > 0
        classes, of_shape = np.unique(
            np.column_stack((mix.cards, mix.share_milli))[asking], axis=0, return_inverse=True
        )
        self._cards, self._share = classes.T
        self._cpu, self._memory = (np.unique(sizes[asking]) for sizes in (mix.cpu_milli, mix.memory_mebibytes))
        weight = np.zeros((len(self._cpu) + 1, len(self._memory) + 1, len(classes)))
        cpu = np.searchsorted(self._cpu, mix.cpu_milli[asking]) + 1
        memory = np.searchsorted(self._memory, mix.memory_mebibytes[asking]) + 1
        np.add.at(weight, (cpu, memory, of_shape.ravel()), mix.part[asking])
        self._weight = weight.cumsum(axis=0).cumsum(axis=1)
        free = np.arange(WHOLE_CARD_MILLI + 1)[:, None]
        self._table = (free >= classes[:, 1]) * (free + _COUNT)
        self._asking_part, self._all_parts = float(mix.part[asking].sum()), float(mix.part.sum())

    def offers(self, free: IntArray) -> IntArray:
        """(…, K) what cards offer to each class: number and free thousandths, packed into one number."""
        return np.asarray(self._table[free].sum(axis=-2))

    def offers_change(self, before: IntArray, after: IntArray) -> IntArray:
        """(…, K) what to add to the offers of a node when one card's free share changes."""
        return np.asarray(self._table[after] - self._table[before])

    def worth(self, cpu: IntArray, memory: IntArray, offers: IntArray) -> FloatArray:
        """(…,) usable thousandths of nodes with this CPU and memory free; the more the better."""
        usable = np.where(offers // _COUNT >= self._cards, offers % _COUNT, 0)
        return np.asarray(np.einsum("...k,...k->...", self.weight(cpu, memory), usable))

    def most_usable(self, free: IntArray) -> float:
        """Usable thousandths of cards if every pod of the mix that asks for some could use all of them."""
        return self._asking_part * float(free.sum())

    def least_loss(
        self, cpu: IntArray, memory: IntArray, offers: IntArray, free: IntArray, size: IntArray, share: IntArray
    ) -> FloatArray:
        """(R, S) what each comer of a shape takes from a state (R,) at least, whatever comes beside it.

        Comers share what a card loses by what they take of it. If g(f) is what can be used of f free thousandths, and
        r of them are left in the end, then each thousandth taken loses (g(f) - g(r)) / (f - r). Between two shares that
        classes ask for that rises with r. So it is least where r is such a share or 0, of those that leave room for the
        comer. What comers take of CPU and memory only adds to that.

        Args:
            cpu: (R,) free.
            memory: (R,) free.
            offers: (R, K) of the cards.
            free: (R, C) of each card.
            size: (S,) thousandths that a shape takes in all.
            share: (S,) of each card.
        """
        weight = np.where(offers // _COUNT >= self._cards, self.weight(cpu, memory), 0.0)
        left = np.unique(np.append(self._share, 0))  # (D,) of a card
        served = weight @ (self._share[:, None] <= left)  # (R, D) by a card that has so much
        has = free * np.take_along_axis(served, np.searchsorted(left, free, "right") - 1, axis=1)
        taken = free[:, :, None] - left
        lost = (has[:, :, None] - (served * left)[:, None, :]) / np.maximum(taken, 1)
        least = np.minimum.accumulate(np.where(taken > 0, lost, np.inf), axis=2)  # (R, C, D) with so much left or less
        shares, of_shape = np.unique(share, return_inverse=True)
        each = np.zeros((len(free), len(shares)))
        for column, one in enumerate(shares.tolist()):
            most = np.maximum(np.searchsorted(left, free - one, "right") - 1, 0)
            rate = np.take_along_axis(least, most[:, :, None], axis=2)[:, :, 0]
            each[:, column] = np.where((free >= one) & (free > 0), rate, np.inf).min(axis=1, initial=np.inf)
        return np.where(np.isfinite(each), each, 0.0)[:, of_shape.ravel()] * size

    def weight(self, cpu: IntArray, memory: IntArray) -> FloatArray:
        """(…, K) part of the mix that is of a class and has enough CPU and memory."""
        places = np.searchsorted(self._cpu, cpu, "right"), np.searchsorted(self._memory, memory, "right")
        return np.asarray(self._weight[places])

    def fragmented_cards(self, cpu: IntArray, memory: IntArray, free: IntArray) -> FloatArray:
        """(…,) F of nodes, in cards."""
        usable = self.worth(cpu, memory, self.offers(free))
        return np.asarray((self._all_parts * free.sum(axis=-1) - usable) / WHOLE_CARD_MILLI)
