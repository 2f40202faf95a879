"""What is wrong with an AcceleratorProfile is said on every workload that names it."""

from __future__ import annotations

from dataclasses import replace

from foresail.domain.accelerator import NodeRoom, Pool
from foresail.domain.decision import Decision
from foresail.domain.reason import Reason
from foresail.domain.snapshot import FleetSnapshot
from foresail.policies.cycle import run_cycle
from tests.builders import make_accelerator, make_forecast, make_memory, make_observation, make_pool, make_snapshot

PROBLEM = "AcceleratorProfile h100: spec.hardware: is no known data sheet, got 'h100-sxm'; write one of a, b"


def decide(fleet: FleetSnapshot) -> Decision:
    forecasts = {key: make_forecast(54) for key in fleet.workloads}
    return next(iter(run_cycle(fleet, forecasts, make_memory()).decisions.values()))


def told(decision: Decision, kind: str = "CapacityAvailable") -> tuple[str, str, str]:
    found = next(c for c in decision.conditions if c.type == kind)
    return found.status, found.reason, found.message


def test_a_profile_that_is_not_understood_is_named_where_the_pools_have_room() -> None:
    fleet = replace(make_snapshot(), profile_problems={"h100": PROBLEM, "another": "nobody names it"})
    message = f"The pools have room for what is wanted. {PROBLEM}."
    assert told(decide(fleet)) == ("True", Reason.PROFILE_INVALID, message)


def test_what_is_worse_keeps_its_reason_and_the_problem_is_told_beside() -> None:
    fleet = replace(make_snapshot(pools=[make_pool(free=0)]), profile_problems={"h100": PROBLEM})
    status, reason, message = told(decide(fleet))
    assert (status, reason) == ("False", Reason.POOL_EXHAUSTED)
    assert message.endswith(f" {PROBLEM}.")


def test_an_unknown_capacity_names_what_keeps_it_from_being_predicted() -> None:
    fleet = replace(make_snapshot(accelerators=[make_accelerator(rps=None)]), profile_problems={"h100": PROBLEM})
    status, reason, message = told(decide(fleet), "Ready")
    assert (status, reason) == ("False", Reason.CAPACITY_UNKNOWN)
    assert message.endswith(f" {PROBLEM}.")


def test_a_profile_that_was_never_understood_is_not_said_to_be_missing() -> None:
    fleet = replace(make_snapshot(accelerators=[]), profile_problems={"h100": f"{PROBLEM}. It counts as missing"})
    decision = decide(fleet)
    assert decision.desired == 5
    for kind in ("Ready", "CapacityAvailable"):
        _, reason, message = told(decision, kind)
        assert reason == Reason.ACCELERATOR_NOT_FOUND
        assert "does not exist" not in message
        assert message.count(PROBLEM) == 1
    assert told(decide(make_snapshot(accelerators=[])))[2].startswith("AcceleratorProfile h100 does not exist")


def test_gpus_that_two_profiles_select_are_counted_once_and_it_is_said() -> None:
    rooms = (NodeRoom("node-1", 2),)
    pools = [
        Pool(name, 8, 2, rooms, 8, "nvidia.com/gpu", (other,)) for name, other in (("h100", "twin"), ("twin", "h100"))
    ]
    status, reason, message = told(decide(make_snapshot(make_observation(), pools=pools)))
    assert (status, reason) == ("False", Reason.POOL_EXHAUSTED)
    assert "AcceleratorProfiles h100 and twin select some of the same GPUs, which are counted once" in message
    assert "spec.nodeSelector" in message
    roomy = [replace(pool, nodes=(NodeRoom("node-1", 8),), free_gpus=8) for pool in pools]
    assert told(decide(make_snapshot(make_observation(), pools=roomy)))[:2] == ("True", Reason.PROFILES_OVERLAP)
