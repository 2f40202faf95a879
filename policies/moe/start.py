"""Where a plan that stays put begins: what is kept where it is, what must be placed, and what free slots are used for.

`near` keeps all that can be kept: its copies are those that no plan can do without, and a few where an expert has grown
far beyond its replicas. `aimed` gives every expert as many replicas as a placement from scratch does: that costs some
more, and swaps alone can then nearly always balance it.
"""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.placement import EMPTY, IntArray
from foresail.policies.moe.seats import Seats

FITS = 1.05  # of the room that is left for each free slot, up to which a replica fits
RELIEF = 0.98  # of its load, that one more replica must leave to each


def near(seats: Seats, slots: int, most: FloatArray) -> Seats:
    """Keep what can be kept, give every expert a place, and fill.

    Args:
        seats: Each GPU with what it holds now.
        slots: That it shall have.
        most: Load above which an expert is given more replicas first, shape (R,).
    """
    _trim(seats, slots)
    seats = _fold(seats, slots)
    _place_lost(seats)
    _level(seats, most)
    _fill(seats)
    return seats


def aimed(seats: Seats, slots: int, counts: IntArray) -> Seats:
    """Give every expert a number of replicas, keeping as many where they are as there shall be.

    What is missing goes into free slots, the heaviest first, each to the lightest GPU with a free slot that lacks it.

    Args:
        seats: Each GPU with what it holds now.
        slots: That it shall have.
        counts: Replicas of each expert, in sum the slots that can be used, shape (R, E).
    """
    _drop(seats, counts, slots)
    _trim(seats, slots)
    seats = _fold(seats, slots)
    counts = counts.copy()
    final = seats.loads / counts
    load = np.where(seats.has(...), final[:, None, :], 0.0).sum(axis=2)
    while (rows := np.flatnonzero((seats.count < counts).any(axis=1))).size:
        expert = np.where(seats.count[rows] < counts[rows], final[rows], -1.0).argmax(axis=1)
        room = (seats.slots[rows] == EMPTY).any(axis=2) & ~seats.has(rows, slice(None), expert)
        gpu = np.where(room, load[rows], np.inf).argmin(axis=1)
        beside = np.flatnonzero(~room.any(axis=1))  # where the GPUs that have it are the only ones with a free slot
        if beside.size:
            gpu[beside] = _make_room(seats, rows[beside], expert[beside], (load, final))
        seats.put(rows, gpu, (seats.slots[rows, gpu] == EMPTY).argmax(axis=1), expert)
        load[rows, gpu] += final[rows, expert]
    _place_lost(seats)
    _fill(seats)
    return seats


def _make_room(seats: Seats, rows: IntArray, expert: IntArray, weights: tuple[FloatArray, FloatArray]) -> IntArray:
    """Free a slot of a GPU that lacks an expert, and return that GPU.

    What stands there lightest and is not on a GPU with a free slot yet goes there.
    """
    load, final = weights
    at = np.arange(len(rows))
    roomy = (seats.slots[rows] == EMPTY).any(axis=2).argmax(axis=1)
    gpu = np.where(seats.has(rows, slice(None), expert), np.inf, load[rows]).argmin(axis=1)
    there = seats.slots[rows, gpu]
    light = np.where(seats.has(rows[:, None], roomy[:, None], there), np.inf, final[rows[:, None], there])
    slot = light.argmin(axis=1)
    moved = there[at, slot]
    seats.put(rows, roomy, (seats.slots[rows, roomy] == EMPTY).argmax(axis=1), moved)
    seats.free(rows, gpu, slot)
    load[rows, roomy] += final[rows, moved]
    load[rows, gpu] -= final[rows, moved]
    return np.asarray(gpu)


def _drop(seats: Seats, counts: IntArray, slots: int) -> None:
    """Free spare replicas: on GPUs that hold too much first, then on those with most load."""
    while (rows := np.flatnonzero((seats.count > counts).any(axis=1))).size:
        expert = np.where(seats.count[rows] > counts[rows], seats.loads[rows], -1.0).argmax(axis=1)
        full = (seats.slots[rows] != EMPTY).sum(axis=2) > slots
        worth = seats.load[rows] + np.where(full, seats.loads[rows].sum(axis=1)[:, None], 0.0)
        gpu = np.where(seats.has(rows, slice(None), expert), worth, -1.0).argmax(axis=1)
        seats.free(rows, gpu, (seats.slots[rows, gpu] == expert[:, None]).argmax(axis=1))


def _trim(seats: Seats, slots: int) -> None:
    """Free slots of every GPU until at most `slots` are used: what is of least use goes first."""
    used = (seats.slots != EMPTY).sum(axis=2)
    for gpu in range(seats.slots.shape[1] if (used > slots).any() else 0):
        while (rows := np.flatnonzero(used[:, gpu] > slots)).size:
            seats.free(rows, np.full(len(rows), gpu), _least_useful(seats, rows, gpu))
            used[rows, gpu] -= 1


