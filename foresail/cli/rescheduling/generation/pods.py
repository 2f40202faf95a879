"""A cluster of pods on nodes with GPUs: filled until pods are turned away, then thinned out, as a cluster in use is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.generation import openb
from foresail.cli.rescheduling.generation.wish import Wish
from foresail.domain.timeseries import BoolArray

MOST, WHOLE = 8, 1000  # cards of a node, thousandths of a card
TURNED_AWAY = 200  # pods in all, after which a cluster is full
CLASSES = {"LS": 0.5, "BE": 0.3, "Burstable": 0.2}


class GpuNodes:
    """Nodes and what is free on them: CPU and memory, shape (N,), and cards, shape (N, 8)."""

    def __init__(self, rows: list[list[str]], rng: np.random.Generator) -> None:
        self.models = [kind for kind, *_ in rows]
        figures = np.array([[int(figure) for figure in row[1:4]] for row in rows], np.int64)
        self.gpus, self.total_cpu, self.total_memory = figures.T
        self.cpu, self.memory = self.total_cpu.copy(), self.total_memory.copy()
        self.cards = np.where(np.arange(MOST) < self.gpus[:, None], WHOLE, 0)
        self._rng = rng
        self._of_model = np.array(self.models)

    def place(self, shape: IntArray, spec: str, *, scattered: bool) -> tuple[int, list[int]] | None:
        """Take a place; returns the node and its cards, None where there is none."""
        count, milli, cpu, memory = shape.tolist()
        enough = (self.cards >= max(milli, 1)).sum(axis=1) >= count
        room = enough & (self.cpu >= cpu) & (self.memory >= memory) & self._suits(spec)
        if not room.any():
            return None
        # What is left, against the largest node of each resource: the best fit of the paper on fragmentation.
        left = (self.cpu - cpu) / 128_000 + (self.memory - memory) / 786_432 + self.cards.sum(axis=1) / (MOST * WHOLE)
        node = int(np.where(room, self._rng.random(len(room)) if scattered else left, np.inf).argmin())
        free = np.where(self.cards[node] >= max(milli, 1), self.cards[node], 2 * WHOLE)
        held = np.sort(np.argsort(free, kind="stable")[:count]).tolist()
        self.take(shape, node, held)
        return node, held

    def take(self, shape: IntArray, node: int, cards: list[int], sign: int = 1) -> None:
        """Take a place, or give it back with sign -1."""
        _, milli, cpu, memory = shape.tolist()
        self.cpu[node] -= sign * cpu
        self.memory[node] -= sign * memory
        self.cards[node, cards] -= sign * milli

    def used(self) -> float:
        """Share of the cards."""
        return 1.0 - float(self.cards.sum()) / (WHOLE * max(int(self.gpus.sum()), 1))

    def _suits(self, spec: str) -> BoolArray | bool:
        return np.isin(self._of_model, spec.split("|")) if spec else True


def generate_pods(wish: Wish) -> dict[str, Any]:
    """A cluster as JSON has it, with the trace's nodes and pods in its proportions."""
    rng = np.random.default_rng(wish.seed)
    nodes = GpuNodes(_nodes(wish.nodes, rng), rng)
    shapes, shares = pod_shapes()
    pods = _fill(nodes, shapes, shares, wish, rng)
    pods = _thin(nodes, pods, wish, rng)
    pods = _stir(nodes, pods, wish, rng)
    return _document(wish, nodes, pods, rng)


def pod_shapes() -> tuple[IntArray, NDArray[np.float64]]:
    """Cards, thousandths of each, CPU and memory of each shape, shape (K, 4), and its share of the pods."""
    rows = np.array([line.split() for line in openb.PODS.strip().splitlines()], np.int64)
    shapes = rows[:, 1:].copy()
    shapes[shapes[:, 0] == 0, 1] = 0
    return shapes, rows[:, 0] / rows[:, 0].sum()


