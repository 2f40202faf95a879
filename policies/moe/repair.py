"""Make the busiest GPU of each layer lighter, one operation after another, each the one that helps most for its copies.

    swap     an expert of the busiest GPU and one of a cool GPU change places; of any GPU where nothing else helps
    share    a spare replica on any GPU gives its slot to one more replica of an expert of the busiest GPU
    replace  a spare replica on the busiest GPU gives its slot to one more replica of an expert that it lacks

An operation is worth by how much it lowers the busiest of the GPUs that it touches, over its copies. A slot that is
copied into anyway costs nothing more, so what is put into it may change for free. Which operation comes next depends
neither on the balance that is asked for nor on other rows, and none takes a copy back: so more tolerance never costs a
copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.moe.placement import IntArray
from foresail.policies.moe.seats import TAKEN, Seats

FREE = 0.05  # copies that an operation without any counts as: of two such, the one that helps more is better
LEAST = 1e-9  # of the busiest GPU's load, by which an operation must lower it
HEAVY = 3  # experts of the busiest GPU of which one more replica is tried
PAIRS = 640  # of slots that are tried for a swap beside each slot of the busiest GPU: as many cool GPUs as that gives
FEWEST_COOL = 6

Place = tuple[IntArray, ...]
Codes = NDArray[np.int8]
LESS = 2  # copies that an operation could take back, which none may
WORTH = np.zeros(3 * TAKEN)  # of an operation by its copies and LESS, for what it gains
WORTH[LESS : LESS + 3] = 1.0 / (FREE + np.arange(3))  # a swap takes two at most


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What a search may do.

    Args:
        most: Load that a replica may have when another one of its expert is given up, shape (R,).
        copies: From which a row is of no use any more, shape (R,).
        swaps_only: Whether the number of replicas of every expert stays.
        blur: Factors of an operation's worth for each expert that it brings to each GPU, shape (T, M, E); rows take
            them in turn.
    """

    most: FloatArray
    copies: IntArray
    swaps_only: bool = False
    blur: FloatArray | None = None


class Found(NamedTuple):
    """The best operation of a kind on each row: its worth, not above 0 where there is none, and which it is."""

    worth: FloatArray
    place: Place


class Sight(NamedTuple):
    """The busiest GPU of each row."""

    rows: IntArray  # (A,)
    gpu: IntArray  # (A,)
    load: FloatArray  # (A,)
    experts: IntArray  # (A, S)

    def of(self, chosen: IntArray) -> Sight:
        """Some of the rows."""
        return Sight(self.rows[chosen], self.gpu[chosen], self.load[chosen], self.experts[chosen])


class Spare(NamedTuple):
    """Slots whose replica can be given up, row after row, each shape (K,)."""

    at: IntArray  # index into the rows of a sight
    gpu: IntArray
    slot: IntArray
    expert: IntArray
    grows: FloatArray  # what each other replica carries more then


def repair(seats: Seats, target: FloatArray, rules: Rules) -> None:
    """Lower the busiest GPU of every row until its balance is `target`, shape (R,), or nothing helps."""
    search = _Search(seats, rules)
    most = np.where(seats.mean > 0.0, target * seats.mean, np.inf)
    rows = np.arange(len(target))
    for _ in range(100 + seats.slots[0].size):
        rows = rows[(seats.load[rows].max(axis=1) > most[rows]) & (seats.copies[rows] < rules.copies[rows])]
        if rows.size == 0:
            return
        rows = rows[search.step(rows)]


