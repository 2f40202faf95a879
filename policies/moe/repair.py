"""Make the busiest GPU of each layer lighter, one operation after another, each the one that helps most for its copies.

    swap     an expert of the busiest GPU and one of a cool GPU change places
    share    a spare replica on any GPU gives its slot to one more replica of an expert of the busiest GPU
    replace  a spare replica on the busiest GPU gives its slot to one more replica of an expert that it lacks

An operation is worth by how much it lowers the busiest of the GPUs that it touches, over its copies. A slot that is
copied into anyway costs nothing more, so what is put into it may change for free. Which operation comes next does not
depend on the balance that is asked for, and none takes a copy back: so more tolerance never costs a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.moe.placement import IntArray
from foresail.policies.moe.seats import Seats

FREE = 0.05  # copies that an operation without any counts as: of two such, the one that helps more is better
LEAST = 1e-9  # of the busiest GPU's load, by which an operation must lower it
HEAVY = 3  # experts of the busiest GPU of which one more replica is tried
PAIRS = 640  # of slots that are tried for a swap beside each slot of the busiest GPU: as many cool GPUs as that gives
FEWEST_COOL = 6

Place = tuple[IntArray, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What a search may do.

    Args:
        most: Load that a replica may have when another one of its expert is given up, shape (R,).
        swaps_only: Whether the number of replicas of every expert stays.
        noise: Spread of the logarithm by which an operation's worth is blurred, shape (R,).
        seed: Of the blur.
    """

    most: FloatArray
    swaps_only: bool = False
    noise: FloatArray | None = None
    seed: int = 0


class Found(NamedTuple):
    """The best operation of a kind on each row: its worth, -1 where there is none, and which it is."""

    worth: FloatArray
    place: Place


class Sight(NamedTuple):
    """What is looked at in one step."""

    rows: IntArray  # (A,)
    gpu: IntArray  # the busiest of each, (A,)
    load: FloatArray  # of it, (A,)
    experts: IntArray  # on it, (A, S)
    cool: IntArray  # GPUs with little load, (A, K)
    others: IntArray  # experts on those, (A, K, S)

    def of(self, chosen: IntArray) -> Sight:
        """Some of the rows."""
        return Sight(
            self.rows[chosen],
            self.gpu[chosen],
            self.load[chosen],
            self.experts[chosen],
            self.cool[chosen],
            self.others[chosen],
        )


def repair(seats: Seats, target: FloatArray, rules: Rules) -> None:
    """Lower the busiest GPU of every row until its balance is `target`, shape (R,), or nothing helps."""
    search = _Search(seats, rules)
    stuck = np.zeros(len(target), bool)
    for _ in range(100 + seats.slots[0].size):
        rows = np.flatnonzero((seats.balance > target) & ~stuck)
        if rows.size == 0:
            return
        stuck[rows[~search.step(rows)]] = True


