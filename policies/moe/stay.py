"""The planner that stays put: a placement of few copies in which no GPU is busier than was asked for.

Layers are planned one by one. What is kept is tried as it is, with free slots filled: what is balanced already stays.
Several attempts start from it (`start`) and lower the busiest GPU by the operations that cost fewest copies (`repair`),
until the layer's balance is reached; the attempt with fewest copies is taken. A small layer is tried many more times,
with the worth of operations blurred. Where nothing else reaches the balance, a placement from scratch does, with GPUs
called so that they keep what they can (`relabel`).

A balance below what a placement from scratch reaches (`balance`, and `improve` where slots are few) is taken as one at
what that reaches. Attempts neither depend on the balance nor are ended by what another one found: so more tolerance
never costs copies. They work on experts and GPUs in an order of their own (`order`), so names are of no consequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.moe.balance import pack, place
from foresail.policies.moe.improve import PAIR, improve
from foresail.policies.moe.order import Ordered, at_new_places, in_order, once
from foresail.policies.moe.placement import (
    EMPTY,
    Change,
    IntArray,
    balance,
    gpu_loads,
    members,
)
from foresail.policies.moe.relabel import relabel
from foresail.policies.moe.repair import Rules, repair
from foresail.policies.moe.replicate import replicate
from foresail.policies.moe.seats import Seats
from foresail.policies.moe.start import aimed, near

SMALL_SLOTS = 4096  # of all layers together, up to which they are tried again and again
MOST_TRIES = 64
BLUR = 1.0  # of the most blurred try; the first is not blurred
HEAVY_REPLICA, LIGHT_REPLICA = 0.6, 0.4  # of a GPU's mean load, above which an expert is given more replicas first
MANY_SLOTS = 6  # from which one replica more or less may balance a GPU that swaps cannot
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A placement and what was to be reached.

    Args:
        placement: Expert of every slot, shape (L, M, S).
        scratch: The placement from scratch that it is compared with, shape (L, M, S).
        target: Balance that each layer was to reach, shape (L,).
        balance: What it reaches, shape (L,).
    """

    placement: IntArray
    scratch: IntArray
    target: FloatArray
    balance: FloatArray

    @property
    def reached(self) -> BoolArray:
        """Whether each layer reaches what it was to, shape (L,)."""
        return self.balance <= self.target * (1.0 + 2 * ROUNDING)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A way to a plan.

    Args:
        most: Share of a GPU's mean load above which an expert is given more replicas first; None: all have as many as
            in a placement from scratch.
        swaps_only: Whether the number of replicas stays while the busiest GPU is made lighter.
    """

    most: float | None
    swaps_only: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    """The best plan so far of every layer, in the order of `order`."""

    slots: IntArray
    copies: IntArray
    balance: FloatArray


def stay(change: Change, tau: float) -> Plan:
    """Plan a change.

    Args:
        change: What is where, and the GPUs and slots that there shall be.
        tau: Load of the busiest GPU over the mean that is asked for in every layer, at least 1.
    """
    ordered = in_order(change)
    counts, reach = _from_scratch_at_best(ordered, change)
    target = np.maximum(tau, reach)
    best = _search(ordered, change, counts, target)
    placement = _seat(change, ordered.named(best.slots))
    scratch = place(change.loads, change.gpus, change.slots)
    return Plan(placement, scratch, target, balance(change.loads, placement))


def _from_scratch_at_best(ordered: Ordered, change: Change) -> tuple[list[IntArray], FloatArray]:
    """Replicas as EPLB numbers them, and better ones where there are, and the balance that placing them reaches."""
    gpus, slots = change.gpus, change.filled
    eplb = replicate(ordered.loads, gpus * slots, gpus)
    packed = pack(ordered.loads / eplb, eplb, gpus, slots)
    reach = balance(ordered.loads, packed)
    if slots != PAIR:
        return [eplb], reach
    counts = improve(ordered.loads, eplb, gpu_loads(ordered.loads, packed).max(axis=1))
    better = pack(ordered.loads / counts[-1], counts[-1], gpus, slots) if len(counts) > 1 else packed
    return counts, np.minimum(reach, balance(ordered.loads, better))


def _search(ordered: Ordered, change: Change, counts: list[IntArray], target: FloatArray) -> _Best:
    layers, gpus, slots = len(target), change.gpus, change.filled
    best = _Best(
        np.full((layers, gpus, slots), EMPTY), np.full(layers, np.iinfo(np.int64).max), np.full(layers, np.inf)
    )
    best = _better(best, near(_kept(ordered, change), slots, np.full(layers, np.inf)), target, 1)
    tries = min(max(SMALL_SLOTS // (layers * gpus * slots), 1), MOST_TRIES)
    for attempt in _attempts(change, tries):
        for wanted in counts if attempt.most is None else counts[:1]:
            seats = _attempt(attempt, ordered, change, (wanted, target, tries))
            best = _better(best, seats, target, tries)
    missed = np.flatnonzero(best.balance > target * (1.0 + 2 * ROUNDING))
    if tries > 1 or missed.size:
        best = _better(best, _from_scratch(ordered, change, counts[-1]), target, 1)
    return best


def _from_scratch(ordered: Ordered, change: Change, counts: IntArray) -> Seats:
    """No attempt: what is always possible."""
    held = members(ordered.slots, ordered.loads.shape[1])
    packed = pack(ordered.loads / counts, counts, change.gpus, change.filled)
    return Seats(ordered.loads, relabel(packed, held), held)


def _attempts(change: Change, tries: int) -> Iterator[Attempt]:
    """Those that are worth their time: a small layer is worth all."""
    grows = change.gpus > change.survivors.sum() and change.filled >= MANY_SLOTS
    gives = change.filled < change.current.shape[2]  # slots: experts must leave, and few fit where others left
    if tries > 1 or grows:
        yield Attempt(HEAVY_REPLICA, swaps_only=False)
    if tries > 1 or not grows:
        yield Attempt(HEAVY_REPLICA, swaps_only=True)
    if tries > 1 or (not gives and (grows or PAIR < change.filled < MANY_SLOTS)):  # of two, every replica is heavy
        yield Attempt(LIGHT_REPLICA, swaps_only=True)
    yield Attempt(None, swaps_only=True)
    if tries > 1 or gives:
        yield Attempt(None, swaps_only=False)
    if tries > 1:
        yield Attempt(LIGHT_REPLICA, swaps_only=False)


def _attempt(attempt: Attempt, ordered: Ordered, change: Change, wanted: tuple[IntArray, FloatArray, int]) -> Seats:
    """Try it, several times where layers are small: rows of a layer follow one another."""
    counts, target, tries = wanted
    seats = _kept(ordered, change)
    most = np.maximum((attempt.most or HEAVY_REPLICA) * seats.mean, (ordered.loads / counts).max(axis=1))
    aims = attempt.most is None
    seats = aimed(seats, change.filled, counts) if aims else near(seats, change.filled, most)
    noise = None if tries == 1 else np.tile(np.linspace(0.0, BLUR, tries), len(target))
    rows = np.repeat(np.arange(len(target)), tries)
    seats = seats.rows(rows)
    repair(seats, target[rows] * (1.0 + ROUNDING), Rules(most[rows], attempt.swaps_only, noise))
    return seats


def _kept(ordered: Ordered, change: Change) -> Seats:
    layers, gpus, there = ordered.slots.shape
    slots = np.full((layers, gpus, max(there, change.filled)), EMPTY)
    slots[:, :, :there] = ordered.slots
    return Seats(ordered.loads, slots, members(ordered.slots, ordered.loads.shape[1]))


def _better(best: _Best, seats: Seats, target: FloatArray, tries: int) -> _Best:
    """Fewest copies of those that reach the target, else the lowest balance."""
    layers = np.arange(len(target))
    copies, reached = seats.copies.reshape(-1, tries), seats.balance.reshape(-1, tries)
    row = _rank(copies, reached, target[:, None]).argmin(axis=1)
    copies, reached = copies[layers, row], reached[layers, row]
    wins = _rank(copies, reached, target) < _rank(best.copies, best.balance, target)
    slots = seats.slots.reshape(len(target), tries, *seats.slots.shape[1:])[layers, row]
    return _Best(
        np.where(wins[:, None, None], slots, best.slots),
        np.where(wins, copies, best.copies),
        np.where(wins, reached, best.balance),
    )


def _rank(copies: IntArray, reached: FloatArray, target: FloatArray) -> FloatArray:
    """Lower is better: copies of what reaches the target, and the balance of what does not, which is worse."""
    kept = reached <= target * (1.0 + 2 * ROUNDING)
    return np.where(kept, copies + 1.0 / (1.0 + 1.0 / reached), 1e12 * reached)


def _seat(change: Change, chosen: IntArray) -> IntArray:
    """The experts that were chosen for each GPU, those that are there already in their slots."""
    layers, gpus, _ = chosen.shape
    there = np.full((layers, gpus, change.slots), EMPTY)
    now = once(at_new_places(change))[:, :, : change.slots]
    there[:, :, : now.shape[2]] = now
    padded = np.concatenate([members(chosen, change.loads.shape[1]), np.zeros((layers, gpus, 1), bool)], axis=2)
    there = np.where(np.take_along_axis(padded, there, axis=2), there, EMPTY)
    seated = (chosen[..., :, None] == there[..., None, :]).any(axis=-1)
    new = np.take_along_axis(chosen, np.argsort(seated, axis=2, kind="stable"), axis=2)
    layer, gpu, place = np.nonzero(np.arange(chosen.shape[2]) < (~seated).sum(axis=2)[:, :, None])
    free = np.argsort(there != EMPTY, axis=2, kind="stable")
    there[layer, gpu, free[layer, gpu, place]] = new[layer, gpu, place]
    return there
