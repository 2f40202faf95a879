"""What is left while several take: on nodes, with CPU and memory, under profiles that share nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.accelerator import NodeRoom, PodRequest, Pool
from foresail.policies.allocation.nodes.fit import caps
from foresail.policies.allocation.nodes.node import Node, Shape
from foresail.policies.allocation.nodes.stock import Stock, Taker, stock_of
from tests.builders import make_nodes, make_pool, make_variant

GPU, SLICE = "nvidia.com/gpu", "nvidia.com/mig-3g.40gb"


def test_room_is_what_there_is_and_what_the_free_gpus_hold() -> None:
    stock = stock_of({"h100": make_pool(free=7)})
    assert stock.room(Taker(make_variant(gpus_per_replica=2)), 5) == 8
    assert stock.room(Taker(make_variant(gpus_per_replica=8)), 5) == 5


def test_an_unknown_inventory_caps_nothing() -> None:
    assert Stock(None).room(Taker(make_variant()), 5) is None
    assert stock_of({"another": make_pool("another")}).room(Taker(make_variant()), 5) is None
    assert stock_of({"h100": make_pool()}).room(Taker(make_variant(accelerator=None)), 5) is None


def test_what_one_takes_the_next_does_not_have() -> None:
    stock = stock_of({"h100": make_pool(free=7), "a100": make_pool("a100", free=3)})
    left = stock.take(Taker(make_variant(gpus_per_replica=2)), 2)
    assert left.free_gpus == {"h100": 3, "a100": 3}
    assert left.take(Taker(make_variant()), 9).free_gpus == {"h100": 0, "a100": 3}


def scattered(*by_node: int, largest: int = 8) -> Stock:
    return stock_of({"h100": make_nodes(*by_node, largest=largest)})


def test_scattered_gpus_hold_no_replica_that_needs_several_on_one_node() -> None:
    stock = scattered(3, 3, 1, 6)
    assert stock.room(Taker(make_variant(gpus_per_replica=4)), 0) == 1
    assert stock.room(Taker(make_variant(gpus_per_replica=2)), 0) == 5
    assert stock.room(Taker(make_variant()), 2) == 15


def test_a_replica_larger_than_any_node_spans_nodes() -> None:
    stock = scattered(8, 8, 8, largest=8)
    assert stock.room(Taker(make_variant(gpus_per_replica=16)), 0) == 1
    assert stock.take(Taker(make_variant(gpus_per_replica=16)), 1).free_gpus == {"h100": 8}


def test_each_goes_where_it_fits_best() -> None:
    """Two of two GPUs fill the node with three and one of the others, and leave the eight whole."""
    left = scattered(3, 2, 8).take(Taker(make_variant(gpus_per_replica=2)), 2)
    assert left.room(Taker(make_variant(gpus_per_replica=8)), 0) == 1
    assert left.free_gpus == {"h100": 9}


@given(st.lists(st.integers(0, 8), max_size=6), st.sampled_from([1, 2, 4, 8]), st.integers(0, 5))
def test_taking_what_fits_leaves_room_for_the_rest(by_node: list[int], gpus: int, taken: int) -> None:
    stock, variant = scattered(*by_node), make_variant(gpus_per_replica=gpus)
    room = stock.room(Taker(variant), 0)
    assert room is not None
    taken = min(taken, room)
    assert stock.take(Taker(variant), taken).room(Taker(variant), 0) == room - taken


def test_what_is_given_back_is_not_free_before_it_has_gone() -> None:
    stock = stock_of({"h100": make_pool(free=7)})
    assert stock.take(Taker(make_variant()), -3) == stock


def asking(cpu_milli: int = 4000, memory_mebibytes: int = 1024, **extended: int) -> PodRequest:
    names = {"gpu": GPU, "slice": SLICE}
    return PodRequest(cpu_milli, memory_mebibytes, {names[name]: count for name, count in extended.items()})


def hosts(*rooms: tuple[int, int | None, int | None], name: str = "h100", resource: str = GPU) -> Pool:
    """A pool of nodes of eight with free GPUs, CPU in thousandths, and MiB."""
    nodes = tuple(NodeRoom(f"node-{number}", *room) for number, room in enumerate(rooms))
    return Pool(name, 8 * len(nodes), sum(room.free_gpus for room in nodes), nodes, 8, resource)


def test_a_replica_needs_cpu_and_memory_where_its_gpus_are() -> None:
    """Of the first node CPU is for two pods, of the second memory for one, and the third has no GPU."""
    stock = stock_of({"h100": hosts((4, 9000, 99_999), (2, 99_000, 1500), (0, 99_000, 99_999))})
    taker = Taker(make_variant(), asking(gpu=1))
    assert stock.room(taker, 0) == 3
    assert stock.room(Taker(make_variant()), 0) == 6
    left = stock.take(taker, 2)
    assert left.room(taker, 0) == 1
    assert left.free_gpus == {"h100": 4}


def test_cpu_that_is_not_known_binds_nothing() -> None:
    assert stock_of({"h100": hosts((4, None, None))}).room(Taker(make_variant(), asking(gpu=1)), 0) == 4


def test_what_is_short_is_said() -> None:
    stock = stock_of({"h100": hosts((4, 3000, 99_999))})
    assert "at most 3 CPU free" in stock.why_full(Taker(make_variant(), asking(gpu=1)))
    assert stock.why_full(Taker(make_variant())) == ""
    scattered_gpus = stock_of({"h100": make_nodes(1, 1)}).why_full(Taker(make_variant(gpus_per_replica=2)))
    assert "2 on all nodes together, but at most 1 on one" in scattered_gpus


def test_of_a_replica_of_several_pods_only_the_gpus_are_known() -> None:
    stock = stock_of({"h100": hosts((8, 3000, 10), (8, 3000, 10))})
    assert stock.room(Taker(make_variant(gpus_per_replica=8), asking(gpu=4)), 0) == 2
    assert stock.room(Taker(make_variant(gpus_per_replica=8), asking(gpu=8)), 0) == 0


def test_a_pod_that_takes_slices_is_not_capped_by_whole_gpus() -> None:
    whole, sliced = hosts((8, 99_000, 99_999)), hosts((3, 99_000, 99_999), resource=SLICE)
    taker = Taker(make_variant(), asking(slice=1))
    assert stock_of({"h100": whole}).room(taker, 2) is None
    assert stock_of({"h100": whole}).take(taker, 2).free_gpus == {"h100": 8}
    assert stock_of({"h100": sliced}).room(taker, 2) == 5
    assert stock_of({"h100": whole}).room(Taker(make_variant(), asking()), 0) == 8  # a device that is claimed otherwise


def test_slices_and_whole_gpus_of_one_machine_share_its_cpu() -> None:
    pools = {"h100": hosts((4, 8000, 99_999)), "slices": hosts((6, 8000, 99_999), name="slices", resource=SLICE)}
    stock, sliced = stock_of(pools), Taker(make_variant("slices"), asking(slice=1))
    assert stock.room(sliced, 0) == 2
    left = stock.take(Taker(make_variant(), asking(gpu=1)), 1)
    assert left.room(sliced, 0) == 1
    assert left.free_gpus == {"h100": 3, "slices": 6}


def test_nodes_that_two_profiles_select_are_there_once() -> None:
    both = hosts((4, None, None), (4, None, None))
    pools = {"h100": both, "twin": replace(both, accelerator="twin", nodes=both.nodes[:1])}
    stock, one, twin = stock_of(pools), Taker(make_variant()), Taker(make_variant("twin"))
    assert (stock.room(one, 0), stock.room(twin, 0)) == (8, 4)
    left = stock.take(twin, 3)
    assert (left.room(one, 0), left.room(twin, 0)) == (5, 1)
    assert left.free_gpus == {"h100": 5, "twin": 1}


def test_what_is_kept_is_gone_for_all_that_are_on_the_same_nodes() -> None:
    both = hosts((4, None, None))
    stock = stock_of({"h100": both, "twin": replace(both, accelerator="twin")})
    assert stock.without({"h100": 3, "unheard": 2, "twin": 0}).room(Taker(make_variant("twin")), 0) == 1


def test_together_is_what_is_free_and_what_is_given_as_if_on_one_node() -> None:
    stock = stock_of({"h100": hosts((3, 5000, 9000), (3, 5000, 9000))})
    giving, wide = Taker(make_variant(), asking(gpu=1)), Taker(make_variant(gpus_per_replica=4), asking(16_000, gpu=4))
    assert stock.room(wide, 0) == 0
    assert stock.together([(giving, 2)]).room(wide, 0) == 1  # 8 GPUs, 18 CPUs
    assert stock.together([]).room(wide, 0) == 0  # 10 CPUs
    assert stock.together([(Taker(make_variant()), 2)]).room(wide, 0) == 2  # nobody knows what it gives


SHAPES = [(1, 0, 0), (2, 4000, 0), (4, 8000, 16_384), (8, 1, 1), (1, 32_000, 512)]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 64_000), st.integers(0, 65_536)), min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from(SHAPES), st.integers(0, 3)), max_size=6),
)
def test_what_is_taken_step_by_step_never_exceeds_what_a_node_has(
    rooms: list[tuple[int, int, int]], takes: list[tuple[tuple[int, int, int], int]]
) -> None:
    """What fits is what `caps` counts on the nodes, and it shrinks by exactly what is taken of the same shape."""
    stock = stock_of({"h100": hosts(*rooms)})
    nodes = [Node(f"n{i}", "", (1000,) * gpus, cpu, memory) for i, (gpus, cpu, memory) in enumerate(rooms)]
    gpus_taken = 0
    for index, ((gpus, cpu, memory), count) in enumerate(takes):
        taker = Taker(make_variant(gpus_per_replica=gpus), asking(cpu, memory, gpu=gpus))
        room = stock.room(taker, 0)
        assert room is not None
        if index == 0:
            assert room == caps(nodes, {"one": Shape(gpus, cpu_milli=cpu, memory_mebibytes=memory)})["one"]
        taken = min(count, room)
        stock = stock.take(taker, count)
        gpus_taken += taken * gpus
        assert stock.room(taker, 0) == room - taken
    assert stock.free_gpus["h100"] == sum(room[0] for room in rooms) - gpus_taken >= 0


@pytest.mark.parametrize("pools", [None, {}])
def test_without_a_count_nothing_is_said_to_be_short(pools: dict[str, Pool] | None) -> None:
    stock, taker = stock_of(pools), Taker(make_variant())
    assert (stock.room(taker, 1), stock.why_full(taker)) == (None, "")
    assert stock.together([(taker, 2)]).room(taker, 0) is None
