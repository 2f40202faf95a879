"""Room for a VM serves smaller ones too: one with less CPU or memory, or two that fit into it together.

No better plan comes of it, as patterns could have smaller comers in the first place. But prices are right sooner, and
whole patterns go together more easily.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from foresail.policies.programs.linear import IntArray

_MOST_SHAPES: Final = 64


class Handover(NamedTuple):
    """Room for a VM of one shape is used by one of another, or by two."""

    of: int
    to: tuple[int, ...]


def handovers(kinds: IntArray) -> list[Handover]:
    """The ways that are of use between shapes: (K, 3) CPU, memory, double; of the largest first; none of too many."""
    order = np.lexsort((-kinds[:, 1], -kinds[:, 0], -kinds[:, 2])).tolist() if len(kinds) <= _MOST_SHAPES else []
    return [one for shape in order for one in (*_smaller(kinds, shape), *_pairs(kinds, shape))]


def _smaller(kinds: IntArray, shape: int) -> Iterator[Handover]:
    """Shapes that are smaller, with none between."""
    below = _fitting(kinds, kinds[shape], double=bool(kinds[shape, 2]))
    below = below[below != shape]
    for other in below.tolist():
        between = (kinds[below, :2] >= kinds[other, :2]).all(axis=1) & (below != other)
        if not between.any():
            yield Handover(shape, (other,))


def _pairs(kinds: IntArray, shape: int) -> Iterator[Handover]:
    """Two single ones that take all of the CPU: half each of a double one, or parts of a single one."""
    room, double = kinds[shape].copy(), bool(kinds[shape, 2])
    room[:2] //= 1 + double
    within = _fitting(kinds, room, double=False)
    cpu, memory = kinds[within, 0], kinds[within, 1]
    if double:
        whole = (cpu == room[0])[:, None] & (cpu == room[0])
    else:
        whole = (cpu[:, None] + cpu == room[0]) & (memory[:, None] + memory <= room[1])
    for one, other in np.argwhere(np.triu(whole)).tolist():
        yield Handover(shape, (int(within[one]), int(within[other])))


def _fitting(kinds: IntArray, room: IntArray, *, double: bool) -> IntArray:
    return np.flatnonzero((kinds[:, 0] <= room[0]) & (kinds[:, 1] <= room[1]) & ((kinds[:, 2] > 0) == double))
