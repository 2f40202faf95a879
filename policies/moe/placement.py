"""A placement says which expert stands in every slot of every GPU, layer by layer, and a change asks for another.

Replicas of an expert share its load equally. The balance of a layer is the load of its busiest GPU over the mean: a
layer is as slow as that GPU. A copy is an expert that a GPU holds afterwards and did not hold before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foresail.domain.timeseries import BoolArray, FloatArray

IntArray = NDArray[np.int64]

EMPTY = -1  # stands in a slot that holds no expert
LEAVES = -1  # stands in `keep` for a GPU that goes


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Experts in their places, and the GPUs and slots that there shall be.

    Args:
        loads: Load of every expert, shape (L, E), in any unit.
        current: Expert in every slot now, EMPTY where none is, shape (L, N, S0).
        keep: Index that each GPU of now will have, LEAVES where it goes, shape (N,).
        gpus: How many GPUs there shall be.
        slots: Slots of each.
    """

    loads: FloatArray
    current: IntArray
    keep: IntArray
    gpus: int
    slots: int

    def __post_init__(self) -> None:
        experts = self.loads.shape[1]
        kept = self.keep[self.keep != LEAVES]
        if self.current.ndim != 3 or self.current.shape[:2] != (len(self.loads), len(self.keep)):
            raise ValueError(f"current must be of shape (L, N, S0), got {self.current.shape}")
        if self.gpus * self.slots < experts:
            raise ValueError(f"{experts} experts need at least {-(-experts // self.slots)} GPUs, got {self.gpus}")
        if len(set(kept.tolist())) < len(kept) or not ((kept >= 0) & (kept < self.gpus)).all():
            raise ValueError(f"keep must have indices below {self.gpus}, each once, got {self.keep.tolist()}")
        if not ((self.current >= EMPTY) & (self.current < experts)).all():
            raise ValueError(f"current must hold experts below {experts}")

    @property
    def survivors(self) -> BoolArray:
        """Whether each GPU afterwards is there now, shape (M,)."""
        found = np.zeros(self.gpus, bool)
        found[self.keep[self.keep != LEAVES]] = True
        return found

    @property
    def filled(self) -> int:
        """Slots of a GPU that can be of use: no more than there are experts."""
        return int(min(self.slots, self.loads.shape[1]))


def members(placement: IntArray, experts: int) -> BoolArray:
    """Whether each GPU holds each expert, shape (L, M, E)."""
    layers, gpus, _ = placement.shape
    found = np.zeros((layers, gpus, experts + 1), bool)  # the last column takes what is EMPTY
    np.put_along_axis(found, placement, values=True, axis=2)
    return found[:, :, :experts]


def held(change: Change) -> BoolArray:
    """Whether each GPU afterwards holds each expert already, shape (L, M, E)."""
    layers, experts = change.loads.shape
    found = np.zeros((layers, change.gpus, experts), bool)
    stays = change.keep != LEAVES
    found[:, change.keep[stays]] = members(change.current[:, stays], experts)
    return found


def replicas(placement: IntArray, experts: int) -> IntArray:
    """Slots of each expert, shape (L, E)."""
    layers = len(placement)
    of_layer = np.where(placement == EMPTY, experts, placement) + (experts + 1) * np.arange(layers)[:, None, None]
    counted = np.bincount(of_layer.ravel(), minlength=layers * (experts + 1))
    return counted.reshape(layers, experts + 1)[:, :experts]


def gpu_loads(loads: FloatArray, placement: IntArray) -> FloatArray:
    """Load of every GPU, shape (L, M)."""
    shares = loads / np.maximum(replicas(placement, loads.shape[1]), 1)
    padded = np.concatenate([shares, np.zeros((len(loads), 1))], axis=1)  # EMPTY, which is -1, finds the last
    return np.asarray(np.take_along_axis(padded[:, None, :], placement, axis=2).sum(axis=2))


def balance(loads: FloatArray, placement: IntArray) -> FloatArray:
    """Load of the busiest GPU over the mean, shape (L,); 1 where there is no load."""
    found = gpu_loads(loads, placement)
    mean = loads.sum(axis=1) / placement.shape[1]
    return np.where(mean > 0.0, found.max(axis=1) / np.where(mean > 0.0, mean, 1.0), 1.0)


def copies(change: Change, placement: IntArray) -> IntArray:
    """Experts that each GPU has to be given, shape (L, M)."""
    return np.asarray((members(placement, change.loads.shape[1]) & ~held(change)).sum(axis=2))


def floor_copies(change: Change) -> int:
    """Copies that no plan can do without.

    Every slot that can be of use is filled with another expert, so a GPU needs as many as it holds too few; and an
    expert that is on leaving GPUs only has to be copied.
    """
    there = held(change)
    short = np.maximum(change.filled - there.sum(axis=2), 0).sum(axis=1)
    lost = (~there.any(axis=1)).sum(axis=1)
    return int(np.maximum(short, lost).sum())
