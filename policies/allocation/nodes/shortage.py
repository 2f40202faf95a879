"""Why not one more replica of a shape fits: a sentence for people."""

from __future__ import annotations

import numpy as np

from foresail.policies.allocation.nodes.cluster import NOT_ALLOWED, Cluster, Ints
from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI, Shape


def explain_shortage(cluster: Cluster, shape: Shape) -> str:
    """Name what is short, looking first for the type, then for cards, then for CPU and memory beside them."""
    share = cluster.demands((shape,)).share[cluster.kind, 0]
    allowed = share < NOT_ALLOWED
    if not allowed.any():
        return f"no node has cards of type {' or '.join(sorted(shape.accelerators))}"
    cards = (cluster.free >= share[:, None]).sum(axis=1) * allowed
    if cards.sum() < shape.cards:
        return f"of {_cards(shape)} there are {cards.sum()} on all nodes together, and {shape.cards} are needed on one"
    if cards.max() < shape.cards:
        spread = f"{cards.sum()} on all nodes together, but at most {cards.max()} on one"
        return f"of {_cards(shape)} there are {spread}, and {shape.cards} are needed there"
    rows = np.flatnonzero(allowed & (cards >= shape.cards))
    return f"nodes whose cards would do: {len(rows)}, but {_beside(cluster, rows, shape)}"


def _beside(cluster: Cluster, rows: Ints, shape: Shape) -> str:
    cpu, memory = int(cluster.cpu[rows].max()), int(cluster.memory[rows].max())
    if cpu < shape.cpu_milli:
        return f"at most {cpu / 1000:g} CPU free on any of them, and {shape.cpu_milli / 1000:g} are needed"
    if memory < shape.memory_mebibytes:
        return f"at most {memory} MiB of memory free on any of them, and {shape.memory_mebibytes} are needed"
    return f"none has {shape.cpu_milli / 1000:g} CPU and {shape.memory_mebibytes} MiB of memory free together"


def _cards(shape: Shape) -> str:
    kind = (
        "free cards" if shape.share_milli == WHOLE_CARD_MILLI else f"cards that are {shape.share_milli / 10:g} % free"
    )
    return f"{kind} of type {' or '.join(sorted(shape.accelerators))}" if shape.accelerators else kind