class _Search:
    """The operations on some seats."""

    def __init__(self, seats: Seats, rules: Rules) -> None:
        self.seats, self.rules = seats, rules
        _, self.gpus, self.experts = seats.price.shape
        self.cool = min(max(FEWEST_COOL, PAIRS // seats.slots.shape[2] ** 2), self.gpus)
        self.share, self.price = seats.share.reshape(-1), seats.price.reshape(-1)  # views: what changes is seen

    def step(self, rows: IntArray) -> BoolArray:
        """Do the best operation on each of some rows; returns whether there was one."""
        gpu = self.seats.load[rows].argmax(axis=1)
        sight = Sight(rows, gpu, self.seats.load[rows, gpu], self.seats.slots[rows, gpu])
        swapped = self._swap(sight, self.cool)
        done = swapped.worth > 0.0
        if self.rules.swaps_only:
            self._do(self._do_swap, sight, swapped, done)
        else:
            shared = self._share(sight)
            shares = shared.worth > np.maximum(swapped.worth, 0.0)
            self._do(self._do_swap, sight, swapped, done & ~shares)
            self._do(self._do_share, sight, shared, shares)
            done |= shares
        left = np.flatnonzero(~done)
        if left.size:
            done[left] = self._last_resort(sight.of(left))
        return done

    def _last_resort(self, sight: Sight) -> BoolArray:
        """What nothing else helps: a swap with any GPU, and another expert for a spare replica."""
        done = np.zeros(len(sight.rows), bool)
        if self.cool < self.gpus:
            swapped = self._swap(sight, self.gpus)
            done = swapped.worth > 0.0
            self._do(self._do_swap, sight, swapped, done)
        left = np.flatnonzero(~done)
        if left.size and not self.rules.swaps_only:
            replaced = self._replace(sight.of(left))
            self._do(self._do_replace, sight.of(left), replaced, replaced.worth > 0.0)
            done[left] = replaced.worth > 0.0
        return done

    def _do(self, how: Callable[[Sight, Place], None], sight: Sight, found: Found, where: BoolArray) -> None:
        chosen = np.flatnonzero(where)
        if chosen.size:
            how(sight.of(chosen), tuple(place[chosen] for place in found.place))

    def _swap(self, s: Sight, most_cool: int) -> Found:
        """Tries every slot of the busiest GPU with every slot of the cool ones, in rows that are long for numpy."""
        cool, load = self._cool(s, most_cool)
        slots = self.seats.slots.shape[2]
        a, b = s.experts[:, :, None], self.seats.slots[s.rows[:, None], cool].reshape(len(cool), 1, -1)
        of_row, on_hot = (s.rows * self.experts)[:, None, None], self._on(s.rows, s.gpu)[:, None, None]
        on_cool = np.repeat(self._on(s.rows[:, None], cool), slots, axis=1)[:, None, :]
        less = self.share.take(of_row + a) - self.share.take(of_row + b)
        gain = np.minimum(less, np.repeat(s.load[:, None] - load, slots, axis=1)[:, None, :] - less)
        a_there, b_here = on_cool + a, on_hot + b
        of_a = self.price.take(a_there) - self.price.take(on_hot + a)
        of_b = self.price.take(b_here) - self.price.take(on_cool + b) + np.int8(2 * TAKEN)
        worth, (mine, place) = self._best(s, gain, self._worth(gain, of_a + of_b + np.int8(LESS), a_there, b_here))
        at, other = np.divmod(place, slots)
        return Found(worth, (cool[np.arange(len(cool)), at], mine, other))

    def _cool(self, s: Sight, most: int) -> tuple[IntArray, FloatArray]:
        """GPUs with little load, and that, each (A, K)."""
        load = self.seats.load[s.rows]
        if most >= self.gpus:
            return np.broadcast_to(np.arange(self.gpus), load.shape), load
        cool = np.argpartition(load, most - 1, axis=1)[:, :most]
        return cool, np.take_along_axis(load, cool, axis=1)

    def _on(self, rows: IntArray, gpu: IntArray) -> IntArray:
        """Where the prices of a GPU begin."""
        return np.asarray((rows * self.gpus + gpu) * self.experts)

    def _do_swap(self, s: Sight, place: Place) -> None:
        cool, mine, other = place
        self.seats.swap(s.rows, (s.gpu, mine), (cool, other))

    def _share(self, s: Sight) -> Found:
        """Tries the heaviest experts of the busiest GPU and all slots with a spare replica."""
        seats, spare, at = self.seats, self._spare(s), np.arange(len(s.rows))[:, None]
        share = self.share.take((s.rows * self.experts)[:, None] + s.experts)
        heavy = np.argsort(-share, axis=1, kind="stable")[:, :HEAVY]
        a, rows = s.experts[at, heavy], s.rows[spare.at]
        after = seats.loads[s.rows[:, None], a] / (seats.count[s.rows[:, None], a] + 1)
        here = (s.load[:, None] - share[at, heavy] + after)[spare.at]
        beside = self.price.take(self._on(s.rows, s.gpu)[spare.at] + spare.expert) >= TAKEN
        here += np.where(beside, spare.grows, 0.0)[:, None]
        there = (seats.load[rows, spare.gpu] - self.share.take(rows * self.experts + spare.expert))[:, None]
        gain = s.load[spare.at][:, None] - np.maximum(here, there + after[spare.at])
        on = self._on(rows, spare.gpu)
        brought = on[:, None] + a[spare.at]
        cost = self.price.take(brought) - self.price.take(on + spare.expert)[:, None]
        worth = self._worth(gain, cost + np.int8(TAKEN + LESS), brought)
        worth[gain <= (LEAST * s.load[spare.at])[:, None]] = -1.0
        return self._best_spare(s, spare, a, worth)

    def _best_spare(self, s: Sight, spare: Spare, a: IntArray, worth: FloatArray) -> Found:
        """The best of what is tried, a row for each spare replica and a column for each expert."""
        heavy = worth.argmax(axis=1)
        best = worth[np.arange(len(worth)), heavy]
        most, chosen = np.full(len(s.rows), -1.0), np.zeros(len(s.rows), np.int64)
        starts = np.flatnonzero(np.diff(spare.at, prepend=-1))
        if starts.size == 0:
            return Found(most, (chosen, chosen, chosen))
        most[spare.at[starts]] = np.maximum.reduceat(best, starts)
        hits = np.flatnonzero(best == most[spare.at])[::-1]
        chosen[spare.at[hits]] = hits  # the first of equals
        return Found(most, (spare.gpu[chosen], spare.slot[chosen], a[np.arange(len(a)), heavy[chosen]]))

    def _do_share(self, s: Sight, place: Place) -> None:
        gpu, slot, expert = place
        self.seats.put(s.rows, gpu, slot, expert)

    def _spare(self, s: Sight) -> Spare:
        """What has other replicas that are neither too heavy without it, nor then make a GPU as busy as the busiest."""
        seats, rows = self.seats, s.rows[:, None]
        fewer = seats.count[s.rows] - 1
        after = np.where(fewer > 0, seats.loads[s.rows] / np.maximum(fewer, 1), np.inf)
        grows = np.where(after <= self.rules.most[rows], after - seats.share[s.rows], np.inf).reshape(-1)
        key = seats.slots[s.rows].reshape(len(s.rows), -1) + np.arange(len(s.rows))[:, None] * self.experts
        at, place = np.nonzero(grows.take(key) < s.load[:, None])
        key, (gpu, slot) = key[at, place], np.divmod(place, seats.slots.shape[2])
        busiest = np.zeros(len(grows))
        np.maximum.at(busiest, key, np.where(gpu == s.gpu[at], 0.0, seats.load[s.rows[at], gpu]))
        fits = busiest.take(key) + grows.take(key) < s.load[at] * (1.0 - LEAST)
        key, at = key[fits], at[fits]
        return Spare(at, gpu[fits], slot[fits], key - at * self.experts, grows.take(key))

    def _replace(self, s: Sight) -> Found:
        seats, rows, spare = self.seats, s.rows[:, None], self._spare(s)
        may_go = np.zeros(s.experts.shape, bool)
        mine = spare.gpu == s.gpu[spare.at]
        may_go[spare.at[mine], spare.slot[mine]] = True
        less = seats.share[rows, s.experts][:, :, None] - (seats.loads[s.rows] / (seats.count[s.rows] + 1))[:, None, :]
        on_hot = self._on(s.rows, s.gpu)[:, None]
        brought = (on_hot + np.arange(self.experts))[:, None, :]
        cost = self.price.take(brought) - self.price.take(on_hot + s.experts)[:, :, None] + np.int8(TAKEN + LESS)
        gain = np.where(may_go[:, :, None], less, -1.0)
        return self._best(s, gain, self._worth(gain, cost, brought))

    def _do_replace(self, s: Sight, place: Place) -> None:
        mine, expert = place
        self.seats.put(s.rows, s.gpu, mine, expert)

    def _best(self, s: Sight, gain: FloatArray, worth: FloatArray) -> Found:
        flat, at = worth.reshape(len(worth), -1), np.arange(len(worth))
        place = flat.argmax(axis=1)
        enough = gain.reshape(flat.shape)[at, place] > LEAST * s.load
        return Found(np.where(enough, flat[at, place], -1.0), np.unravel_index(place, worth.shape[1:]))

    def _worth(self, gain: FloatArray, cost: Codes, *brought: IntArray) -> FloatArray:
        """Of operations, by what they gain, their copies and LESS, and where in the prices what they bring is."""
        worth = gain * WORTH.take(cost)
        if self.rules.blur is not None:
            for place in brought:
                worth *= self.rules.blur.take(place, mode="wrap")
        return np.asarray(worth)
