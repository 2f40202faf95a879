from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.policies.allocation.nodes.fit import caps, pack
from foresail.policies.allocation.nodes.node import Node, Shape
from tests.unit.policies.allocation.node_cases import clusters, most_cards, most_copies, shapes

named = st.dictionaries(st.sampled_from("abcd"), shapes, min_size=1)
with_cards = shapes.filter(lambda shape: shape.cards > 0)


@given(nodes=clusters(most=3), shape=with_cards)
def test_the_cap_of_a_shape_is_what_trying_every_way_finds(nodes: list[Node], shape: Shape) -> None:
    assert caps(nodes, {"a": shape})["a"] == sum(most_copies(node, shape) for node in nodes)


@given(nodes=clusters(), shape=shapes, more=clusters(most=1))
def test_caps_grow_with_what_is_free(nodes: list[Node], shape: Shape, more: list[Node]) -> None:
    extra = Node("more", more[0].accelerator, more[0].free_cards_milli, more[0].free_cpu_milli)
    freed = [
        Node(n.name, n.accelerator, (1000,) * len(n.free_cards_milli), None, n.free_memory_mebibytes, n.slices_milli)
        for n in nodes
    ]

    before = caps(nodes, {"a": shape})["a"]

    assert caps([*nodes, extra], {"a": shape})["a"] >= before
    assert caps(freed, {"a": shape})["a"] >= before


@given(nodes=clusters(), shapes=named, data=st.data())
def test_a_packing_accounts_for_every_replica_and_gives_nothing_away_twice(
    nodes: list[Node], shapes: dict[str, Shape], data: st.DataObject
) -> None:
    wanted = {name: data.draw(st.integers(0, 4)) for name in shapes}

    packing = pack(nodes, wanted, shapes)

    for name, count in wanted.items():
        assert packing.placed[name] + packing.left_out.get(name, 0) == count
        assert sum(packing.where[name].values()) == packing.placed[name] <= max(caps(nodes, shapes)[name], 0)
    assert set(packing.reasons) == set(packing.left_out)
    for before, after in zip(nodes, packing.free_nodes, strict=True):
        here = {name: packing.where[name].get(before.name, 0) for name in shapes}
        cpu = sum(count * shapes[name].cpu_milli for name, count in here.items())
        cards = sum(count * shapes[name].cards * shapes[name].share_milli for name, count in here.items())
        assert sum(before.free_cards_milli) - sum(after.free_cards_milli) >= cards
        assert before.free_cpu_milli is None or before.free_cpu_milli - cpu == after.free_cpu_milli
    assert all(caps(packing.free_nodes, shapes)[name] == 0 for name in packing.left_out)


@settings(max_examples=60)
@given(
    free=st.lists(st.integers(0, 8), min_size=1, max_size=3),
    wanted=st.lists(st.sampled_from((1, 2, 4, 8)), min_size=1, max_size=5),
)
def test_whole_cards_of_sizes_that_divide_fill_as_many_as_any_packing(free: list[int], wanted: list[int]) -> None:
    nodes = [Node(str(place), "A", (1000,) * cards) for place, cards in enumerate(free)]
    sizes = {str(size): Shape(size) for size in wanted}

    packing = pack(nodes, {name: wanted.count(int(name)) for name in sizes}, sizes)

    assert sum(int(name) * count for name, count in packing.placed.items()) == most_cards(free, wanted)


def test_one_that_only_one_type_will_do_goes_before_one_that_is_free_to_choose() -> None:
    nodes = [Node("a", "A", (1000,)), Node("b", "B", (1000,))]
    shapes = {"any": Shape(1), "bound": Shape(1, accelerators=frozenset("A"))}

    packing = pack(nodes, {"any": 1, "bound": 1}, shapes)

    assert packing.where == {"any": {"b": 1}, "bound": {"a": 1}}
    assert not packing.left_out


@pytest.mark.parametrize(
    ("node", "shape", "reason"),
    [
        (Node("n", "A", (1000,)), Shape(1, accelerators=frozenset("Z")), "no node has cards of type Z"),
        (Node("n", "A", (1000, 400)), Shape(2), "of free cards there are 1 on all nodes together, and 2 are needed"),
        (Node("n", "A", (100,)), Shape(1, 300), "of cards that are 30 % free there are 0 on all nodes together"),
        (Node("n", "A", (1000,), 500), Shape(1, cpu_milli=1500), "at most 0.5 CPU free on any of them, and 1.5 are"),
        (Node("n", "A", (1000,), None, 7), Shape(1, memory_mebibytes=9), "at most 7 MiB of memory free"),
        (Node("n", "A", (), 500), Shape(0, cpu_milli=1500), "at most 0.5 CPU free"),
    ],
)
def test_it_says_what_is_short(node: Node, shape: Shape, reason: str) -> None:
    packing = pack([node], {"chat": 1}, {"chat": shape})

    assert packing.placed == {"chat": 0}
    assert packing.reasons["chat"].startswith("1 of 1 left out: ")
    assert reason in packing.reasons["chat"]


def test_it_says_when_cards_are_free_but_on_different_nodes() -> None:
    nodes = [Node(str(place), "A", (1000,) * 4) for place in range(2)]

    reason = pack(nodes, {"chat": 1}, {"chat": Shape(8)}).reasons["chat"]

    assert "there are 8 on all nodes together, but at most 4 on one, and 8 are needed there" in reason


def test_it_says_when_cpu_and_memory_are_free_on_different_nodes() -> None:
    nodes = [Node("a", "A", (1000,), 9000, 1), Node("b", "A", (1000,), 1000, 9)]

    reason = pack(nodes, {"chat": 1}, {"chat": Shape(1, cpu_milli=2000, memory_mebibytes=2)}).reasons["chat"]

    assert "none has 2 CPU and 2 MiB of memory free together" in reason


def test_nothing_wanted_is_nothing_placed() -> None:
    nodes = [Node("a", "A", (1000,))]

    packing = pack(nodes, {"chat": 0}, {"chat": Shape(1)})

    assert (packing.placed, packing.left_out, packing.free_nodes) == ({"chat": 0}, {}, tuple(nodes))


def test_less_than_nothing_cannot_be_wanted() -> None:
    with pytest.raises(ValueError, match="wanted"):
        pack([], {"chat": -1}, {"chat": Shape(1)})
