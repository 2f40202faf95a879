"""A cluster of pods on nodes with GPUs as its JSON has it: columns of nodes, of pods, and of the workload expected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from foresail.cli.fields import Field
from foresail.cli.rescheduling.document import (
    IntArray,
    at,
    check,
    flags,
    items,
    names,
    optional,
    positive_numbers,
    texts,
    whole_numbers,
)
from foresail.cli.rescheduling.machines import homes
from foresail.cli.rescheduling.past import PAST_FIELDS, UNKNOWN, Past, parse_past
from foresail.domain.timeseries import BoolArray

NODE_FIELDS = ("id", "cpu", "mem", "gpu", "model")
POD_FIELDS = (
    "id",
    "cpu",
    "mem",
    "num_gpu",
    "gpu_milli",
    "spec",
    "qos",
    "node",
    "cards",
    "movable",
    "workload",
    *PAST_FIELDS,
)
TYPE_FIELDS = ("cpu", "mem", "num_gpu", "gpu_milli", "share")
MOST_GPUS = 64  # of a node: more are a slip of the keyboard
WHOLE_MILLI = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """What pods ask of a node: CPU in thousandths, MiB, cards, and thousandths of each; shape (K,) each."""

    cpu: IntArray
    memory: IntArray
    gpus: IntArray
    milli: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class PodInstance:
    """Pods on nodes, N of them with up to G cards each, P on them.

    Args:
        source: The file.
        nodes: Names.
        node_cpu: Shape (N,), thousandths.
        node_memory: Shape (N,), MiB.
        node_gpus: Shape (N,), cards.
        models: Of each node's cards.
        pods: Names.
        asks: Of each pod.
        specs: Models that will do, for each pod; empty: every one.
        node: Shape (P,): where each runs.
        cards: Of that node, for each pod.
        movable: Shape (P,).
        types: The workload that is expected.
        shares: Shape (K,): how often each of `types` is expected.
        past: How old each pod is, and when it was moved.
        workloads: That each is of, empty: of none; empty where the column is not there.
    """

    source: str
    nodes: tuple[str, ...]
    node_cpu: IntArray
    node_memory: IntArray
    node_gpus: IntArray
    models: tuple[str, ...]
    pods: tuple[str, ...]
    asks: Shapes
    specs: tuple[frozenset[str], ...]
    node: IntArray
    cards: tuple[tuple[int, ...], ...]
    movable: BoolArray
    types: Shapes
    shares: NDArray[np.float64]
    past: Past = UNKNOWN
    workloads: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """What runs."""
        return self.pods

    @property
    def homes(self) -> IntArray:
        """Where each unit runs."""
        return self.node


def parse_pods(document: Field) -> PodInstance:
    """The cluster in a document.

    Raises:
        InputError: A field cannot be understood.
    """
    nodes, pods, types = document["nodes"], document["pods"], document["types"]
    for field, known in ((nodes, NODE_FIELDS), (pods, POD_FIELDS), (types, TYPE_FIELDS)):
        field.know(known)
    hosts, units = names(nodes["id"]), names(pods["id"])
    gpus = whole_numbers(nodes["gpu"], len(hosts), most=MOST_GPUS)
    asks, home = _shapes(pods, len(units)), homes(pods["node"], hosts, len(units), "nodes.id")
    count = len(items(types["share"]))
    return PodInstance(
        source=document.source,
        nodes=hosts,
        node_cpu=whole_numbers(nodes["cpu"], len(hosts)),
        node_memory=whole_numbers(nodes["mem"], len(hosts)),
        node_gpus=gpus,
        models=_texts(nodes["model"], len(hosts)),
        pods=units,
        asks=asks,
        specs=tuple(_models(spec) for spec in _texts(pods["spec"], len(units))),
        node=home,
        cards=_cards(pods["cards"], asks, gpus[home]),
        movable=optional(pods["movable"], partial(flags, length=len(units)), np.ones(len(units), bool)),
        types=_shapes(types, count),
        shares=positive_numbers(types["share"], count),
        past=parse_past(pods, len(units)),
        workloads=optional(pods["workload"], partial(texts, length=len(units)), ()),
    )


def _texts(field: Field, count: int) -> tuple[str, ...]:
    """Texts, empty where the column is not there."""
    return optional(field, partial(texts, length=count), ("",) * count)


def _shapes(field: Field, count: int) -> Shapes:
    gpus = whole_numbers(field["num_gpu"], count, most=MOST_GPUS)
    milli = whole_numbers(field["gpu_milli"], count, most=WHOLE_MILLI)
    share = field["gpu_milli"]
    check(share, (gpus > 0) & (milli == 0), "is 0 for a pod with cards", "give thousandths of a card, 1 to 1000")
    check(share, (gpus == 0) & (milli > 0), "is a share of no card", "give 0, or num_gpu 1")
    check(share, (gpus > 1) & (milli < WHOLE_MILLI), "is a share of several cards", "give 1000: only one can be shared")
    return Shapes(whole_numbers(field["cpu"], count), whole_numbers(field["mem"], count), gpus, milli)


def _cards(field: Field, asks: Shapes, there: IntArray) -> tuple[tuple[int, ...], ...]:
    """The cards that each pod holds: as many as it asks for, each once, of those that its node has."""
    found = []
    for place in range(len(items(field, len(there)))):
        one = at(field, place)
        held = whole_numbers(one).tolist()
        if len(held) != asks.gpus[place]:
            one.fail(f"names {len(held)} cards where num_gpu is {asks.gpus[place]}", "name each card that it holds")
        if len(set(held)) < len(held):
            one.fail("names a card twice", "name each once")
        if held and max(held) >= there[place]:
            one.fail(f"names card {max(held)} of a node that has {there[place]}", "count from 0")
        found.append(tuple(held))
    return tuple(found)


def _models(spec: str) -> frozenset[str]:
    return frozenset(part.strip() for part in spec.split("|") if part.strip())
