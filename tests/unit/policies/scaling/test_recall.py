from __future__ import annotations

import math
from dataclasses import replace

from foresail.domain.memory import CapacityBelief, Change, Learned, Memory, Recommendation, WorkloadMemory
from foresail.domain.snapshot import FIELD_MANAGER, Rival, Unknown, WorkloadObservation
from foresail.domain.workload import Mode, Override, Schedule
from foresail.policies.cycle import run_cycle
from foresail.policies.scaling.capacity import LEARNED, Work, fit_work
from foresail.policies.scaling.learning import start_belief
from foresail.policies.scaling.recall import learned_of, recall, renew
from foresail.policies.scaling.said import Said
from tests.builders import (
    NOW,
    make_accelerator,
    make_demand,
    make_forecast,
    make_memory,
    make_observation,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)

PROFILES = {"h100": make_accelerator()}
# The belief that a replica sustains half of what the profile says.
HALF = replace(start_belief(fit_work(PROFILES["h100"].capacity)), log_mean=math.log(0.5), observations=40)
SAID = Said(1, 5, 7, (("h100", 7), ("a100", 0)), "ForecastDemand", "demand is expected at # rps")


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


def test_a_target_that_was_made_anew_has_no_history_but_what_was_learned_of_its_variant_holds() -> None:
    observed = make_variant_observation(target_uid="recreated")
    memory = recalled(make_observation(variants=[observed]), replace(full_memory(), capacity={"h100": HALF}))
    assert memory.recommendations == (Recommendation(NOW, "h100", 5),)
    assert (memory.changes, memory.last_required) == ((), {"h100": 9})
    assert memory.startup_seconds["h100"] == (90.0, 180.0, 180.0, 180.0)
    assert memory.target_uids == {"h100": "recreated"}
    assert memory.capacity == {"h100": HALF}


def test_a_leader_that_remembers_nothing_takes_up_what_the_object_says() -> None:
    memory = recalled(make_observation(learned=Learned(0.3, {"h100": HALF, "gone": HALF})))
    assert memory.uid == make_workload().uid
    assert (memory.log_feedback, memory.capacity) == (0.3, {"h100": HALF})
    assert memory.recommendations == (Recommendation(NOW, "h100", 5),)


def test_what_is_remembered_is_newer_than_what_the_object_says() -> None:
    said = make_observation(learned=Learned(0.3, {"h100": replace(HALF, log_mean=0.1)}))
    memory = recalled(said, replace(full_memory(), capacity={"h100": HALF}))
    assert (memory.log_feedback, memory.capacity) == (0.2, {"h100": HALF})
    assert recalled(said, full_memory(uid="the one before")).log_feedback == 0.0


def test_what_the_object_says_of_another_prior_is_not_taken_up() -> None:
    for other in (replace(HALF, source="9 rps at 1000/250"), replace(HALF, seconds_per_output_token=1.0)):
        memory = recalled(make_observation(learned=Learned(0.3, {"h100": other})))
        assert (memory.capacity["h100"].log_mean, memory.log_feedback) == (0.0, 0.3)


def test_a_prior_that_was_rounded_when_it_was_written_is_the_same_prior() -> None:
    rounded = replace(HALF, seconds_per_input_token=HALF.seconds_per_input_token * (1 + 1e-9))
    assert recalled(make_observation(learned=Learned(0.0, {"h100": rounded}))).capacity == {"h100": HALF}


def test_only_beliefs_that_replicas_may_rest_on_are_told() -> None:
    unsure = start_belief(Work(1 / 3, 1.0, LEARNED))
    memory = WorkloadMemory("u", log_feedback=0.2, capacity={"h100": HALF, "a100": unsure})
    assert learned_of(memory) == Learned(0.2, {"h100": HALF})


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
    first = renew(WorkloadMemory(uid="u"), SAID, NOW)
    same = renew(first, SAID, NOW + 15)
    assert (same.decision_id, same.decision_time) == (first.decision_id, NOW)
    assert renew(WorkloadMemory(uid="u"), SAID, NOW).decision_id == first.decision_id
    others = [
        SAID._replace(generation=2),
        SAID._replace(before=7),
        SAID._replace(desired=(("h100", 6), ("a100", 1))),
        SAID._replace(reason="Stabilized"),
        SAID._replace(gist="another cause"),
    ]
    renewed = [renew(first, said, NOW + 15) for said in others]
    assert first.decision_id not in {memory.decision_id for memory in renewed}
    assert {memory.decision_time for memory in renewed} == {NOW + 15}


def identities(*observations: WorkloadObservation) -> list[str]:
    """Of the decisions of successive cycles."""
    memory, found = make_memory(observations[0].workload), []
    for cycle, observation in enumerate(observations):
        now, key = NOW + 15 * cycle, observation.workload.key
        result = run_cycle(make_snapshot(observation, now=now), {key: make_forecast(origin=now)}, memory)
        memory = result.memory
        found.append(result.decisions[key].id)
    return found


def test_what_would_be_done_is_said_anew_when_it_is_done() -> None:
    advised, done = (make_workload(mode=mode) for mode in (Mode.ADVISORY, Mode.AUTO))
    assert len(set(identities(make_observation(advised), make_observation(done), make_observation(done)))) == 2


def test_another_cause_of_unknown_demand_is_said_anew() -> None:
    causes = [Unknown("NoSeries", "no series"), Unknown("NoSeries", "no answer"), Unknown("NoSeries", "no answer")]
    assert len(set(identities(*(make_observation(demand=cause) for cause in causes)))) == 2


def test_a_schedule_that_ends_at_another_time_is_said_anew() -> None:
    ends = [
        make_workload(generation=i, schedules=(Schedule("day", "07:00", f"{18 + i}:00", "UTC", 9),)) for i in (1, 2, 2)
    ]
    assert len(set(identities(*map(make_observation, ends)))) == 2


def test_the_same_total_on_other_variants_is_said_anew() -> None:
    workload = make_workload(
        variants=(make_variant("h100"), make_variant("a100")), override=Override(8, NOW + 900, "launch")
    )
    splits = [(5, 3), (3, 5), (3, 5)]
    observed = [
        make_observation(
            workload, variants=[make_variant_observation("h100", one), make_variant_observation("a100", other)]
        )
        for one, other in splits
    ]
    assert len(set(identities(*observed))) == 2


def test_numbers_that_waver_are_no_new_decision() -> None:
    assert len(set(identities(*(make_observation(demand=24 + wave) for wave in (0, 0.5, -0.5, 1))))) == 1


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