class _Search:
    """The operations on some seats."""

    def __init__(self, seats: Seats, rules: Rules) -> None:
        self.seats, self.rules = seats, rules
        gpus, slots = seats.slots.shape[1:]
        self.cool = min(max(FEWEST_COOL, PAIRS // slots**2), gpus - 1)
        self.rng = np.random.default_rng(rules.seed)

    def step(self, rows: IntArray) -> BoolArray:
        """Do the best operation on each of some rows; returns whether there was one."""
        sight = self._look(rows)
        swapped = self._swap(sight)
        done = swapped.worth > 0.0
        if self.rules.swaps_only:
            self._do(self._do_swap, sight, swapped, done)
            return done
        shared = self._share(sight)
        shares = shared.worth > swapped.worth
        self._do(self._do_swap, sight, swapped, done & ~shares)
        self._do(self._do_share, sight, shared, shares)
        done |= shares
        left = np.flatnonzero(~done)
        if left.size:
            done[left] = self._last_resort(sight.of(left))
        return done

    def _last_resort(self, sight: Sight) -> BoolArray:
        replaced = self._replace(sight)
        self._do(self._do_replace, sight, replaced, replaced.worth > 0.0)
        return np.asarray(replaced.worth > 0.0)

    def _do(self, how: Callable[[Sight, Place], None], sight: Sight, found: Found, where: BoolArray) -> None:
        chosen = np.flatnonzero(where)
        if chosen.size:
            how(sight.of(chosen), tuple(place[chosen] for place in found.place))

    def _look(self, rows: IntArray) -> Sight:
        load, at = self.seats.load[rows], np.arange(len(rows))
        slots = self.seats.slots[rows]
        gpu = load.argmax(axis=1)
        cool = np.argpartition(load, max(self.cool - 1, 0), axis=1)[:, : self.cool]
        return Sight(rows, gpu, load[at, gpu], slots[at, gpu], cool, slots[at[:, None], cool])

    def _swap(self, s: Sight) -> Found:
        seats, at = self.seats, s.rows[:, None, None]
        gpu, hot = s.cool[:, :, None], s.gpu[:, None, None]
        a, b = s.experts[:, None, :], s.others
        load = seats.load[s.rows[:, None], s.cool][:, :, None, None]
        less = seats.share[at, a][..., None] - seats.share[at, b][:, :, None, :]
        gain = np.minimum(less, s.load[:, None, None, None] - load - less)
        twice = seats.present[at, gpu, a][..., None] | seats.present[at, hot, b][:, :, None, :]
        of_a = seats.held[at, hot, a].astype(np.int8) - seats.held[at, gpu, a]
        of_b = seats.held[at, gpu, b].astype(np.int8) - seats.held[at, hot, b]
        return self._best(s, np.where(twice, -1.0, gain), of_a[..., None] + of_b[:, :, None, :])

    def _do_swap(self, s: Sight, place: Place) -> None:
        cool, mine, other = place
        self.seats.swap(s.rows, (s.gpu, mine), (s.cool[np.arange(len(s.rows)), cool], other))

    def _share(self, s: Sight) -> Found:
        """Tries the heaviest experts of the busiest GPU and all slots with a spare replica."""
        seats, rows = self.seats, s.rows[:, None]
        gpu, slot = self._spare_slots(s)
        a, b = self._heaviest(s), seats.slots[rows, gpu, slot]
        less, more, grows = self._after(rows, a, 1), *self._growth(rows, b)
        allowed = self._may_go(s, b, more, grows)
        here = (s.load[:, None] - seats.share[rows, a] + less)[:, :, None]
        here = here + np.where(seats.present[rows, s.gpu[:, None], b], grows, 0.0)[:, None]
        there = (seats.load[rows, gpu] - seats.share[rows, b])[:, None] + less[:, :, None]
        at, here_too = rows[:, :, None], gpu[:, None]
        twice = seats.present[at, here_too, a[:, :, None]] | ~allowed[:, None]
        gives = seats.held[rows, gpu, b][:, None].astype(np.int8) - seats.held[at, here_too, a[:, :, None]]
        gain = s.load[:, None, None] - np.maximum(here, there)
        worth, (heavy, spare) = self._best(s, np.where(twice, -1.0, gain), gives)
        one = np.arange(len(s.rows))
        return Found(worth, (gpu[one, spare], slot[one, spare], a[one, heavy]))

    def _do_share(self, s: Sight, place: Place) -> None:
        gpu, slot, expert = place
        self.seats.put(s.rows, gpu, slot, expert)

    def _replace(self, s: Sight) -> Found:
        seats, rows, hot = self.seats, s.rows[:, None], s.gpu[:, None]
        a, c = s.experts, np.arange(seats.loads.shape[1])[None, :]
        more, grows = self._growth(rows, a)
        less = seats.share[rows, a][:, :, None] - self._after(rows, c, 1)[:, None, :]
        never = seats.present[rows, hot, c][:, None, :] | ~self._may_go(s, a, more, grows)[:, :, None]
        gives = seats.held[rows, hot, a][:, :, None].astype(np.int8) - seats.held[rows, hot, c][:, None, :]
        return self._best(s, np.where(never, -1.0, less), gives)

    def _do_replace(self, s: Sight, place: Place) -> None:
        mine, expert = place
        self.seats.put(s.rows, s.gpu, mine, expert)

    def _spare_slots(self, s: Sight) -> tuple[IntArray, IntArray]:
        """GPU and slot of what has other replicas, and some more for those with few, each (A, n)."""
        seats = self.seats
        slots = seats.slots[s.rows].reshape(len(s.rows), -1)
        spare = np.take_along_axis(seats.count[s.rows], slots, axis=1) > 1
        most = max(int(spare.sum(axis=1).max()), 1)
        chosen = np.argsort(~spare, axis=1, kind="stable")[:, :most]
        gpu, slot = np.divmod(chosen, seats.slots.shape[2])
        return gpu, slot

    def _heaviest(self, s: Sight) -> IntArray:
        order = np.argsort(-self.seats.share[s.rows[:, None], s.experts], axis=1, kind="stable")
        return np.take_along_axis(s.experts, order[:, :HEAVY], axis=1)

    def _after(self, rows: IntArray, experts: IntArray, more: int) -> FloatArray:
        """Load of one replica when there are more or fewer."""
        return np.asarray(self.seats.loads[rows, experts] / np.maximum(self.seats.count[rows, experts] + more, 1))

    def _growth(self, rows: IntArray, experts: IntArray) -> tuple[FloatArray, FloatArray]:
        """Load of each other replica when one is given up, and how much more that is."""
        after = self._after(rows, experts, -1)
        return after, after - self.seats.share[rows, experts]

    def _may_go(self, s: Sight, experts: IntArray, after: FloatArray, grows: FloatArray) -> BoolArray:
        """Whether a replica can be given up without making another GPU as busy as the busiest one."""
        seats, at = self.seats, np.arange(len(s.rows))
        load = seats.load[s.rows].copy()
        load[at, s.gpu] = 0.0
        highest = np.zeros((len(at), seats.loads.shape[1]))
        slots = seats.slots[s.rows]
        np.maximum.at(highest, (at[:, None, None], slots), load[:, :, None])
        busiest = np.take_along_axis(highest, experts, axis=1) + grows
        others = seats.count[s.rows[:, None], experts] > 1
        return others & (busiest < s.load[:, None] * (1.0 - LEAST)) & (after <= self.rules.most[s.rows][:, None])

    def _best(self, s: Sight, gain: FloatArray, cost: NDArray[np.int8]) -> Found:
        worth = gain / (np.maximum(cost, 0) + FREE)
        least = (LEAST * s.load).reshape(-1, *([1] * (gain.ndim - 1)))
        if self.rules.noise is not None:
            blur = self.rules.noise[s.rows].reshape(least.shape)
            worth *= np.exp(blur * self.rng.standard_normal(worth.shape))
        worth[(gain <= least) | (cost < 0)] = -1.0
        flat = worth.reshape(len(worth), -1)
        place = flat.argmax(axis=1)
        return Found(flat[np.arange(len(flat)), place], np.unravel_index(place, worth.shape[1:]))