def _nodes(count: int, rng: np.random.Generator) -> list[list[str]]:
    """Nodes of the trace, as often as it takes, and some of them for the rest."""
    rows = [line.split() for line in openb.NODES.strip().splitlines()]
    all_of_them = [row for row in rows for _ in range(int(row[4]))]
    times, rest = divmod(count, len(all_of_them))
    chosen = np.sort(rng.choice(len(all_of_them), rest, replace=False)).tolist()
    return all_of_them * times + [all_of_them[place] for place in chosen]


def _fill(
    nodes: GpuNodes, shapes: IntArray, shares: NDArray[np.float64], wish: Wish, rng: np.random.Generator
) -> list[Any]:
    specs, often = list(openb.TYPES), np.array(list(openb.TYPES.values()), float)
    pods: list[Any] = []
    turned_away = 0
    while turned_away < TURNED_AWAY and len(nodes.models):
        shape = shapes[rng.choice(len(shapes), p=shares)]
        bound = bool(shape[0]) and bool(rng.random() < wish.bound)
        spec = specs[rng.choice(len(specs), p=often / often.sum())] if bound else ""
        place = nodes.place(shape, spec, scattered=bool(rng.random() < wish.scatter))
        if place is None:
            turned_away += 1
        else:
            pods.append((shape, spec, *place))
    return pods


def _thin(nodes: GpuNodes, pods: list[Any], wish: Wish, rng: np.random.Generator) -> list[Any]:
    """Pods leave at random until the cards are used as wished."""
    order = rng.permutation(len(pods)).tolist()
    gone = set()
    while order and nodes.used() > wish.load:
        one = order.pop()
        shape, _, node, cards = pods[one]
        nodes.take(shape, node, cards, -1)
        gone.add(one)
    return [pod for place, pod in enumerate(pods) if place not in gone]


def _stir(nodes: GpuNodes, pods: list[Any], wish: Wish, rng: np.random.Generator) -> list[Any]:
    """Pods leave and come back one by one; there is room for each, at least where it was."""
    for one in rng.integers(len(pods), size=int(wish.churn * len(pods))).tolist() if pods else ():
        shape, spec, node, cards = pods[one]
        nodes.take(shape, node, cards, -1)
        pods[one] = (shape, spec, *(nodes.place(shape, spec, scattered=bool(rng.random() < wish.scatter)) or ()))
    return pods


def _document(wish: Wish, nodes: GpuNodes, pods: list[Any], rng: np.random.Generator) -> dict[str, Any]:
    asked = np.array([shape for shape, *_ in pods], np.int64).reshape(-1, 4)
    shapes, shares = pod_shapes()
    classes = rng.choice(list(CLASSES), size=len(pods), p=list(CLASSES.values())).tolist()
    return {
        "name": f"openb-like-{wish.nodes}-{wish.seed}",
        "nodes": {
            "id": [f"node-{place}" for place in range(len(nodes.models))],
            "cpu": nodes.total_cpu.tolist(),
            "mem": nodes.total_memory.tolist(),
            "gpu": nodes.gpus.tolist(),
            "model": nodes.models,
        },
        "pods": {
            "id": [f"pod-{place}" for place in range(len(pods))],
            **_columns(asked),
            "spec": [spec for _, spec, *_ in pods],
            "qos": classes,
            "node": [node for _, _, node, _ in pods],
            "cards": [cards for *_, cards in pods],
            "movable": (rng.random(len(pods)) >= wish.pinned).astype(int).tolist(),
        },
        "types": {**_columns(shapes), "share": [round(float(share), 8) for share in shares]},
        "meta": {"generator": "foresail reschedule generate", "seed": wish.seed, "load": round(nodes.used(), 4)},
    }


def _columns(shapes: IntArray) -> dict[str, list[int]]:
    names = ("num_gpu", "gpu_milli", "cpu", "mem")
    return {name: shapes[:, place].tolist() for place, name in enumerate(names)}
