from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from foresail.policies.allocation.nodes.cluster import Cluster
from foresail.policies.allocation.nodes.fragmentation import Fragmentation
from foresail.policies.allocation.nodes.node import Mix, Node, Shape
from tests.unit.policies.allocation.node_cases import (
    clusters,
    expected_fragment,
    mixes,
    shapes,
    unused_by_many,
    ways,
)


def expected(nodes: list[Node], mix: Mix) -> list[float]:
    return list(Fragmentation(Cluster(nodes), mix).expected(np.arange(len(nodes))))


@given(nodes=clusters(), mix=mixes)
def test_it_is_the_papers_measure(nodes: list[Node], mix: Mix) -> None:
    assert expected(nodes, mix) == pytest.approx([expected_fragment(node, mix) for node in nodes], abs=1e-9)


@given(nodes=clusters(), mix=mixes)
def test_it_is_never_negative_nor_more_than_what_is_free(nodes: list[Node], mix: Mix) -> None:
    for value, node in zip(expected(nodes, mix), nodes, strict=True):
        assert -1e-9 <= value <= sum(node.free_cards_milli) / 1000 + 1e-9


@given(nodes=clusters(most=3), mix=mixes, shape=shapes)
def test_the_growth_is_the_difference_that_a_placement_makes(nodes: list[Node], mix: Mix, shape: Shape) -> None:
    cluster = Cluster(nodes)
    columns = np.arange(cluster.free.shape[1])
    growth = Fragmentation(cluster, mix).growth(np.arange(len(nodes)), cluster.demands((shape,)), columns)[:, 0]

    for row, node in enumerate(nodes):
        before = expected_fragment(node, mix) + unused_by_many(node, mix)
        after = [expected_fragment(left, mix) + unused_by_many(left, mix) - before for left in ways(node, shape)]
        found = growth[row][np.isfinite(growth[row])]
        assert (len(found) > 0) == (len(after) > 0)
        if after:
            assert sorted(set(found.round(6))) == pytest.approx(sorted(set(np.round(after, 6))), abs=1e-5)


def test_an_empty_cluster_of_sizes_that_divide_it_has_none() -> None:
    nodes = [Node(str(place), "A", (1000,) * 8) for place in range(4)]

    mix = Mix({Shape(1): 0.5, Shape(2): 0.2, Shape(4): 0.2, Shape(8): 0.1, Shape(1, 500): 1.0})

    assert expected(nodes, mix) == [0.0] * 4


def test_cards_are_all_fragment_for_a_pod_that_asks_for_none() -> None:
    assert expected([Node("a", "A", (1000, 400))], Mix({Shape(0, cpu_milli=1): 1.0})) == [1.4]


def test_cards_are_all_fragment_where_the_cpu_is_gone() -> None:
    assert expected([Node("a", "A", (1000, 400), 3)], Mix({Shape(1, 200, cpu_milli=4): 1.0})) == [1.4]


def test_a_part_too_small_for_the_mix_is_fragment() -> None:
    assert expected([Node("a", "A", (1000, 400))], Mix({Shape(1, 500): 1.0})) == [0.4]
