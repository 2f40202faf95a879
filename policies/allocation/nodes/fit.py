"""What still fits on the nodes: replicas of each shape alone, and a whole plan packed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from foresail.policies.allocation.nodes.cluster import Cluster
from foresail.policies.allocation.nodes.node import Mix, Node, Shape
from foresail.policies.allocation.nodes.place import Placer
from foresail.policies.allocation.nodes.shortage import explain_shortage


@dataclass(frozen=True, slots=True)
class Packing:
    """A plan on nodes.

    Args:
        placed: Replicas that fit, by name of their shape.
        left_out: Replicas that do not, by name; names of which all fit are absent.
        where: Replicas by name and node.
        reasons: Why replicas were left out, a sentence by name.
        free_nodes: What is free when all that fits is placed.
    """

    placed: Mapping[str, int]
    left_out: Mapping[str, int]
    where: Mapping[str, Mapping[str, int]]
    reasons: Mapping[str, str]
    free_nodes: tuple[Node, ...]


def caps(nodes: Sequence[Node], shapes: Mapping[str, Shape]) -> dict[str, int]:
    """How many more replicas of each shape fit if it had all nodes to itself."""
    cluster = Cluster(nodes)
    room = cluster.room(np.arange(len(nodes)), cluster.demands(tuple(shapes.values()))).sum(axis=0)
    return dict(zip(shapes, room.tolist(), strict=True))


def pack(nodes: Sequence[Node], wanted: Mapping[str, int], shapes: Mapping[str, Shape]) -> Packing:
    """Place as much of a plan as fits, the largest shapes first.

    Whole cards of sizes that divide one another (1, 2, 4, 8) fill as many cards as any packing could, if cards are all
    that is short: whatever lies where a larger replica could be can be gathered to make way for it. With CPU, memory
    and shares of cards it is a heuristic, and something left out may fit if others were placed elsewhere. To let a more
    important plan go first, pack it first and the rest on its `free_nodes`.

    Raises:
        ValueError: A negative number wanted.
        KeyError: A name without a shape.
    """
    if min(wanted.values(), default=0) < 0:
        raise ValueError(f"wanted must not be negative, got {dict(wanted)}")
    asked = {name: shapes[name] for name, count in wanted.items() if count}
    if not asked:
        return Packing(dict(wanted), {}, {name: {} for name in wanted}, {}, tuple(nodes))
    parts: Counter[Shape] = Counter()
    for name, shape in asked.items():
        parts[shape] += wanted[name]
    placer, room = Placer(nodes, Mix(parts)), caps(nodes, asked)
    where: dict[str, Counter[str]] = {name: Counter() for name in wanted}
    for name in sorted(asked, key=lambda name: (_size(asked[name]), room[name], name)):
        where[name] = _place(placer, asked[name], wanted[name])
    placed = {name: found.total() for name, found in where.items()}
    left_out = {name: wanted[name] - count for name, count in placed.items() if count < wanted[name]}
    reasons = {
        name: f"{count} of {wanted[name]} left out: {explain_shortage(placer.cluster, asked[name])}"
        for name, count in left_out.items()
    }
    return Packing(placed, left_out, where, reasons, placer.cluster.nodes())


def _place(placer: Placer, shape: Shape, count: int) -> Counter[str]:
    placements = (placer.place(shape) for _ in range(count))
    return Counter(placement.node for placement in takewhile(bool, placements) if placement)


def _size(shape: Shape) -> tuple[int, ...]:
    """Sorts the largest first."""
    return (-shape.cards, -shape.share_milli, -shape.cpu_milli, -shape.memory_mebibytes)
