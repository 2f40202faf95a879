from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from foresail.domain.decision import Decision
from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown, WorkloadObservation
from foresail.domain.workload import Behavior, Mode, Override, Schedule
from foresail.policies.cycle import run_cycle
from tests.builders import (
    NOW,
    make_forecast,
    make_memory,
    make_observation,
    make_pool,
    make_replicas,
    make_snapshot,
    make_variant,
    make_workload,
)
from tests.unit.policies.cases import make_rules

UNKNOWN = Unknown("NoSeries", "there is no series; scrape the pods")


def urgent(**changes: Any) -> WorkloadObservation:
    return make_observation(make_workload("urgent", priority=9), **{"replicas": 5, **changes})


def lesser(name: str = "lesser", *, replicas: Any = 6, demand: Any = 34.0, **changes: Any) -> WorkloadObservation:
    return make_observation(make_workload(name, **changes), replicas=replicas, demand=demand)


def decide_all(*observations: WorkloadObservation, free: int, rps: float = 46.0) -> dict[str, Decision]:
    """One cycle in which the urgent one wants `rps` and all others what they have now."""
    fleet = make_snapshot(*observations, pools=[make_pool(free=free)])
    memory = Memory({k: m for o in observations for k, m in make_memory(o.workload).workloads.items()})
    forecasts = {key: make_forecast(rps if key.name == "urgent" else 34.0) for key in fleet.workloads}
    return {key.name: decision for key, decision in run_cycle(fleet, forecasts, memory).decisions.items()}


def test_what_the_greater_priority_lacks_the_lesser_gives_at_once() -> None:
    """46 rps take eight; five run, one GPU is free: two are taken, though the lesser one needs all of its six."""
    decisions = decide_all(urgent(), lesser(), free=1)
    assert (decisions["urgent"].desired, decisions["lesser"].desired) == (6, 4)
    assert decisions["lesser"].reason == Reason.RECLAIMED
    assert "prod/urgent, whose priority is 9" in decisions["lesser"].message
    condition = next(c for c in decisions["lesser"].conditions if c.type == "CapacityAvailable")
    assert (condition.status, condition.reason) == ("False", Reason.RECLAIMED)


def test_who_gives_way_is_named_on_both_sides_and_so_are_the_nodes() -> None:
    nodes = ("node-1", "node-2", "node-3", "node-4", "node-5")
    (variant,) = lesser().variants
    decisions = decide_all(urgent(), replace(lesser(), variants=(replace(variant, nodes=nodes),)), free=1)
    where = "(they run on node-1, node-2, node-3, node-4 and 1 more)"
    given = f"the GPUs of two replicas of pool h100 {where} go to prod/urgent, whose priority is 9"
    assert given in decisions["lesser"].message
    condition = next(c for c in decisions["lesser"].conditions if c.type == "CapacityAvailable")
    assert condition.message == f"{given[:1].upper()}{given[1:]}."
    waits = "pool h100 has free GPUs for one replica; prod/lesser gives way with two replicas"
    assert waits in decisions["urgent"].message
    lacking = next(c for c in decisions["urgent"].conditions if c.type == "CapacityAvailable")
    assert "prod/lesser gives way with two replicas" in lacking.message


def test_nothing_is_taken_where_there_is_room() -> None:
    decisions = decide_all(urgent(), lesser(), free=3)
    assert (decisions["urgent"].desired, decisions["lesser"].desired) == (8, 6)


def test_equals_take_nothing_from_each_other() -> None:
    assert decide_all(urgent(), lesser(priority=9), free=0)["lesser"].desired == 6


def test_what_is_on_its_way_out_is_not_taken_twice() -> None:
    going = lesser(replicas=make_replicas(4, draining=2), demand=24.0)
    assert decide_all(urgent(), going, free=1)["lesser"].desired == 4


def test_what_was_made_free_is_kept_for_the_one_that_waits_for_it() -> None:
    """The greater one may add one replica at a time; the lesser may not take back what lies ready for it."""
    slow = Behavior(scale_up=make_rules(("Pods", 1, 15)))
    waiting = make_observation(make_workload("urgent", priority=9, behavior=slow), replicas=5)
    decisions = decide_all(waiting, lesser(replicas=4), free=3)
    assert (decisions["urgent"].desired, decisions["lesser"].desired) == (6, 4)


def test_the_minimum_is_not_taken() -> None:
    kept = lesser(variants=(make_variant(min_replicas=5),))
    assert decide_all(urgent(), kept, free=0)["lesser"].desired == 5


def test_the_least_priority_gives_first() -> None:
    decisions = decide_all(urgent(), lesser("middle", priority=5), lesser("last", replicas=2, demand=12.0), free=0)
    assert decisions["last"].desired == 1  # its minimum
    assert decisions["middle"].desired == 4


def test_replicas_without_a_node_are_lacking_too() -> None:
    pending = urgent(replicas=make_replicas(8, ready=5, pending=3, pending_seconds=(30.0,) * 3))
    decisions = decide_all(pending, lesser(), free=0)
    assert (decisions["urgent"].desired, decisions["lesser"].desired) == (8, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": Mode.ADVISORY},
        {"override": Override(6, NOW + 600, "a launch")},
        {"schedules": (Schedule("noon", "11:00", "14:00", "UTC", 6),)},
        {"behavior": Behavior(scale_down=make_rules(("Pods", 1, 15), select="Disabled"))},
        {"demand": UNKNOWN},
    ],
)
def test_who_is_in_the_dark_or_in_a_persons_hands_gives_nothing(changes: dict[str, Any]) -> None:
    assert decide_all(urgent(), lesser(**changes), free=0)["lesser"].desired == 6


def test_one_that_only_advises_takes_nothing() -> None:
    advised = make_observation(make_workload("urgent", priority=9, mode=Mode.ADVISORY), replicas=5)
    assert decide_all(advised, lesser(), free=0)["lesser"].desired == 6