def _least_useful(seats: Seats, rows: IntArray, gpu: int) -> IntArray:
    """The slot without which the others that hold its expert carry least more; an only replica goes last."""
    experts, at = seats.slots[rows, gpu], rows[:, None]
    count = seats.count[at, experts]
    more = seats.loads[at, experts] / np.maximum(count * (count - 1), 1)
    only = np.where(count > 1, 0.0, seats.loads[rows].sum(axis=1)[:, None])
    return np.asarray(np.where(experts == EMPTY, np.inf, more + only).argmin(axis=1))


def _fold(seats: Seats, slots: int) -> Seats:
    """The same with as many slots on each GPU as are wanted, the free ones last."""
    order = np.argsort(seats.slots == EMPTY, axis=2, kind="stable")[:, :, :slots]
    return type(seats)(seats.loads, np.take_along_axis(seats.slots, order, axis=2), seats.held)


def _place_lost(seats: Seats) -> None:
    """Give every expert that is nowhere a slot, the hottest first: a free one, or that of a spare replica."""
    while (rows := np.flatnonzero((seats.count == 0).any(axis=1))).size:
        expert = np.where(seats.count[rows] == 0, seats.loads[rows], -1.0).argmax(axis=1)
        gpu, slot = _lightest(_load_beside(seats, rows))
        seats.put(rows, gpu, slot, expert)


def _load_beside(seats: Seats, rows: IntArray) -> FloatArray:
    """Load of the GPU without what stands in each slot, shape (A, M, S); infinite where that is the only replica."""
    slots, at = seats.slots[rows], rows[:, None, None]
    share = np.where(slots == EMPTY, 0.0, seats.share[at, slots])
    needed = (slots != EMPTY) & (seats.count[at, slots] < 2)
    return np.where(needed, np.inf, seats.load[rows][:, :, None] - share)


def _lightest(worth: FloatArray) -> tuple[IntArray, IntArray]:
    """GPU and slot of the least of each row."""
    layers, gpus, slots = worth.shape
    gpu, slot = np.divmod(worth.reshape(layers, gpus * slots).argmin(axis=1), slots)
    return gpu, slot


def _level(seats: Seats, most: FloatArray) -> None:
    """Give experts more replicas until no replica carries more than `most`, shape (R,), as far as that helps.

    A replica goes into a free slot where there is one, else into that of a spare replica whose others carry least then.
    """
    stuck = np.zeros(len(most), bool)
    gpus = seats.slots.shape[1]
    while True:
        share = np.where(seats.count < gpus, seats.share, -1.0)
        rows = np.flatnonzero((share.max(axis=1) > most) & ~stuck)
        if rows.size == 0:
            return
        expert = share[rows].argmax(axis=1)
        worth = _given_up(seats, rows, expert)
        found = np.isfinite(worth).any(axis=(1, 2))
        stuck[rows[~found]] = True
        gpu, slot = _lightest(worth[found])
        seats.put(rows[found], gpu, slot, expert[found])


def _given_up(seats: Seats, rows: IntArray, expert: IntArray) -> FloatArray:
    """How bad it is to give up each slot for one more replica of an expert, shape (A, M, S); infinite: of no use."""
    slots, at = seats.slots[rows], rows[:, None, None]
    mean = np.maximum(seats.mean[at], np.finfo(float).tiny)
    after = seats.loads[at, slots] / np.maximum(seats.count[at, slots] - 1, 1)
    useful = (seats.count[at, slots] > 1) & (after < RELIEF * seats.share[rows, expert][:, None, None])
    copied = seats.price[at, np.arange(slots.shape[1])[None, :, None], slots] & 1
    worth = np.where(useful, (after + 1e-3 * seats.load[rows][:, :, None]) / mean - 0.05 * copied, np.inf)
    worth = np.where(slots == EMPTY, seats.load[rows][:, :, None] / mean - 1e6, worth)  # free slots first
    twice = seats.has(rows, slice(None), expert)[:, :, None]
    return np.where(twice, np.inf, worth)


def _fill(seats: Seats) -> None:
    """Give every free slot a replica: the GPU with least load first, the expert that is relieved most and fits."""
    left = np.minimum((seats.slots == EMPTY).sum(axis=2), seats.loads.shape[1] - seats.has(...).sum(axis=2))
    while (rows := np.flatnonzero(left.any(axis=1))).size:
        gpu = np.where(left[rows] > 0, seats.load[rows], np.inf).argmin(axis=1)
        room = (seats.mean[rows] - seats.load[rows, gpu]) / left[rows, gpu]
        after = seats.loads[rows] / (seats.count[rows] + 1)
        worth = np.where(after <= FITS * room[:, None], seats.share[rows], -after)
        expert = np.where(seats.has(rows, gpu), -np.inf, worth).argmax(axis=1)
        seats.put(rows, gpu, (seats.slots[rows, gpu] == EMPTY).argmax(axis=1), expert)
        left[rows, gpu] -= 1
