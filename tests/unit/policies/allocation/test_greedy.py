from __future__ import annotations

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
    assert left == Stock({"h100": 3, "a100": 3})
    assert left.take(make_variant(), 9) == Stock({"h100": 0, "a100": 3})


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
