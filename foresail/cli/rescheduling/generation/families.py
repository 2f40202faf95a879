"""Shapes of virtual machines: cores, memory, whether on both NUMA nodes, and how often each comes.

c1 has the proportions that VMR2L (EuroSys 2025) works with, 2 GiB a core. `mixed` and `odd` have 2, 4 and 8 GiB a core
side by side, so that memory binds on some nodes, and `odd` sizes that divide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from foresail.cli.rescheduling.document import IntArray
from foresail.domain.timeseries import BoolArray

NODE_CPU, NODE_MEMORY_MIB = 44, 184_388  # of each of the two NUMA nodes
SLOT_CPU, SLOT_MEMORY_MIB = 16, 65_536
# cores: of how many VMs, and the share of them that lies on both NUMA nodes
C1 = {2: (337, 0), 4: (909, 0.003), 8: (368, 0.155), 16: (230, 0.2), 32: (111, 0.45), 64: (130, 1), 88: (4, 1)}
MIB_PER_CORE = 2048
SIZES = {"mixed": (2, 4, 8, 16, 32), "odd": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)}
GIB_PER_CORE = {2: 0.45, 4: 0.35, 8: 0.2}  # and how often
DOUBLE_FROM, DOUBLE_SHARE = 16, 0.4  # in `mixed` and `odd`
DOUBLE_SIZES = (8, 32)  # cores between which the share of doubles can be chosen


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Shapes, each array of shape (K,)."""

    cores: IntArray
    memory_mib: IntArray
    double: BoolArray
    weight: NDArray[np.float64]


def family(name: str, double: float | None = None) -> Family:
    """A family; `double` overrides how many of 8 to 32 cores lie on both NUMA nodes."""
    sizes = _mixed(name) if name in SIZES else _c1()
    rows = [
        (cores, memory, both, weight * part)
        for cores, memory, share, weight in sizes
        for both, part in _split(cores, share if double is None else double, share)
        if part > 0 and memory / (1 + both) <= NODE_MEMORY_MIB
    ]
    cores, memory, both, weight = zip(*rows, strict=True)
    return Family(np.array(cores), np.array(memory), np.array(both, bool), np.array(weight, float))


def _c1() -> list[tuple[int, int, float, float]]:
    return [(cores, cores * MIB_PER_CORE, share, count) for cores, (count, share) in C1.items()]


def _mixed(name: str) -> list[tuple[int, int, float, float]]:
    return [
        (cores, 1024 * gib * cores, DOUBLE_SHARE if cores >= DOUBLE_FROM else 0.0, part / cores**0.5)
        for cores, (gib, part) in product(SIZES[name], GIB_PER_CORE.items())
    ]


def _split(cores: int, chosen: float, usual: float) -> tuple[tuple[bool, float], tuple[bool, float]]:
    least, most = DOUBLE_SIZES
    share = chosen if least <= cores <= most else usual
    return (False, 1.0 - share), (True, share)
