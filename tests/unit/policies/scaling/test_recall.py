from __future__ import annotations

from foresail.domain.memory import CapacityBelief, Change, Memory, Recommendation, WorkloadMemory
from foresail.domain.snapshot import FIELD_MANAGER, Rival, Unknown, WorkloadObservation
from foresail.policies.cycle import run_cycle
from foresail.policies.scaling.recall import recall, renew
from tests.builders import (
    NOW,
    make_accelerator,
    make_demand,
    make_forecast,
    make_memory,
    make_observation,
    make_snapshot,
    make_variant_observation,
    make_workload,
)

PROFILES = {"h100": make_accelerator()}


def recalled(observation: WorkloadObservation | None = None, memory: WorkloadMemory | None = None) -> WorkloadMemory:
    observation = observation or make_observation()
    return recall(observation, memory, now=NOW, accelerators=PROFILES)


def full_memory(*, uid: str | None = None) -> WorkloadMemory:
    workload = make_workload()
    return WorkloadMemory(
        uid=uid or workload.uid,
        recommendations=(Recommendation(NOW - 30, "h100", 9),),
        changes=(Change(NOW - 10, "h100", 2),),
        log_feedback=0.2,
        startup_seconds={"h100": (90.0,)},
        target_uids={"h100": "uid-of-h100"},
        known_since=NOW - 1000,
        last_required={"h100": 9},
    )


def test_memory_is_kept_for_the_same_object_and_targets() -> None:
    memory = recalled(memory=full_memory())
    assert memory.recommendations == (Recommendation(NOW - 30, "h100", 9),)
    assert memory.changes == (Change(NOW - 10, "h100", 2),)
    assert memory.startup_seconds["h100"] == (90.0, 180.0, 180.0, 180.0)
    assert (memory.log_feedback, memory.known_since, memory.last_required) == (0.2, NOW - 1000, {"h100": 9})


def test_another_object_of_the_same_name_starts_afresh() -> None:
    memory = recalled(memory=full_memory(uid="the one before"))
    assert memory.uid == make_workload().uid
    assert memory.recommendations == (Recommendation(NOW, "h100", 5),)
    assert (memory.changes, memory.log_feedback, memory.known_since) == ((), 0.0, NOW)


def test_another_target_of_the_same_name_starts_its_history_afresh() -> None:
    observed = make_variant_observation(target_uid="recreated")
    memory = recalled(make_observation(variants=[observed]), full_memory())
    assert memory.recommendations == (Recommendation(NOW, "h100", 5),)
    assert (memory.changes, memory.last_required) == ((), {})
    assert memory.startup_seconds["h100"] == (180.0, 180.0, 180.0)
    assert memory.target_uids == {"h100": "recreated"}


def test_a_target_that_is_missing_for_a_while_keeps_its_history() -> None:
    gone = make_variant_observation(replicas=None, target_uid="", startup_seconds=())
    memory = recalled(make_observation(variants=[gone]), full_memory())
    assert memory.target_uids == {"h100": "uid-of-h100"}
    assert memory.recommendations == (Recommendation(NOW - 30, "h100", 9),)


def test_what_is_too_old_or_from_the_future_is_dropped() -> None:
    memory = WorkloadMemory(
        uid=make_workload().uid,
        recommendations=tuple(Recommendation(NOW + s, "h100", 9) for s in (-300, -299, 10)),
        changes=tuple(Change(NOW + s, "h100", 1) for s in (-15, -14, 10)),
        target_uids={"h100": "uid-of-h100"},
    )
    memory = recalled(memory=memory)
    assert [r.time - NOW for r in memory.recommendations] == [-299]
    assert [c.time - NOW for c in memory.changes] == [-14]


def test_what_belongs_to_a_variant_that_is_gone_is_dropped() -> None:
    memory = WorkloadMemory(
        uid=make_workload().uid,
        recommendations=(Recommendation(NOW - 1, "old", 3),),
        capacity={"old": CapacityBelief(0, 1)},
        startup_seconds={"old": (1.0,)},
        target_uids={"old": "x"},
        last_required={"old": 4},
    )
    memory = recalled(memory=memory)
    assert {r.variant for r in memory.recommendations} == {"h100"}
    assert [set(m) for m in (memory.capacity, memory.startup_seconds, memory.target_uids)] == [{"h100"}] * 3
    assert memory.last_required == {}


def test_known_and_unknown_take_turns() -> None:
    unknown = make_observation(demand=Unknown("NoSeries", ""))
    memory = recalled(unknown, full_memory())
    assert (memory.known_since, memory.unknown_since) == (None, NOW)
    memory = recalled(make_observation(), memory)
    assert (memory.known_since, memory.unknown_since) == (NOW, None)


def test_a_changed_profile_is_believed_afresh() -> None:
    seen = make_observation(variants=[make_variant_observation(served=make_demand(20), pressure=1.0)])
    learned = recalled(seen)
    assert learned.capacity["h100"].observations == 1
    changed = recall(make_observation(), learned, now=NOW, accelerators={"h100": make_accelerator(rps=9)})
    assert (changed.capacity["h100"].observations, changed.capacity["h100"].log_mean) == (0, 0.0)


def test_a_hand_is_remembered_while_it_is_seen() -> None:
    rival = Rival(FIELD_MANAGER, "kubectl", "edited")
    seen = make_observation(variants=[make_variant_observation(rivals=(rival,))])
    memory = recalled(seen)
    assert memory.edits_seen == {"h100: kubectl: edited": NOW}
    assert recall(seen, memory, now=NOW + 60, accelerators=PROFILES).edits_seen == {"h100: kubectl: edited": NOW}
    assert recalled(make_observation(), memory).edits_seen == {}


def test_a_decision_keeps_its_identity_until_it_says_something_else() -> None:
    first = renew(WorkloadMemory(uid="u"), (5, 7, "ForecastDemand"), NOW)
    same = renew(first, (5, 7, "ForecastDemand"), NOW + 15)
    other = renew(first, (7, 7, "ForecastDemand"), NOW + 15)
    assert (same.decision_id, same.decision_time) == (first.decision_id, NOW)
    assert other.decision_id != first.decision_id
    assert other.decision_time == NOW + 15
    assert renew(WorkloadMemory(uid="u"), (5, 7, "ForecastDemand"), NOW).decision_id == first.decision_id


def test_memory_stays_bounded_over_many_cycles() -> None:
    workload, memory = make_workload(), Memory()
    for cycle in range(100):
        now = NOW + 15 * cycle
        snapshot = make_snapshot(make_observation(workload, demand=20 + cycle % 7), now=now)
        memory = run_cycle(snapshot, {workload.key: make_forecast(20 + cycle % 7, origin=now)}, memory).memory
    kept = memory.workloads[workload.key]
    assert len(kept.recommendations) <= 300 / 15 + 1
    assert len(kept.changes) <= 2


def test_workloads_that_vanish_are_forgotten() -> None:
    gone = make_workload("gone")
    memory = Memory({**make_memory().workloads, **make_memory(gone).workloads})
    assert set(run_cycle(make_snapshot(), {}, memory).memory.workloads) == {make_workload().key}
