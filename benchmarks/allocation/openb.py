"""A cluster and its pods with the statistics of Alibaba's openb trace (clusterdata, cluster-trace-gpu-v2023).

Nodes are the trace's 1,213 with 6,212 cards, by kind. Pods are drawn, each for itself, in the proportions in which the
8,152 pods of the trace have their 151 shapes. GPU types are asked for at about the rate and in the proportions of the
trace's variant "gpuspec33". The trace itself is not here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from foresail.cli.rescheduling.generation.openb import BOUND, NODES, PODS, TYPES
from foresail.policies.allocation.nodes.node import Mix, Node, Shape


def make_nodes() -> list[Node]:
    """All nodes, empty."""
    return [
        Node(f"{kind}-{cards}-{cpu}-{place}", kind, (1000,) * int(cards), int(cpu), int(memory))
        for kind, cards, cpu, memory, count in map(str.split, NODES.strip().splitlines())
        for place in range(int(count))
    ]


def make_mix(*, bound: bool = False) -> Mix:
    """The shapes with their parts; `bound`: a third of those with cards ask for types."""
    parts: dict[Shape, float] = {}
    for line in PODS.strip().splitlines():
        pods, cards, share, cpu, memory = map(int, line.split())
        loose = 1 - BOUND if bound and cards else 1.0
        parts[Shape(cards, share, cpu, memory)] = pods * loose
        for types, count in TYPES.items() if loose < 1 else ():
            held = frozenset(types.split("|"))
            parts[Shape(cards, share, cpu, memory, held)] = pods * BOUND * count / sum(TYPES.values())
    return Mix(parts)


def arrivals(mix: Mix, seed: int) -> Iterator[Shape]:
    """Pods without end."""
    shapes, parts = list(mix.parts), np.array(list(mix.parts.values()))
    rng = np.random.default_rng(seed)
    while True:
        yield from (shapes[place] for place in rng.choice(len(shapes), size=1000, p=parts / parts.sum()))
