"""The planner that stays put: a placement of few copies in which no GPU is busier than was asked for.

Layers are planned one by one. What is kept is tried as it is, with free slots filled: what is balanced already stays.
Several attempts start from it (`start`) and lower the busiest GPU by the operations that cost fewest copies (`repair`),
until the layer's balance is reached; the attempt with fewest copies is taken. Small layers get all attempts, many times
over with the worth of operations blurred. Large ones get the two or three that are worth their time for their slots and
their hottest expert. Where nothing else reaches the balance, a placement from scratch does, with GPUs called so that
they keep what they can (`relabel`).

A balance below what a placement from scratch reaches (`balance`, and `improve` where slots are few) is taken as one at
what that reaches, and in large layers of more than two slots at a percent more: the last percent costs two thirds of
all copies there, and is gone with the next window of traffic. Which attempts are made does not depend on the balance,
and one ends early only when its copies are as many as the best one's, as it never takes a copy back: so more tolerance
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

NEVER = np.iinfo(np.int64).max
SMALL_SLOTS = 4096  # of all layers and tries together
FEWEST_TRIES, MOST_TRIES = 4, 64  # layers that would have fewer are large
BLUR = 1.0  # of the most blurred try; the first is not blurred
SWAPS, ALL = True, False  # operations: whether the number of replicas stays
HEAVY, LIGHT = 0.6, 0.4  # of a GPU's mean load, above which an expert is given more replicas first
HOT = 9.0  # mean loads of a GPU that the hottest expert has, from which layers need other attempts
SLACK = 1.01  # of the balance from scratch, which large layers reach with a third of its copies
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


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A start, and ways from it to a plan.

    Args:
        most: Share of a GPU's mean load above which an expert is given more replicas first; None: all have as many as
            in a placement from scratch.
        ways: Whether the number of replicas stays while the busiest GPU is made lighter, and the layers in which that
            is tried; the first way has all of them.
    """

    most: float | None
    ways: tuple[tuple[bool, IntArray], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    """The best plan so far of every layer, in the order of `order`; changed in place."""

    slots: IntArray
    copies: IntArray
    balance: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What is searched: layers in the order of `order`, and what each is to reach.

    Args:
        ordered: Experts and GPUs.
        held: What each GPU holds now, shape (L, M, E).
        slots: Of a GPU that can be of use.
        target: Balance, shape (L,).
        tries: Of each attempt.
        blur: Factors of operations' worth in each try, shape (tries, M, E); None: one try, not blurred.
        grows: Whether GPUs come.
        gives: Whether a GPU has fewer slots than now: experts must leave, and few fit where others left.
    """

    ordered: Ordered
    held: BoolArray
    slots: int
    target: FloatArray
    tries: int
    blur: FloatArray | None
    grows: bool
    gives: bool

    @property
    def gpus(self) -> int:
        """There shall be."""
        return int(self.held.shape[1])

    @property
    def most(self) -> FloatArray:
        """The target with room for rounding."""
        return self.target * (1.0 + 2 * ROUNDING)

    def kept(self, layers: IntArray) -> Seats:
        """What is where now."""
        there = self.ordered.slots[layers]
        slots = np.full((*there.shape[:2], max(there.shape[2], self.slots)), EMPTY)
        slots[:, :, : there.shape[2]] = there
        return Seats(self.ordered.loads[layers], slots, self.held[layers])


def _make_work(ordered: Ordered, change: Change, tau: float, reach: FloatArray) -> _Work:
    slots = change.filled
    tries = min(SMALL_SLOTS // max(len(reach) * change.gpus * slots, 1), MOST_TRIES)
    tries = tries if tries >= FEWEST_TRIES else 1
    slack = 1.0 if tries > 1 or slots <= PAIR else SLACK
    held = members(ordered.slots, change.loads.shape[1])
    blur = _blur(tries, held.shape[1:]) if tries > 1 else None
    grows, gives = change.gpus > int(change.survivors.sum()), slots < change.current.shape[2]
    return _Work(ordered, held, slots, np.maximum(tau, slack * reach), tries, blur, grows, gives)


def _blur(tries: int, places: tuple[int, ...]) -> FloatArray:
    """Factors for each try of a layer, of which the first is not blurred; all layers have the same."""
    spread = np.linspace(0.0, BLUR, tries)[:, None, None]
    return np.exp(spread * np.random.default_rng(0).standard_normal((tries, *places)))


def stay(change: Change, tau: float) -> Plan:
    """Plan a change.

    Args:
        change: What is where, and the GPUs and slots that there shall be.
        tau: Load of the busiest GPU over the mean that is asked for in every layer, at least 1.
    """
    ordered = in_order(change)
    counts, reach = _from_scratch_at_best(ordered, change)
    work = _make_work(ordered, change, tau, reach)
    best, target = _search(work, counts), work.target
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


def _search(work: _Work, counts: list[IntArray]) -> _Best:
    layers, gpus, slots = len(work.target), work.gpus, work.slots
    every = np.arange(layers)
    best = _Best(np.full((layers, gpus, slots), EMPTY), np.full(layers, NEVER), np.full(layers, np.inf))
    _better(best, near(work.kept(every), slots, np.full(layers, np.inf)), work, every)
    for attempt in _attempts(work):
        for wanted in (counts if work.tries > 1 else counts[-1:]) if attempt.most is None else counts[:1]:
            _try(attempt, work, wanted, best)
    missed = np.flatnonzero(best.balance > work.most) if work.tries == 1 else every
    if missed.size:
        _better(best, _from_scratch(work, counts[-1], missed), work, missed)
    return best


def _attempts(work: _Work) -> Iterator[Attempt]:
    """Those that are worth their time, and the layers in which they are: a small one is worth all."""
    every = np.arange(len(work.target))
    if work.tries > 1:
        yield from (Attempt(most, ((ALL, every), (SWAPS, every))) for most in (HEAVY, LIGHT, None))
        return
    if work.slots <= PAIR:  # the number of replicas decides
        yield Attempt(None, ((SWAPS, every),))
        return
    hot = work.ordered.loads[:, 0] > HOT * work.ordered.loads.sum(axis=1) / work.gpus
    calm, hot = np.flatnonzero(~hot), np.flatnonzero(hot)
    if work.gives or work.slots < MANY_SLOTS:
        yield Attempt(LIGHT if work.grows else HEAVY, ((SWAPS if work.slots < MANY_SLOTS else ALL, calm),))
        yield Attempt(None, ((SWAPS, every), (ALL, hot)))
    elif work.grows:
        yield Attempt(LIGHT, ((ALL, every),))
        yield Attempt(None, ((SWAPS, hot),))
    else:
        yield Attempt(HEAVY, ((SWAPS, every), (ALL, hot)))
        yield Attempt(None, ((SWAPS, calm),))
        yield Attempt(None, ((ALL, hot),))


def _try(attempt: Attempt, work: _Work, counts: IntArray, best: _Best) -> None:
    """Try it, several times where layers are small: rows of a layer follow one another."""
    layers = attempt.ways[0][1]
    if layers.size == 0:
        return
    start, counts = work.kept(layers), counts[layers]
    most = np.maximum((attempt.most or HEAVY) * start.mean, (start.loads / counts).max(axis=1))
    start = aimed(start, work.slots, counts) if attempt.most is None else near(start, work.slots, most)
    for swaps_only, chosen in attempt.ways:
        if chosen.size:
            rows = np.repeat(np.searchsorted(layers, chosen), work.tries)
            seats = start.rows(rows)
            beaten = np.where(best.balance <= work.most, best.copies, NEVER)[layers]  # nothing takes copies back
            rules = Rules(most[rows], beaten[rows], swaps_only, work.blur)
            repair(seats, work.target[layers][rows] * (1.0 + ROUNDING), rules)
            _better(best, seats, work, chosen)


def _from_scratch(work: _Work, counts: IntArray, layers: IntArray) -> Seats:
    """No attempt: what is always possible."""
    loads, held = work.ordered.loads[layers], work.held[layers]
    packed = pack(loads / counts[layers], counts[layers], work.gpus, work.slots)
    return Seats(loads, relabel(packed, held), held)


def _better(best: _Best, seats: Seats, work: _Work, layers: IntArray) -> None:
    """Keep the fewest copies of those that reach the target, else the lowest balance."""
    at, tries = np.arange(len(layers)), len(seats.copies) // len(layers)
    copies, reached = seats.copies.reshape(-1, tries), seats.balance.reshape(-1, tries)
    row = _rank(copies, reached, work.most[layers, None]).argmin(axis=1)
    copies, reached = copies[at, row], reached[at, row]
    most = work.most[layers]
    wins = _rank(copies, reached, most) < _rank(best.copies[layers], best.balance[layers], most)
    chosen = layers[wins]
    best.slots[chosen] = seats.slots.reshape(len(layers), tries, *seats.slots.shape[1:])[at, row][wins]
    best.copies[chosen], best.balance[chosen] = copies[wins], reached[wins]


def _rank(copies: IntArray, reached: FloatArray, most: FloatArray) -> FloatArray:
    """Lower is better: copies of what reaches the target, and the balance of what does not, which is worse."""
    return np.where(reached <= most, copies + 1.0 / (1.0 + 1.0 / reached), 1e12 * reached)


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
