"""Rivals of the placement: rules that score a node by what is used of it. All take the fullest card that a share fits.

`best fit` is the one of the paper on fragmentation (least left of all resources together). `most allocated` and
`spread` are the Kubernetes scheduler's NodeResourcesFit with MostAllocated and with LeastAllocated (its default).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from foresail.policies.allocation.nodes.cluster import Cluster, Demands
from foresail.policies.allocation.nodes.fragmentation import Fragmentation
from foresail.policies.allocation.nodes.node import Mix, Node, Placement, Shape

Floats = NDArray[np.float64]
# (N, 3) cards, CPU and memory: what would be left, and what the empty node has; random numbers: (N,) cost, least wins
Cost = Callable[[Floats, Floats, np.random.Generator], Floats]


def best_fit(left: Floats, total: Floats, _: np.random.Generator) -> Floats:
    """What is left, against the largest node of each resource."""
    return np.asarray((left / total.max(axis=0)).sum(axis=1))


def most_allocated(left: Floats, total: Floats, _: np.random.Generator) -> Floats:
    """Mean part of the node's own resources that is left."""
    return np.asarray((left / total).mean(axis=1))


def spread(left: Floats, total: Floats, _: np.random.Generator) -> Floats:
    """The opposite."""
    return -np.asarray((left / total).mean(axis=1))


def anywhere(left: Floats, _: Floats, rng: np.random.Generator) -> Floats:
    """Any node that it fits on."""
    return rng.random(len(left))


COSTS: dict[str, Cost] = {
    "best fit": best_fit,
    "most allocated": most_allocated,
    "random": anywhere,
    "spread (Kubernetes)": spread,
}


class Rival:
    """Places like `Placer`, by a cost."""

    def __init__(self, nodes: Sequence[Node], mix: Mix, cost: Cost, seed: int) -> None:
        self.cluster = Cluster(nodes)
        self._fragmentation = Fragmentation(self.cluster, mix)
        self._cost, self._rng = cost, np.random.default_rng(seed)
        self._rows = np.arange(len(nodes))
        self._total = self._free()
        self._asked: dict[Shape, Demands] = {}

    def place(self, shape: Shape) -> Placement | None:
        """Place a replica where its cost is least; None: it fits nowhere."""
        if shape not in self._asked:
            self._asked[shape] = self.cluster.demands((shape,))
        rows = np.flatnonzero(self.cluster.room(self._rows, self._asked[shape])[:, 0] > 0)
        if not rows.size:
            return None
        asked = np.array([shape.cards * shape.share_milli, shape.cpu_milli, shape.memory_mebibytes])
        cost = self._cost(self._free()[rows] - asked, self._total[rows], self._rng)
        row = int(rows[cost.argmin()])
        cards = self.cluster.free[row]
        return self.cluster.take(shape, row, int(np.where(cards >= shape.share_milli, cards, np.inf).argmin()))

    def release(self, placement: Placement) -> None:
        """Give back what a replica held."""
        self.cluster.give_back(placement)

    def fragmentation(self) -> float:
        """Expected fragmentation F of all nodes, in cards."""
        return float(self._fragmentation.expected(self._rows).sum())

    def _free(self) -> Floats:
        cluster = self.cluster
        return np.column_stack((cluster.free.sum(axis=1), cluster.cpu, cluster.memory)).astype(float)
