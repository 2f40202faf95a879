from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.policies.allocation.nodes.node import Mix, Node, Shape
from foresail.policies.allocation.nodes.place import Placer
from tests.unit.policies.allocation.node_cases import (
    clusters,
    expected_fragment,
    mixes,
    shapes,
    unused_by_many,
    ways,
)


def loss(nodes: Iterable[Node], mix: Mix) -> float:
    return sum(expected_fragment(node, mix) + unused_by_many(node, mix) for node in nodes)


@given(nodes=clusters(), mix=mixes, arriving=st.lists(shapes, max_size=12))
def test_every_step_is_one_that_the_node_had_room_for_and_of_least_growth(
    nodes: list[Node], mix: Mix, arriving: list[Shape]
) -> None:
    placer = Placer(nodes, mix)

    for shape in arriving:
        before = {node.name: node for node in placer.cluster.nodes()}
        growths = [loss([left], mix) - loss([node], mix) for node in before.values() for left in ways(node, shape)]
        placement = placer.place(shape)
        after = {node.name: node for node in placer.cluster.nodes()}
        if placement is None:
            assert not growths
            assert after == before
            continue
        assert after[placement.node] in ways(before[placement.node], shape)
        assert {name for name in after if after[name] != before[name]} <= {placement.node}
        assert loss([after[placement.node]], mix) - loss([before[placement.node]], mix) == pytest.approx(
            min(growths), abs=1e-6
        )


@given(nodes=clusters(), mix=mixes, arriving=st.lists(shapes, max_size=8))
def test_what_is_released_in_any_order_is_all_there_again(nodes: list[Node], mix: Mix, arriving: list[Shape]) -> None:
    placer = Placer(nodes, mix)
    fragmentation = placer.fragmentation()

    for placement in [placement for shape in arriving if (placement := placer.place(shape))]:
        placer.release(placement)

    assert placer.cluster.nodes() == tuple(nodes)
    assert placer.fragmentation() == pytest.approx(fragmentation)


@given(nodes=clusters(), mix=mixes, shape=shapes, random=st.randoms(use_true_random=False))
def test_the_order_of_the_nodes_only_decides_among_equals(
    nodes: list[Node], mix: Mix, shape: Shape, random: Random
) -> None:
    shuffled = list(nodes)
    random.shuffle(shuffled)

    def left(order: list[Node]) -> float:
        placer = Placer(order, mix)
        placer.place(shape)
        return loss(placer.cluster.nodes(), mix)

    assert left(shuffled) == pytest.approx(left(nodes))


def test_a_share_goes_where_another_has_begun_a_card() -> None:
    placer = Placer([Node("whole", "A", (1000,)), Node("begun", "A", (500,))], Mix({Shape(1): 1.0, Shape(1, 500): 1.0}))

    placement = placer.place(Shape(1, 500))

    assert placement is not None
    assert placement.node == "begun"


def test_a_single_card_leaves_the_node_whole_that_a_large_replica_needs() -> None:
    nodes = [Node("empty", "A", (1000,) * 8), Node("used", "A", (1000,) * 3)]
    placer = Placer(nodes, Mix({Shape(1): 9.0, Shape(8): 1.0}))

    assert [placer.place(Shape(1)).node for _ in range(3)] == ["used"] * 3  # type: ignore[union-attr]


def test_a_pod_of_little_cpu_goes_where_there_is_little() -> None:
    nodes = [Node("rich", "A", (1000,), 50_000), Node("poor", "A", (1000,), 4_000)]
    light, heavy = Shape(1, cpu_milli=3_000), Shape(1, cpu_milli=20_000)
    placer = Placer(nodes, Mix({light: 1.0, heavy: 1.0}))

    placements = [placer.place(light), placer.place(heavy)]

    assert [placement and placement.node for placement in placements] == ["poor", "rich"]


def test_a_slice_is_taken_whole() -> None:
    placer = Placer([Node("mig", "A", (1000,), slices_milli=(250, 500))], Mix({Shape(1, 300): 1.0}))

    assert [placer.place(Shape(1, 300)) is not None for _ in range(3)] == [True, True, False]


def test_a_shape_that_the_mix_does_not_know_is_placed_too() -> None:
    assert Placer([Node("a", "A", (1000,) * 2)], Mix({Shape(1): 1.0})).place(Shape(2)) is not None


def test_nothing_is_placed_where_there_is_no_node() -> None:
    assert Placer([], Mix({Shape(1): 1.0})).place(Shape(1)) is None


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Node("a", "A", (1001,)), "free_cards_milli"),
        (lambda: Node("a", "A", (1000,), free_cpu_milli=-1), "CPU"),
        (lambda: Node("a", "A", (1000,), slices_milli=(0,)), "slices_milli"),
        (lambda: Shape(2, 500), "single card"),
        (lambda: Shape(1, 0), "share_milli"),
        (lambda: Shape(-1), "negative"),
        (lambda: Shape(0), "ask for something"),
        (lambda: Mix({}), "shapes"),
        (lambda: Mix({Shape(1): 0.0}), "positive"),
        (lambda: Placer([Node("a", "A", ()), Node("a", "A", ())], Mix({Shape(1): 1.0})), "unique"),
    ],
)
def test_what_cannot_be_is_refused_by_name(make: Callable[[], object], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        make()
