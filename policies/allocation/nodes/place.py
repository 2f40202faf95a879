"""Placing one replica after another where it strands the fewest cards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foresail.policies.allocation.nodes.cluster import Cluster, Demands, Ints
from foresail.policies.allocation.nodes.fragmentation import Floats, Fragmentation
from foresail.policies.allocation.nodes.node import Mix, Node, Placement, Shape


class Placer:
    """Nodes that replicas are placed on, one after another.

    The growth of fragmentation is kept for every shape on every node; a placement changes one node, and only that one
    is looked at again.
    """

    def __init__(self, nodes: Sequence[Node], mix: Mix) -> None:
        self.cluster = Cluster(nodes)
        self._fragmentation = Fragmentation(self.cluster, mix)
        self._shapes: dict[Shape, int] = {}
        self._growth = np.empty((len(nodes), 0))
        self._card = np.empty((len(nodes), 0), np.int64)
        self._learn(tuple(mix.parts))

    def place(self, shape: Shape) -> Placement | None:
        """Place a replica where the fragmentation grows the least; None: it fits nowhere.

        Among equals the tightest node is taken (least cards free, then CPU, then memory), then the first.
        """
        if shape not in self._shapes:
            self._learn((shape,))
        growth = self._growth[:, self._shapes[shape]]
        least = growth.min(initial=np.inf)
        if least == np.inf:
            return None
        row = self.cluster.tightest(np.flatnonzero(growth == least))
        placement = self.cluster.take(shape, row, int(self._card[row, self._shapes[shape]]))
        self._look_again(row)
        return placement

    def release(self, placement: Placement) -> None:
        """Give back what a replica held."""
        self._look_again(self.cluster.give_back(placement))

    def fragmentation(self) -> float:
        """Expected fragmentation F of all nodes, in cards."""
        return float(self._fragmentation.expected(np.arange(len(self.cluster.names))).sum())

    def _learn(self, shapes: Sequence[Shape]) -> None:
        """Look at every node for shapes that are new; nodes in the same state, as empty ones are, only once."""
        cluster = self.cluster
        self._shapes |= {shape: len(self._shapes) + column for column, shape in enumerate(shapes)}
        self._asked = cluster.demands(tuple(self._shapes))
        state = np.column_stack((cluster.kind, cluster.free, cluster.cpu, cluster.memory))
        _, rows, same = np.unique(state, axis=0, return_index=True, return_inverse=True)
        looks = [self._best(rows, cluster.demands((shape,))) for shape in shapes]
        self._growth = np.column_stack((self._growth, *(growth[same] for growth, _ in looks)))
        self._card = np.column_stack((self._card, *(card[same] for _, card in looks)))

    def _look_again(self, row: int) -> None:
        for mate in self.cluster.mates(row):
            self._growth[mate], self._card[mate] = (best[0] for best in self._best(np.array([mate]), self._asked))

    def _best(self, rows: Ints, asked: Demands) -> tuple[Floats, Ints]:
        """(R, S) least growth, and the card that has it; cards that are alike on all the nodes are looked at once."""
        _, columns = np.unique(self.cluster.free[rows], axis=1, return_index=True)
        # Sums in another order differ in their last bits: rounded, or equals would not be equal.
        growth = np.round(self._fragmentation.growth(rows, asked, columns), 9)
        return growth.min(axis=-1), columns[growth.argmin(axis=-1)]
