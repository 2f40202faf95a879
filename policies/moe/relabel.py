"""A placement from scratch with its GPUs called so that they keep what they can: the last resort of a plan."""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import BoolArray
from foresail.policies.moe.placement import IntArray, members


def relabel(placement: IntArray, held: BoolArray) -> IntArray:
    """The same GPUs in another order: those that have most in common first.

    Args:
        placement: Shape (L, M, S).
        held: Whether each GPU holds each expert now, shape (L, M, E).

    Returns:
        Shape (L, M, S).
    """
    layers, gpus, _ = placement.shape
    at = np.arange(layers)
    new = members(placement, held.shape[2]).astype(np.float32)
    common = held.astype(np.float32) @ new.transpose(0, 2, 1)  # of each GPU now and each of the placement
    found = np.empty_like(placement)
    for _ in range(gpus):
        now, then = np.divmod(common.reshape(layers, -1).argmax(axis=1), gpus)
        found[at, now] = placement[at, then]
        common[at, now], common[at, :, then] = -1.0, -1.0
    return found
