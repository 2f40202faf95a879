"""Small clusters of GPU pods, recorded ones, and a replay in plain Python that shares no code with what is tested."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.gpu_board import PodMove
from foresail.policies.rescheduling.pods import PodInstance, PodMix, held_by

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "golden" / "rescheduling" / "openb"
TYPE_COLUMNS = ("cpu", "mem", "num_gpu", "gpu_milli")
SHAPES = ((1, 2, 0, 0), (2, 1, 1, 1000), (1, 1, 1, 500), (1, 1, 1, 300), (3, 2, 2, 1000), (4, 4, 4, 1000))


def read_pods(raw: dict[str, Any]) -> PodInstance:
    """An instance from columns as files have them."""
    nodes, pods, types = raw["nodes"], raw["pods"], raw["types"]

    def whole(table: dict[str, Any], column: str) -> IntArray:
        return np.array(table[column], np.int64)

    size, share = whole(nodes, "gpu"), whole(pods, "gpu_milli")
    specs = pods.get("spec", [""] * len(pods["id"]))
    return PodInstance(
        nodes=tuple(nodes["id"]),
        node_cpu_milli=whole(nodes, "cpu"),
        node_memory_mebibytes=whole(nodes, "mem"),
        node_cards=size,
        node_model=tuple(nodes["model"]),
        pods=tuple(pods["id"]),
        pod_cpu_milli=whole(pods, "cpu"),
        pod_memory_mebibytes=whole(pods, "mem"),
        pod_cards=whole(pods, "num_gpu"),
        pod_share_milli=share,
        pod_models=tuple(frozenset(spec.split("|")) if spec else frozenset() for spec in specs),
        pod_node=whole(pods, "node"),
        held_milli=held_by(pods["cards"], share, size),
        movable=np.array(pods.get("movable", [True] * len(share)), bool),
        mix=PodMix(
            cpu_milli=whole(types, "cpu"),
            memory_mebibytes=whole(types, "mem"),
            cards=whole(types, "num_gpu"),
            share_milli=whole(types, "gpu_milli"),
            part=np.array(types["share"], np.float64),
        ),
    )


def recorded(name: str) -> PodInstance:
    """An instance made from the openb trace."""
    file = FOLDER / f"{name}.json"
    if not file.exists():
        pytest.skip(f"no recorded cases beside the checkout ({FOLDER}): nothing was compared")
    return read_pods(json.loads(file.read_text()))


@st.composite
def raw_clusters(
    draw: st.DrawFn, most_nodes: int = 4, most_pods: int = 8, cards: tuple[int, ...] = (0, 1, 2, 4, 4)
) -> dict[str, Any]:
    """Nodes of so many cards, and pods put wherever there is room."""
    size = draw(st.integers(1, most_nodes))
    nodes: dict[str, Any] = {
        "id": [f"n{row}" for row in range(size)],
        "cpu": draw(st.lists(st.integers(2, 10), min_size=size, max_size=size)),
        "mem": draw(st.lists(st.integers(3, 12), min_size=size, max_size=size)),
        "gpu": draw(st.lists(st.sampled_from(cards), min_size=size, max_size=size)),
        "model": draw(st.lists(st.sampled_from(("A", "B")), min_size=size, max_size=size)),
    }
    pods: dict[str, list[Any]] = {
        key: [] for key in ("id", "cpu", "mem", "num_gpu", "gpu_milli", "spec", "node", "cards", "movable")
    }
    state = State({"nodes": nodes, "pods": pods})
    for number in range(draw(st.integers(0, most_pods))):
        shape, node = draw(st.sampled_from(SHAPES)), draw(st.integers(0, size - 1))
        spec = draw(st.sampled_from(("", "", "A", "A|B")))
        order = draw(st.permutations(range(nodes["gpu"][node])))
        held = [card for card in order if state.cards[node][card] >= shape[3]][: shape[2]]
        if len(held) == shape[2] and state.room(node, shape) and (not spec or nodes["model"][node] in spec):
            values = (f"p{number}", *shape, spec, node, held, draw(st.sampled_from((True, True, True, False))))
            for key, value in zip(pods, values, strict=True):
                pods[key].append(value)
            state.take(node, shape, held, 1)
    mix = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=4, unique=True))
    types = dict(zip(TYPE_COLUMNS, map(list, zip(*mix, strict=True)), strict=True))
    return {"nodes": nodes, "pods": pods, "types": types | {"share": [round(1 / len(mix), 8)] * len(mix)}}


class State:
    """What is free on nodes, as plain lists; built and replayed pod by pod."""

    def __init__(self, raw: dict[str, Any]) -> None:
        nodes, pods = raw["nodes"], raw["pods"]
        self.raw, self.model = raw, nodes["model"]
        self.cpu, self.memory = list(nodes["cpu"]), list(nodes["mem"])
        self.cards = [[1000] * count for count in nodes["gpu"]]
        self.where = list(zip(pods["node"], pods["cards"], strict=True))
        for pod, (node, cards) in enumerate(self.where):
            self.take(node, self.shape(pod), cards, 1)

    def shape(self, pod: int) -> tuple[int, int, int, int]:
        cpu, memory, cards, share = (self.raw["pods"][key][pod] for key in ("cpu", "mem", "num_gpu", "gpu_milli"))
        return cpu, memory, cards, share

    def room(self, node: int, shape: tuple[int, int, int, int]) -> bool:
        return bool(self.cpu[node] >= shape[0] and self.memory[node] >= shape[1])

    def take(self, node: int, shape: tuple[int, int, int, int], cards: Iterable[int], sign: int) -> None:
        self.cpu[node] -= sign * shape[0]
        self.memory[node] -= sign * shape[1]
        for card in cards:
            self.cards[node][card] -= sign * shape[3]

    def may_go(self, pod: int, node: int, cards: list[int]) -> bool:
        shape, spec = self.shape(pod), self.raw["pods"]["spec"][pod]
        allowed = not spec or self.model[node] in spec.split("|")
        free = all(self.cards[node][card] >= shape[3] for card in cards)
        movable = self.raw["pods"].get("movable", {pod: True})[pod]
        return bool(
            movable and allowed and node != self.where[pod][0] and len(set(cards)) == shape[2] and free
        ) and self.room(node, shape)

    def go(self, pod: int, node: int, cards: list[int]) -> None:
        assert self.may_go(pod, node, cards), (pod, node, cards)
        self.take(node, self.shape(pod), cards, 1)
        self.take(self.where[pod][0], self.shape(pod), self.where[pod][1], -1)
        self.where[pod] = (node, cards)

    def fragmented(self) -> float:
        """F of the paper, in cards, shape by shape and node by node."""
        types, total = self.raw["types"], 0.0
        for row in range(len(types["share"])):
            cpu, memory, cards, share = (types[key][row] for key in ("cpu", "mem", "num_gpu", "gpu_milli"))
            for node, free in enumerate(self.cards):
                useless = sum(card for card in free if card < share)
                fits = self.room(node, (cpu, memory, cards, share)) and sum(card >= share for card in free) >= cards > 0
                total += types["share"][row] * (useless if fits else sum(free)) / 1000
        return total

    def whole(self) -> int:
        """Nodes of eight cards that are all free."""
        return sum(cards == [1000] * 8 for cards in self.cards)

    def ways(self) -> list[tuple[int, int, list[int]]]:
        """All moves that are possible now; cards that are alike are told apart."""
        found = [
            (pod, node, cards)
            for pod, node in product(range(len(self.where)), range(len(self.cards)))
            for cards in self._choices(node, self.shape(pod)[2])
        ]
        return [way for way in found if self.may_go(*way)]

    def _choices(self, node: int, count: int) -> list[list[int]]:
        if count == 1:
            return [[card] for card in range(len(self.cards[node]))]
        return [[card for card, free in enumerate(self.cards[node]) if free == 1000][:count]]


def replay(raw: dict[str, Any], moves: Iterable[PodMove]) -> State:
    """Make moves one after another, each with its pod still on the old node."""
    state = State(raw)
    for move in moves:
        state.go(move.pod, move.node, [card for card, milli in enumerate(move.taken.tolist()) if milli])
    return state


def least_fragmented(raw: dict[str, Any], moves: int, price: float = 0.0) -> float:
    """The least F, and the price of the moves, after at most so many, by trying all of them."""
    return -most_worth(raw, moves, lambda state: -state.fragmented(), price)


def most_worth(raw: dict[str, Any], moves: int, worth: Callable[[State], float], price: float = 0.0) -> float:
    """The most that at most so many moves are worth, less their price, by trying all of them."""
    state = State(raw)
    best = worth(state)
    if moves:
        for pod, node, cards in state.ways():
            pods = raw["pods"] | {"node": list(raw["pods"]["node"]), "cards": list(raw["pods"]["cards"])}
            pods["node"][pod], pods["cards"][pod] = node, cards
            best = max(best, most_worth(raw | {"pods": pods}, moves - 1, worth, price) - price)
    return best
