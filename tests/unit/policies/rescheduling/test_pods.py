from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from foresail.policies.rescheduling.pods import CARDS_UNKNOWN, PINNED
from tests.unit.policies.rescheduling.gpu_cases import read_pods

RAW: dict[str, Any] = {
    "nodes": {"id": ["a", "b"], "cpu": [10, 10], "mem": [8, 8], "gpu": [2, 1], "model": ["X", "Y"]},
    "pods": {
        "id": ["p", "q", "r"],
        "cpu": [4, 2, 2],
        "mem": [2, 2, 2],
        "num_gpu": [1, 0, 1],
        "gpu_milli": [600, 0, 1000],
        "spec": ["", "", "Y|Z"],
        "node": [0, 0, 1],
        "cards": [[1], [], [0]],
    },
    "types": {"cpu": [1], "mem": [1], "num_gpu": [1], "gpu_milli": [500], "share": [1.0]},
}


def changed(table: str, column: str, values: Any) -> dict[str, Any]:
    raw = deepcopy(RAW)
    raw[table][column] = values
    return raw


def test_what_is_free_is_what_pods_do_not_hold() -> None:
    instance = read_pods(RAW)

    assert instance.free_cards_milli.tolist() == [[1000, 400], [0, 0]]
    assert instance.free_cpu_milli.tolist() == [4, 8]
    assert instance.free_memory_mebibytes.tolist() == [4, 6]
    assert instance.overcommitment() is None
    assert instance.skipped() == {}


def test_pods_of_one_shape_are_known_by_what_they_ask_and_where_they_may_be() -> None:
    shapes = read_pods(changed("pods", "gpu_milli", [1000, 0, 1000])).shapes

    assert shapes.of_pod.tolist() == [2, 0, 1]
    assert shapes.allowed.tolist() == [[True, True], [False, True], [True, True]]


def test_arrays_are_read_only() -> None:
    instance = read_pods(RAW)

    with pytest.raises(ValueError, match="read-only"):
        instance.held_milli[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        instance.mix.part[0] = 0.0


def test_a_pod_whose_cards_are_not_known_stays_and_its_node_takes_nobody() -> None:
    instance = read_pods(changed("pods", "cards", [[], [], [0]]))

    assert instance.skipped() == {0: CARDS_UNKNOWN}
    assert instance.open_nodes.tolist() == [False, True]
    assert not instance.shapes.allowed[:, 0].any()


def test_pinned_pods_are_skipped_with_that_reason() -> None:
    assert read_pods(changed("pods", "movable", [True, False, True])).skipped() == {1: PINNED}


@pytest.mark.parametrize(
    ("column", "values", "what"),
    [("cpu", [9, 2, 2], "CPU"), ("mem", [7, 2, 2], "memory"), ("cards", [[0], [], [0]], None)],
)
def test_an_overcommitted_node_is_named_with_its_units(column: str, values: Any, what: str | None) -> None:
    said = read_pods(changed("pods", column, values)).overcommitment()

    if what is None:
        assert said is None
    else:
        assert said is not None
        assert f"node a is over-committed in {what} by p, q" in said


def test_a_card_that_is_given_twice_is_overcommitment() -> None:
    raw = changed("pods", "node", [0, 0, 0])
    raw["pods"]["cards"] = [[1], [], [1]]

    assert "node a is over-committed in cards by p, q, r" in str(read_pods(raw).overcommitment())


def test_cards_that_are_not_known_count_all_the_same() -> None:
    raw = changed("pods", "num_gpu", [1, 1, 1])
    raw["pods"]["gpu_milli"], raw["pods"]["node"] = [600, 1000, 1000], [1, 1, 1]
    raw["pods"]["cards"] = [[], [], [0]]

    assert "node b is over-committed in cards" in str(read_pods(raw).overcommitment())


@pytest.mark.parametrize(
    ("table", "column", "values", "said"),
    [
        ("nodes", "id", ["a", "a"], "unique"),
        ("pods", "id", ["p", "p", "r"], "unique"),
        ("pods", "node", [0, 0, 2], "rows of 2 nodes"),
        ("pods", "node", [0, -1, 1], "rows of 2 nodes"),
    ],
)
def test_what_cannot_be_is_refused(table: str, column: str, values: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_pods(changed(table, column, values))


def test_a_pod_holds_its_share_of_a_card_and_no_other() -> None:
    instance = read_pods(RAW)
    held = instance.held_milli.copy()
    held[0, 1] = 400

    with pytest.raises(ValueError, match="held_milli must be a pod's share"):
        replace(instance, held_milli=held)


def test_nothing_at_all_is_an_instance_too() -> None:
    raw: dict[str, Any] = {table: {column: [] for column in columns} for table, columns in RAW.items()}

    instance = read_pods(raw)

    assert instance.overcommitment() is None
    assert instance.shapes.allowed.shape == (0, 0)
    assert instance.free_cards_milli.size == 0
    assert np.array_equal(instance.open_nodes, [])
