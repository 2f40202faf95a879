from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from foresail.policies.rescheduling.drain import Drained, drain, whole_free_nodes
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard
from foresail.policies.rescheduling.pods import PodInstance
from tests.unit.policies.rescheduling.gpu_cases import read_pods, recorded


def drained(instance: PodInstance, moves: int) -> Drained:
    found = drain(instance, ExpectedFragmentation(instance.mix), moves, lambda: True, np.random.default_rng(0))
    board = PodBoard(instance, ExpectedFragmentation(instance.mix))
    for move in found.moves:
        assert board.fits(move.pod, move.node, move.taken)
        assert board.host[move.pod] != move.node
        assert board.shapes.allowed[board.kind[move.pod], move.node]
        assert not board.fixed[move.pod]
        board.put(move.pod, move.node, move.taken)
    assert found.whole == whole_free_nodes(instance, board.host).sum()
    assert len(found.moves) <= moves
    return found


@pytest.mark.parametrize(
    ("name", "moves", "more"),
    [
        ("openb-300-bestfit-0", 50, 10),
        ("openb-300-bestfit-1", 50, 12),
        ("openb-300-random-1", 100, 25),
        ("openb-full-bestfit-0", 50, 16),
        ("openb-full-bestfit-0", 100, 29),
    ],
)
def test_recorded_clusters_are_emptied_as_far_as_is_proven_possible(name: str, moves: int, more: int) -> None:
    instance = recorded(name)

    found = drained(instance, moves)

    assert found.whole == found.most == whole_free_nodes(instance, instance.pod_node).sum() + more


def cluster(*pods: tuple[str, int, int, bool], nodes: int = 3) -> PodInstance:
    """Nodes of eight cards; pods by name, node, cards and whether they may move."""
    first: dict[int, int] = {}
    raw: dict[str, Any] = {
        "nodes": {
            "id": [f"n{row}" for row in range(nodes)],
            "cpu": [99] * nodes,
            "mem": [99] * nodes,
            "gpu": [8] * nodes,
            "model": [""] * nodes,
        },
        "pods": {key: [] for key in ("id", "cpu", "mem", "num_gpu", "gpu_milli", "node", "cards", "movable")},
        "types": {"cpu": [1], "mem": [1], "num_gpu": [1], "gpu_milli": [1000], "share": [1.0]},
    }
    for name, node, cards, movable in pods:
        at = first.get(node, 0)
        first[node] = at + cards
        values = (name, 1, 1, cards, 1000 if cards else 0, node, list(range(at, at + cards)), movable)
        for key, value in zip(raw["pods"], values, strict=True):
            raw["pods"][key].append(value)
    return read_pods(raw)


def test_pods_without_cards_may_stay_on_a_node_that_is_free() -> None:
    instance = cluster(("a", 0, 1, True), ("b", 0, 0, True), ("c", 1, 1, True), nodes=2)

    found = drained(instance, 5)

    assert (found.whole, found.most, len(found.moves)) == (1, 2, 1)


def test_what_is_pinned_is_not_emptied_and_the_bound_knows() -> None:
    instance = cluster(("a", 0, 1, False), ("b", 1, 1, True))

    found = drained(instance, 5)

    assert [move.pod for move in found.moves] == [1]
    assert (found.whole, found.most) == (2, 2)


def test_a_pod_of_eight_cards_frees_nothing_by_moving() -> None:
    found = drained(cluster(("a", 0, 8, True)), 5)

    assert (found.moves, found.whole, found.most) == ((), 2, 2)


def test_a_node_is_not_emptied_by_half() -> None:
    found = drained(cluster(("a", 0, 1, True), ("b", 0, 1, True), ("c", 1, 4, False)), 1)

    assert (found.moves, found.whole, found.most) == ((), 1, 1)


def test_nothing_to_move_is_an_answer() -> None:
    found = drained(cluster(), 5)

    assert (found.moves, found.whole, found.most) == ((), 3, 3)
