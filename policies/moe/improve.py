"""Better than EPLB where a GPU has two slots: there the number of replicas decides, and EPLB's is not the best.

EPLB makes the busiest *replica* as light as it can be. The busiest *GPU* may be lighter when a hot expert has fewer
replicas, just light enough to share a GPU with nearly nothing, and middling experts have more. Of two on each GPU, the
heaviest replica belongs to the lightest, the second to the second lightest and so on: so what numbers of replicas are
worth is known without placing any. They are made for a range of loads that the busiest GPU might have, and the best is
then made better by giving one replica after another to a better expert. With one slot EPLB's numbers are the best.

Many layers of many experts have only the exchanges that are likely to pay: a replica is taken from those that carry
least with one less, and given to what makes the busiest GPU busy, to the heaviest, or to light ones, which then stand
better beside heavy ones.
"""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.moe.placement import IntArray

PAIR = 2
PEAKS = 48  # loads of the busiest GPU that are tried, from the mean to EPLB's
STEPS = 24  # exchanges, at most
EFFORT = 2**18  # numbers that a step may look at, over all layers
FEWEST = 64  # exchanges: where a step could look at no more, it is not worth its time
LEAST = 1e-9
FEW_STEPS = 8  # exchanges in each of many layers
FLAT = 1.05  # balance up to which many layers are left alone: the next window of traffic takes away as much
TAKEN_FROM, HEAVIEST, LIGHT = 4, 2, (0, 1, 5, 14, 37, 95)  # how many are tried, and which of those that carry least


def improve(loads: FloatArray, counts: IntArray, busiest: FloatArray) -> list[IntArray]:
    """Better numbers of replicas.

    Args:
        loads: Shape (L, E).
        counts: EPLB's, in sum two for each GPU, shape (L, E).
        busiest: Load of the busiest GPU with them, shape (L,).

    Returns:
        Shapes (L, E): `counts`, what is found in between, and the best. A layer that cannot be made better stays.
    """
    exchanges = _exchanges(loads, counts)
    if exchanges[0].size == 0:
        return [counts, _in_few_steps(loads, counts, busiest)]
    chains = [_chain(loads, _for_peaks(loads, counts, busiest, more), busiest, exchanges) for more in (0, 1)]
    found = [one for chain in chains for one, _ in chain]
    best = min(
        (chain[-1] for chain in chains if chain), key=lambda last: float(last[1].sum()), default=(counts, busiest)
    )
    return [counts, *found, best[0]]


def _chain(
    loads: FloatArray, tried: IntArray, busiest: FloatArray, exchanges: tuple[IntArray, IntArray]
) -> list[tuple[IntArray, FloatArray]]:
    """The best of what is tried, and how exchanges make it better; each with the busiest GPUs' loads."""
    found: list[tuple[IntArray, FloatArray]] = []
    counts, worth = tried[:, -1], busiest
    for _ in range(STEPS):
        better, after = _best(loads, tried)
        wins = after < worth * (1.0 - LEAST)
        if not wins.any():
            break
        counts, worth = np.where(wins[:, None], better, counts), np.where(wins, after, worth)
        found.append((counts, worth))
        tried = _exchanged(counts, *exchanges)
    return found


def _in_few_steps(loads: FloatArray, counts: IntArray, busiest: FloatArray) -> IntArray:
    """Better numbers by the best of the likely exchanges, one after another, while there are such."""
    found, worth = counts.copy(), busiest.copy()
    rows = np.flatnonzero(busiest > FLAT * loads.sum(axis=1) / _gpus(counts))
    for _ in range(FEW_STEPS if rows.size else 0):
        better, after = _best(loads[rows], _likely(loads[rows], found[rows]))
        wins = after < worth[rows] * (1.0 - LEAST)
        rows = rows[wins]
        if rows.size == 0:
            break
        found[rows], worth[rows] = better[wins], after[wins]
    return found


def _likely(loads: FloatArray, counts: IntArray) -> IntArray:
    """Numbers after each exchange that is likely to pay, shape (L, C, E)."""
    share, fewer = loads / counts, np.where(counts > 1, loads / np.maximum(counts - 1, 1), np.inf)
    taken = np.argsort(fewer, axis=1, kind="stable")[:, :TAKEN_FROM]
    order = np.argsort(-share, axis=1, kind="stable")
    light = order[:, ::-1][:, [place for place in LIGHT if place < loads.shape[1]]]
    given = np.concatenate([_busiest_pair(share, counts, order), order[:, :HEAVIEST], light], axis=1)
    to, of = np.repeat(given, taken.shape[1], axis=1), np.tile(taken, (1, given.shape[1]))
    several, room = np.take_along_axis(counts, of, axis=1) > 1, np.take_along_axis(counts, to, axis=1) < _gpus(counts)
    allowed = (to != of) & several & room
    found = np.repeat(counts[:, None], to.shape[1], axis=1)
    at, each = np.arange(len(loads))[:, None], np.arange(to.shape[1])
    found[at, each, to] += allowed
    found[at, each, of] -= allowed
    return found


