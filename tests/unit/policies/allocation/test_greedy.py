from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.accelerator import Pool
from foresail.domain.workload import Mode
from foresail.policies.allocation.greedy import Stock, by_priority, stock_of
from tests.builders import make_observation, make_pool, make_variant, make_workload


def test_room_is_what_there_is_and_what_the_free_gpus_hold() -> None:
    stock = stock_of({"h100": make_pool(free=7)})
    assert stock.room(make_variant(gpus_per_replica=2), 5) == 8
    assert stock.room(make_variant(gpus_per_replica=8), 5) == 5


def test_an_unknown_inventory_caps_nothing() -> None:
    assert Stock(None).room(make_variant(), 5) is None
    assert stock_of({"another": make_pool("another")}).room(make_variant(), 5) is None
    assert stock_of({"h100": make_pool()}).room(make_variant(accelerator=None), 5) is None


def test_what_one_takes_the_next_does_not_have() -> None:
    stock = stock_of({"h100": make_pool(free=7), "a100": make_pool("a100", free=3)})
    left = stock.take(make_variant(gpus_per_replica=2), 2)
    assert left.free_gpus == {"h100": 3, "a100": 3}
    assert left.take(make_variant(), 9).free_gpus == {"h100": 0, "a100": 3}


def scattered(*by_node: int, largest: int = 8) -> Stock:
    return stock_of({"h100": Pool("h100", 64, sum(by_node), by_node, largest)})


def test_scattered_gpus_hold_no_replica_that_needs_several_on_one_node() -> None:
    stock = scattered(3, 3, 1, 6)
    assert stock.room(make_variant(gpus_per_replica=4), 0) == 1
    assert stock.room(make_variant(gpus_per_replica=2), 0) == 5
    assert stock.room(make_variant(), 2) == 15


def test_a_replica_larger_than_any_node_spans_nodes() -> None:
    stock = scattered(8, 8, 8, largest=8)
    assert stock.room(make_variant(gpus_per_replica=16), 0) == 1
    assert stock.take(make_variant(gpus_per_replica=16), 1).free_gpus == {"h100": 8}


def test_each_goes_where_it_fits_best() -> None:
    """Two of two GPUs fill the node with three and one of the others, and leave the eight whole."""
    left = scattered(3, 2, 8).take(make_variant(gpus_per_replica=2), 2)
    assert left.room(make_variant(gpus_per_replica=8), 0) == 1
    assert left.free_gpus == {"h100": 9}


@given(st.lists(st.integers(0, 8), max_size=6), st.sampled_from([1, 2, 4, 8]), st.integers(0, 5))
def test_taking_what_fits_leaves_room_for_the_rest(by_node: list[int], gpus: int, taken: int) -> None:
    stock, variant = scattered(*by_node), make_variant(gpus_per_replica=gpus)
    room = stock.room(variant, 0)
    assert room is not None
    taken = min(taken, room)
    assert stock.take(variant, taken).room(variant, 0) == room - taken


def test_what_is_given_back_is_not_free_before_it_has_gone() -> None:
    stock = stock_of({"h100": make_pool(free=7)})
    assert stock.take(make_variant(), -3) == stock


def test_those_that_act_take_first_then_by_priority_then_by_name() -> None:
    observations = [
        make_observation(make_workload("advised", mode=Mode.ADVISORY, priority=9)),
        make_observation(make_workload("b")),
        make_observation(make_workload("a")),
        make_observation(make_workload("urgent", priority=5)),
    ]
    assert [o.workload.key.name for o in by_priority(observations)] == ["urgent", "a", "b", "advised"]
