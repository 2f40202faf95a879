"""Measures of what is free, recomputed: slots and fragment rate of machines, FGD's fragmentation of nodes with cards.

Of a node with cards, F_n = Σ_m p_m F_n(m) over the shapes m that are expected: all its free cards where m does not fit
or takes none, else what is free on cards that have less than m needs of one.

References:
    Weng et al., 2023. Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent.
    USENIX ATC.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.pods import WHOLE_MILLI, PodInstance

LARGE = 8  # cards of the nodes that are counted whole


def measure(instance: Instance, free: IntArray, nodes: IntArray | None = None) -> dict[str, float]:
    """Measures by name, of some nodes or all, from what is free of each resource as the room has them, shape (N, R)."""
    rows = np.arange(len(free)) if nodes is None else nodes
    if isinstance(instance, VmInstance):
        return _of_machines(instance, free[rows], rows)
    return _of_nodes(instance, free[rows], instance.node_gpus[rows])


def _of_machines(instance: VmInstance, free: IntArray, rows: IntArray) -> dict[str, float]:
    """Slots of each size count by their share of CPU, and are told in slots of the first size."""
    cpu, memory, total = free[:, :2], free[:, 2:], int(free[:, :2].sum())
    shares = sum(fragment.share for fragment in instance.fragments)
    held = Fraction(0)  # CPU in slots
    for fragment in instance.fragments:
        slots = cpu // fragment.cpu
        if fragment.memory_counts:
            slots = np.minimum(slots, memory // fragment.memory)
        held += fragment.share / shares * fragment.cpu * int(slots.sum())
    whole = np.hstack((instance.machine_cpu, instance.machine_memory))[rows]
    return {
        "fragment_rate": float(1 - held / total) if total else 0.0,
        "free_slots": float(held / instance.fragment_cpu),
        "whole_free_nodes": int((free == whole).all(axis=1).sum()),
    }


def _of_nodes(instance: PodInstance, free: IntArray, gpus: IntArray) -> dict[str, float]:
    there = np.arange(free.shape[1] - 2) < gpus[:, None]
    cards = np.where(there, free[:, 2:], 0)
    whole = ((cards == WHOLE_MILLI).sum(axis=1) == LARGE) & (gpus == LARGE)
    rows = zip(free[:, 0].tolist(), free[:, 1].tolist(), cards, strict=True)
    return {
        "fragmented_gpus": sum(_fragmented(instance, *row) for row in rows) / WHOLE_MILLI,
        "whole_free_nodes": int(whole.sum()),
    }


def _fragmented(instance: PodInstance, cpu: int, memory: int, cards: IntArray) -> float:
    """F of one node, in thousandths of a card; a card that is not there is one with nothing free."""
    types = instance.types
    enough = cards >= np.maximum(types.milli, 1)[:, None]
    fits = (types.gpus > 0) & (types.cpu <= cpu) & (types.memory <= memory) & (enough.sum(axis=1) >= types.gpus)
    lost = np.where(fits, np.where(enough, 0, cards).sum(axis=1), cards.sum())
    return float(instance.shares @ lost)