def _busiest_pair(share: FloatArray, counts: IntArray, order: IntArray) -> IntArray:
    """Experts on the busiest GPU, the heavier first, shape (L, 2)."""
    names = np.repeat(order.ravel(), np.take_along_axis(counts, order, axis=1).ravel()).reshape(len(share), -1)
    items = np.take_along_axis(share, names, axis=1)
    at, heavy = np.arange(len(share)), (items + items[:, ::-1])[:, : _gpus(counts)].argmax(axis=1)
    return np.stack([names[at, heavy], names[at, -1 - heavy]], axis=1)


def peaks(loads: FloatArray, counts: IntArray) -> FloatArray:
    """Load of the busiest of GPUs with two slots for numbers of replicas (L, C, E), shape (L, C).

    Where the expert in the middle would stand beside itself, its lighter half stands with those next in weight.
    """
    layers, tried, _ = counts.shape
    shares = loads[:, None] / counts
    order = np.argsort(-shares, axis=-1, kind="stable")
    times = np.take_along_axis(counts, order, axis=-1).ravel()
    items = np.repeat(np.take_along_axis(shares, order, axis=-1).ravel(), times).reshape(layers, tried, -1)
    names = np.repeat(order.ravel(), times).reshape(layers, tried, -1)
    gpus = items.shape[-1] // PAIR
    most = (items[..., :gpus] + items[..., : gpus - 1 : -1]).max(axis=-1)
    twice = (names[..., :gpus] == names[..., : gpus - 1 : -1]).sum(axis=-1)
    heavier = gpus - (names[..., :gpus] == names[..., gpus - 1 : gpus]).sum(axis=-1)  # than the expert in the middle
    beside = np.take_along_axis(items, (heavier - twice)[..., None], axis=-1)[..., 0] + items[..., gpus]
    return np.asarray(np.where(twice > 0, np.maximum(most, beside), most))


def _gpus(counts: IntArray) -> int:
    return int(counts[0].sum()) // PAIR


def _for_peaks(loads: FloatArray, counts: IntArray, worst: FloatArray, more: int) -> IntArray:
    """Numbers of replicas for busiest GPUs between the mean and `worst`, the last is `counts`, shape (L, PEAKS + 1, E).

    Each expert has as many as it needs to stand beside the lightest, and what is left goes to those of which two fit
    on a GPU when they have `more`.
    """
    replicas, gpus = int(counts[0].sum()), _gpus(counts)
    mean = loads.sum(axis=1) / gpus
    peak = mean[:, None] + (worst - mean)[:, None] * np.linspace(0.0, 1.0, PEAKS)
    least = LEAST * mean + np.finfo(float).tiny
    room = np.maximum(peak - loads.min(axis=1)[:, None], least[:, None])[:, :, None]
    needed = np.clip(np.ceil(loads[:, None] / room - LEAST), 1, gpus).astype(np.int64)
    found = np.where(needed.sum(axis=-1, keepdims=True) > replicas, counts[:, None], needed)
    light = loads[:, None] / (found + more) <= peak[:, :, None] / 2
    _spend(np.repeat(loads[:, None], PEAKS, axis=1).reshape(-1, loads.shape[1]), found, light, replicas)
    return np.concatenate([found, counts[:, None]], axis=1)


def _spend(loads: FloatArray, found: IntArray, light: BoolArray, replicas: int) -> None:
    """Give what is left of `replicas` to the heaviest of the light ones, in place."""
    counts, light = found.reshape(loads.shape), light.reshape(loads.shape)
    gpus = replicas // PAIR
    while (rows := np.flatnonzero(counts.sum(axis=1) < replicas)).size:
        share = np.where(light[rows], 1.0, LEAST) * loads[rows] / counts[rows]
        expert = np.where(counts[rows] < gpus, share, -1.0).argmax(axis=1)
        counts[rows, expert] += 1


def _exchanges(loads: FloatArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Who is given a replica of whom that has some: all pairs, or as many as there is time for."""
    layers, experts = loads.shape
    most = EFFORT // (layers * (experts + int(counts[0].sum())))
    several = np.arange(experts)
    pairs = np.arange(experts**2)
    if pairs.size > most:
        several = np.flatnonzero((counts > 1).any(axis=0))
        pairs = np.arange(experts * several.size)
    if pairs.size > most:
        pairs = np.random.default_rng(0).choice(pairs, most if most >= FEWEST else 0, replace=False)
    given, taken = pairs // max(several.size, 1), several[pairs % max(several.size, 1)]
    return given[given != taken], taken[given != taken]


def _exchanged(counts: IntArray, given: IntArray, taken: IntArray) -> IntArray:
    """Numbers after each exchange that there can be, and as they are, shape (L, C + 1, E)."""
    found = np.repeat(counts[:, None], given.size + 1, axis=1)
    allowed = (counts[:, taken] > 1) & (counts[:, given] < _gpus(counts))
    at = np.arange(given.size)
    found[:, at, given] += allowed
    found[:, at, taken] -= allowed
    return found


def _best(loads: FloatArray, tried: IntArray) -> tuple[IntArray, FloatArray]:
    worth = peaks(loads, tried)
    best, layers = worth.argmin(axis=1), np.arange(len(loads))
    return tried[layers, best], worth[layers, best]
