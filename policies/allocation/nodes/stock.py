"""The GPUs that are left while several workloads take: nodes with whole cards, and CPU and memory beside them.

A replica fits where all that its pod asks for is free on one node, and is reckoned to go where it leaves the fewest
cards. A shortfall is an answer: whoever asks goes on where the pool ends, and what nothing carries is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from foresail.domain.accelerator import NodeRoom, PodRequest, Pool
from foresail.domain.workload import Variant
from foresail.policies.allocation.nodes.cluster import UNKNOWN, Cluster, Ints
from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI, Node, Shape
from foresail.policies.allocation.nodes.shortage import explain_shortage

_Asked = tuple[int, int, int]  # cards, CPU, memory
_NO_VIEWS: Final[Mapping[str, _View]] = MappingProxyType({})


class Taker(NamedTuple):
    """Who takes: a variant, and what a pod of it asks for as far as that is known."""

    variant: Variant
    pod: PodRequest | None = None

    @property
    def gpus(self) -> int:
        """Of one replica."""
        return max(self.variant.gpus_per_replica, 1)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """An accelerator's part of the nodes.

    Args:
        name: The accelerator's.
        rows: Of its nodes.
        types: Theirs; a node that several profiles select has a type of its own, which is each one's.
        resource: What is counted, empty when that is not known.
        largest: GPUs of the largest node; a replica that needs more spans nodes.
        touches: Accelerators on the same machines: what is taken here is gone there.
    """

    name: str
    rows: Ints
    types: frozenset[str]
    resource: str
    largest: int
    touches: frozenset[str]

    def asked(self, taker: Taker) -> _Asked:
        """What a replica asks of one of these nodes; beside GPUs nothing is known of one that is several pods."""
        pod, gpus = taker.pod, taker.gpus
        if pod is None or pod.extended.get(self.resource, gpus) != gpus:
            return gpus, 0, 0
        return gpus, pod.cpu_milli, pod.memory_mebibytes

    def shape(self, asked: _Asked) -> Shape:
        """The same as a shape."""
        cards, cpu_milli, memory_mebibytes = asked
        return Shape(cards, WHOLE_CARD_MILLI, cpu_milli, memory_mebibytes, self.types)

    def counts_what(self, pod: PodRequest | None) -> bool:
        """Whether its resource is the one that a pod takes, and not another of the same maker, such as a slice."""
        if pod is None or not self.resource or self.resource in pod.extended:
            return True
        maker = self.resource.partition("/")[0]
        return not any(name.partition("/")[0] == maker for name in pod.extended)


class Stock:
    """GPUs that are left, by accelerator and node. It never changes: what is taken leaves another one."""

    def __init__(self, cluster: Cluster | None, views: Mapping[str, _View] = _NO_VIEWS) -> None:
        """Take nodes for what is left; None: the inventory is unknown and caps nothing."""
        self._cluster = cluster
        self._views = views
        self._whole = np.zeros(0, np.int64) if cluster is None else cluster.whole()
        self._fits: dict[str, dict[_Asked, int]] = {}

    @property
    def free_gpus(self) -> dict[str, int]:
        """By accelerator that was counted."""
        return {name: self._total(view) for name, view in self._views.items()}

    def room(self, taker: Taker, current: int) -> int | None:
        """Replicas that one may have at most, None when nothing caps it: what it takes was not counted."""
        view = self._view(taker)
        return None if view is None else current + self._fit(view, taker)

    def why_full(self, taker: Taker) -> str:
        """What is short for one more replica beside GPUs; empty where nothing is, or where that is not known."""
        view = self._view(taker)
        if view is None or self._cluster is None or taker.gpus > view.largest or self._fit(view, taker):
            return ""
        if self._total(view) < taker.gpus:
            return ""
        return explain_shortage(self._cluster, view.shape(view.asked(taker)))

    def why_uncounted(self, taker: Taker) -> str:
        """That a pod takes something else than its accelerator counts; empty where it does not."""
        view = self._views.get(taker.variant.accelerator or "")
        if view is None or taker.pod is None or view.counts_what(taker.pod):
            return ""
        asked = ", ".join(sorted(taker.pod.extended))
        return (
            f"pods of {taker.variant.name} ask for {asked}, and AcceleratorProfile {view.name} counts {view.resource}: "
            "set its spec.gpuResource to what they ask for"
        )

    def take(self, taker: Taker, replicas: int) -> Stock:
        """What is left when replicas are added; those that are given back are not free before they have gone."""
        view = self._view(taker)
        if view is None or self._cluster is None or replicas <= 0:
            return self
        left = self._cluster.copy()
        if taker.gpus > view.largest:
            _hold(left, view.rows, taker.gpus * replicas)
        else:
            shape = view.shape(view.asked(taker))
            _place(left, view.rows, shape, min(replicas, self._fit(view, taker)))
        return self._with(left, [view.name])

    def together(self, freed: Iterable[tuple[Taker, int]]) -> Stock:
        """With what some replicas hold, and as if all that is free of an accelerator were on one node."""
        more: defaultdict[str, list[tuple[Taker, int]]] = defaultdict(list)
        for taker, replicas in freed:
            more[taker.variant.accelerator or ""].append((taker, replicas))
        views = self._views.items()
        return self if self._cluster is None else stock_of({name: self._as_one(v, more[name]) for name, v in views})

    def without(self, gpus: Mapping[str, int]) -> Stock:
        """What is left when some are kept, of the nodes with most free ones: there what waits for them fits soonest."""
        kept = {name: count for name, count in gpus.items() if count > 0 and name in self._views}
        if self._cluster is None or not kept:
            return self
        left = self._cluster.copy()
        for name, count in kept.items():
            _hold(left, self._views[name].rows, count)
        return self._with(left, kept)

    def _view(self, taker: Taker) -> _View | None:
        view = self._views.get(taker.variant.accelerator or "")
        return view if view is not None and view.counts_what(taker.pod) else None

    def _total(self, view: _View) -> int:
        return int(self._whole[view.rows].sum())

    def _fit(self, view: _View, taker: Taker) -> int:
        """Replicas that fit; scattered GPUs hold none that needs several on one node."""
        if taker.gpus > view.largest:
            return self._total(view) // taker.gpus
        asked, known = view.asked(taker), self._fits.setdefault(view.name, {})
        if asked not in known and self._cluster is not None:
            known[asked] = int(self._cluster.room_on(view.rows, view.shape(asked), self._whole).sum())
        return known.get(asked, 0)

    def _with(self, left: Cluster, changed: Iterable[str]) -> Stock:
        """With other nodes; how many fit is still known of accelerators that are on none of the changed machines."""
        stock = Stock(left, self._views)
        touched = frozenset[str]().union(*(self._views[name].touches for name in changed))
        stock._fits = {name: known for name, known in self._fits.items() if name not in touched}
        return stock

    def _as_one(self, view: _View, freed: Sequence[tuple[Taker, int]]) -> Pool:
        """A pool of one node; CPU and memory are not known where those of a part are not."""
        gpus = self._total(view) + sum(taker.gpus * replicas for taker, replicas in freed)
        pods = [(taker.pod, replicas) for taker, replicas in freed]
        cpu = [None if pod is None else pod.cpu_milli * replicas for pod, replicas in pods]
        memory = [None if pod is None else pod.memory_mebibytes * replicas for pod, replicas in pods]
        room = NodeRoom(view.name, gpus)
        if self._cluster is not None:
            free = self._cluster.cpu[view.rows], self._cluster.memory[view.rows]
            room = NodeRoom(view.name, gpus, _sum([*free[0].tolist(), *cpu]), _sum([*free[1].tolist(), *memory]))
        return Pool(view.name, gpus, gpus, (room,), view.largest, view.resource)


def stock_of(pools: Mapping[str, Pool] | None) -> Stock:
    """What the pools have free now; a node that several of them have is one."""
    if pools is None:
        return Stock(None)
    rooms: dict[tuple[str, str], NodeRoom] = {}
    owners: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for pool in pools.values():
        resource = pool.gpu_resource or f"of {pool.accelerator}"
        for room in pool.nodes or (NodeRoom(f"of {pool.accelerator}", max(pool.free_gpus, 0)),):
            rooms[room.node, resource] = room
            owners[room.node, resource].append(pool.accelerator)
    cluster = Cluster([_node(key, room, owners[key]) for key, room in rooms.items()])
    return Stock(cluster, {name: _view_of(pool, tuple(rooms), owners) for name, pool in pools.items()})


def _node(key: tuple[str, str], room: NodeRoom, owners: Sequence[str]) -> Node:
    return Node(
        name="/".join(key),
        accelerator="/".join(owners),
        free_cards_milli=(WHOLE_CARD_MILLI,) * room.free_gpus,
        free_cpu_milli=room.free_cpu_milli,
        free_memory_mebibytes=room.free_memory_mebibytes,
        host=room.node,
    )


def _view_of(pool: Pool, keys: Sequence[tuple[str, str]], owners: Mapping[tuple[str, str], Sequence[str]]) -> _View:
    name = pool.accelerator
    rows = [row for row, key in enumerate(keys) if name in owners[key]]
    machines = {keys[row][0] for row in rows}
    largest = max((room.free_gpus for room in pool.nodes), default=max(pool.total_gpus, pool.free_gpus))
    return _View(
        name=name,
        rows=np.array(rows, np.int64),
        types=frozenset("/".join(owners[keys[row]]) for row in rows),
        resource=pool.gpu_resource,
        largest=pool.largest_node_gpus or largest,
        touches=frozenset({name}.union(*(owners[key] for key in keys if key[0] in machines))),
    )


def _place(cluster: Cluster, rows: Ints, shape: Shape, replicas: int) -> None:
    """Place replicas, each where it fits best; all of them do somewhere."""
    whole = cluster.whole()
    fits = cluster.room_on(rows, shape, whole)
    for _ in range(replicas):
        row = cluster.tightest(rows[fits > 0], whole)
        cluster.take(shape, row, int(cluster.free[row].argmax()))
        whole[row] -= shape.cards
        fits[rows == row] = cluster.room_on(np.array([row]), shape, whole)


def _hold(cluster: Cluster, rows: Ints, cards: int) -> None:
    """Take so many free cards, of the nodes that have most."""
    for row in sorted(rows.tolist(), key=lambda row: -int(cluster.free[row].sum())):
        whole = np.flatnonzero(cluster.free[row])[: max(cards, 0)]
        cluster.free[row, whole] = 0
        cards -= len(whole)


def _sum(parts: Sequence[int | None]) -> int | None:
    """None: a part is not known."""
    known = [part for part in parts if part is not None and part < UNKNOWN]
    return sum(known) if len(known) == len(parts) else None
