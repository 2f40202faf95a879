"""One order of experts and GPUs, whatever they are called: a plan must not depend on names.

Experts are ordered by load, GPUs by what they hold. Where experts carry the same, they are told apart by the GPUs that
hold them, and those by their other experts; what is then still alike is so in all that a plan looks at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.moe.placement import EMPTY, LEAVES, Change, IntArray

Keys = NDArray[np.uint64]
ROUNDS = 4  # of telling experts apart by their GPUs and these by their experts
MOST_MARKED = 32  # experts that nothing tells apart: more are taken as they come


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """A change with experts and GPUs in order, layer by layer.

    Args:
        loads: Falling, shape (L, E).
        slots: What the GPUs that will be there hold now, each expert once and EMPTY last, shape (L, M, S0).
        experts: Name of each, shape (L, E).
        gpus: Name of each, shape (L, M).
    """

    loads: FloatArray
    slots: IntArray
    experts: IntArray
    gpus: IntArray

    def named(self, slots: IntArray) -> IntArray:
        """A placement of ordered experts on ordered GPUs with their own names, shape (L, M, S)."""
        padded = np.concatenate([self.experts, np.full((len(slots), 1), EMPTY)], axis=1)
        found = np.empty_like(slots)
        np.put_along_axis(found, self.gpus[:, :, None], np.take_along_axis(padded[:, None, :], slots, axis=2), axis=1)
        return found


def in_order(change: Change) -> Ordered:
    """Put experts and GPUs in order."""
    slots = once(at_new_places(change))
    expert_keys, gpu_keys = _tell_apart(change.loads, slots)
    experts = np.lexsort((expert_keys, -change.loads), axis=-1)
    gpus = np.argsort(gpu_keys, axis=1, kind="stable")
    rank = np.empty_like(experts)
    np.put_along_axis(rank, experts, np.arange(experts.shape[1])[None, :], axis=1)
    ranked = np.where(slots == EMPTY, experts.shape[1], np.take_along_axis(rank[:, None, :], slots, axis=2))
    ranked = np.sort(np.take_along_axis(ranked, gpus[:, :, None], axis=1), axis=2)
    loads = np.take_along_axis(change.loads, experts, axis=1)
    return Ordered(loads, np.where(ranked == experts.shape[1], EMPTY, ranked), experts, gpus)


def at_new_places(change: Change) -> IntArray:
    """What each GPU of afterwards holds now, shape (L, M, S0)."""
    layers, _, slots = change.current.shape
    found = np.full((layers, change.gpus, slots), EMPTY)
    stays = change.keep != LEAVES
    found[:, change.keep[stays]] = change.current[:, stays]
    return found


def once(slots: IntArray) -> IntArray:
    """The same without an expert's second slot on a GPU: it is of no use."""
    same = slots[..., :, None] == slots[..., None, :]
    again = (same & np.tri(slots.shape[2], k=-1, dtype=bool)).any(axis=-1)
    return np.where(again, EMPTY, slots)


def _tell_apart(loads: FloatArray, slots: IntArray) -> tuple[Keys, Keys]:
    """A key for every expert, (L, E), and every GPU, (L, M), that do not depend on names.

    Experts that are still alike then may change names with each other, but only together with all that knows them: so
    one of them is marked, and the others are told apart by what they have to do with it. Where GPUs are told apart,
    those that are alike stand on the same GPUs, and nothing knows one from the other.
    """
    keys = _mixed(np.ascontiguousarray(loads + 0.0).view(np.uint64))
    keys, gpus = _refined(keys, slots)
    for _ in range(MOST_MARKED):
        ordered = np.sort(keys, axis=1)
        alike = np.where(ordered[:, 1:] == ordered[:, :-1], ordered[:, 1:], 0).max(axis=1, initial=0)
        rows = np.flatnonzero((alike > 0) & _any_alike(gpus, slots))
        if rows.size == 0:
            return _refined(keys, slots) if alike.any() else (keys, gpus)
        keys[rows, (keys[rows] == alike[rows, None]).argmax(axis=1)] += np.uint64(1)
        keys, gpus = _refined(keys, slots)
    return keys, gpus


def _any_alike(gpus: Keys, slots: IntArray) -> BoolArray:
    """Whether any two GPUs that hold something are alike, shape (L,)."""
    own = np.arange(gpus.shape[1], dtype=np.uint64)  # of those that hold nothing, which are of no consequence
    ordered = np.sort(np.where((slots != EMPTY).any(axis=2), gpus, own), axis=1)
    return np.asarray((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))


def _refined(keys: Keys, slots: IntArray) -> tuple[Keys, Keys]:
    layers, experts = keys.shape
    at = np.arange(layers)[:, None, None]
    ties = (np.diff(np.sort(keys, axis=1), axis=1) == 0).any()
    for _ in range(ROUNDS if ties else 1):
        held = np.concatenate([keys, np.zeros((layers, 1), np.uint64)], axis=1)[at, slots]  # EMPTY finds the last
        gpus = _mixed(held).sum(axis=2, dtype=np.uint64)
        beside = np.zeros((layers, experts + 1), np.uint64)
        np.add.at(beside, (at, slots), _mixed(gpus)[:, :, None])
        keys = _mixed(keys + beside[:, :experts])
    held = np.concatenate([keys, np.zeros((layers, 1), np.uint64)], axis=1)[at, slots]
    return keys, _mixed(held).sum(axis=2, dtype=np.uint64)


def _mixed(keys: Keys) -> Keys:
    """Scattered over all 64 bits (splitmix64), so that sums of different keys differ."""
    found = keys + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(found ^ (found >> np.uint64(31)))
