"""How a plan is carried out: every copy with where it is read from, in waves, layer by layer, under a staging budget.

A wave reads what stood at its start and takes its slots at its end. All copies of a layer are in one wave, each read
from a GPU that holds the expert in the placement of now: so nothing is overwritten before it was read, and every expert
has a copy at any moment. What a GPU receives in a wave is in memory beside what it holds: the budget bounds that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from foresail.domain.errors import ForesailError
from foresail.domain.timeseries import BoolArray
from foresail.policies.moe.placement import Change, IntArray, held, members

STORAGE = -1  # where an expert is read from that no GPU holds


class BudgetError(ForesailError):
    """One layer brings more experts into a GPU than the budget has room for."""

    def __init__(self, needed: int, budget: int) -> None:
        super().__init__(f"one layer brings {needed} experts into a GPU, and the budget has room for {budget}")
        self.needed = needed


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Copies in the order of their waves, each array of shape (C,).

    Args:
        wave: Of each copy, from 0, not falling.
        layer: Whose expert.
        gpu: That receives it, as it is called afterwards.
        slot: That it takes.
        expert: Which.
        source: GPU that it is read from, as it is called now; STORAGE where none holds it.
        received: Copies into each GPU in each wave, shape (W, M).
        sent: Copies from each GPU of now in each wave, shape (W, N).
    """

    wave: IntArray
    layer: IntArray
    gpu: IntArray
    slot: IntArray
    expert: IntArray
    source: IntArray
    received: IntArray
    sent: IntArray

    @property
    def most_at_once(self) -> int:
        """Most copies into one GPU in one wave."""
        return int(self.received.max(initial=0))

    @property
    def busiest(self) -> int:
        """Copies through the busiest port of each wave, in sum: what they take one after another."""
        each = np.maximum(self.received.max(axis=1, initial=0), self.sent.max(axis=1, initial=0))
        return int(each.sum())

    def waves(self) -> Iterator[IntArray]:
        """Copies of each wave: layer, gpu, slot, expert and source of each, shape (C, 5)."""
        table = np.stack([self.layer, self.gpu, self.slot, self.expert, self.source], axis=1)
        yield from np.split(table, np.cumsum(np.bincount(self.wave))[:-1]) if self.wave.size else ()


def steps(change: Change, placement: IntArray, budget: int | None = None, *, into: BoolArray | None = None) -> Steps:
    """The copies that lead to a placement.

    Args:
        change: What is where now.
        placement: That shall be, each expert at most once on a GPU, shape (L, M, S).
        budget: Experts that a GPU may receive in a wave; None: a layer a wave.
        into: GPUs whose copies are wanted, shape (M,); None: all.

    Raises:
        BudgetError: The budget is below what one layer brings into a GPU; one of `slots` never is.
    """
    layer, gpu, slot, expert = _copies(change, placement, into)
    received = np.zeros((len(placement), change.gpus), np.int64)
    np.add.at(received, (layer, gpu), 1)
    wave_of = _waves(received, budget)
    source = _sources(change, layer, expert)
    wave = wave_of[layer]
    count = int(wave.max(initial=-1)) + 1
    came, went = np.zeros((count, change.gpus), np.int64), np.zeros((count, len(change.keep)), np.int64)
    np.add.at(came, (wave, gpu), 1)
    read = source != STORAGE
    np.add.at(went, (wave[read], source[read]), 1)
    return Steps(wave, layer, gpu, slot, expert, source, came, went)


def _copies(
    change: Change, placement: IntArray, into: BoolArray | None
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Layer, GPU, slot and expert of each, layer by layer."""
    layers, gpus, _ = placement.shape
    padded = np.concatenate([held(change), np.ones((layers, gpus, 1), bool)], axis=2)  # EMPTY is no copy
    lacks = ~np.take_along_axis(padded, placement, axis=2)
    layer, gpu, slot = np.nonzero(lacks if into is None else lacks & into[:, None])
    return layer, gpu, slot, placement[layer, gpu, slot]


def _waves(received: IntArray, budget: int | None) -> IntArray:
    """Wave of each layer: as many layers in a row as the budget has room for in every GPU."""
    needed = int(received.max(initial=0))
    if budget is not None and needed > budget:
        raise BudgetError(needed, budget)
    found = np.zeros(len(received), np.int64)
    wave, used = -1, np.zeros(received.shape[1], np.int64)
    for layer, into in enumerate(received):
        if not into.any():
            continue
        if wave < 0 or budget is None or ((used + into) > budget).any():
            wave, used = wave + 1, np.zeros_like(used)
        used += into
        found[layer] = wave
    return found


def _sources(change: Change, layer: IntArray, expert: IntArray) -> IntArray:
    """A GPU of now that holds each expert, one that has sent little."""
    there = members(change.current, change.loads.shape[1])
    gpus = there.shape[1]
    sent, of_layer = np.zeros(gpus), np.zeros((len(change.current), gpus))
    place = np.arange(len(layer)) - np.searchsorted(layer, layer)  # of each copy in its layer
    found = np.full(len(layer), STORAGE)
    order = np.argsort(place, kind="stable")
    for chosen in np.split(order, np.cumsum(np.bincount(place))[:-1]) if len(layer) else ():
        at = layer[chosen]
        turn = (np.arange(gpus) + at[:, None]) % gpus / (gpus + 1.0)  # so that not all layers read from the same
        holds = there[at, :, expert[chosen]]
        worth = of_layer[at] + (sent + turn) / (sent.max() + 2.0)  # in the layer first, then in all
        picked = np.where(holds, worth, np.inf).argmin(axis=1)
        known = holds.any(axis=1)
        found[chosen[known]] = picked[known]
        of_layer[at[known], picked[known]] += 1
        sent += np.bincount(picked[known], minlength=gpus)
    return found
