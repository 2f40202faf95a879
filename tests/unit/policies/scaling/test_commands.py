from __future__ import annotations

from typing import Any

import pytest

from foresail.domain.decision import Decision
from foresail.domain.memory import WorkloadMemory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import FIELD_MANAGER, Rival, Unknown, WorkloadObservation
from foresail.domain.workload import Fallback, FallbackPolicy, Mode, Override, Schedule, Workload
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.commands import fall_back, keep_bounds, keep_schedule, obey_override, stand_down
from foresail.policies.scaling.verdict import Verdict
from tests.builders import (
    NOW,
    make_memory,
    make_observation,
    make_variant,
    make_variant_observation,
    make_workload,
)
from tests.unit.policies.cases import decide_one, make_case

UNKNOWN = Unknown("PrometheusUnreachable", "Prometheus did not answer; check its URL.")


def told(verdict: Verdict | None) -> tuple[tuple[int, ...], Reason]:
    assert verdict is not None
    return verdict.counts, verdict.reason


def two_variants(**changes: Any) -> Workload:
    return make_workload(variants=(make_variant("h100"), make_variant("a100")), **changes)


def blind(fallback: Fallback, *, seconds: float, replicas: int = 5, **memory: Any) -> Case:
    """A case whose demand has been unknown for some seconds."""
    workload = make_workload(fallback=fallback)
    remembered = WorkloadMemory(uid=workload.uid, unknown_since=NOW - seconds, **memory)
    return make_case(make_observation(workload, demand=UNKNOWN, replicas=replicas), memory=remembered)


def test_a_static_fallback_raises_after_its_time() -> None:
    fallback = Fallback(after_seconds=180, policy=FallbackPolicy.STATIC, replicas=8)
    assert fall_back(blind(fallback, seconds=179), (5,)) is None
    assert told(fall_back(blind(fallback, seconds=180), (5,))) == ((8,), Reason.FALLBACK_STATIC)


def test_a_fallback_never_takes_replicas_away() -> None:
    static = Fallback(policy=FallbackPolicy.STATIC, replicas=2)
    last = Fallback(policy=FallbackPolicy.LAST_FORECAST)
    assert told(fall_back(blind(static, seconds=999), (5,)))[0] == (5,)
    assert told(fall_back(blind(last, seconds=999, last_required={"h100": 3}), (5,)))[0] == (5,)


def test_the_last_forecast_is_kept_up() -> None:
    last = Fallback(policy=FallbackPolicy.LAST_FORECAST)
    case = blind(last, seconds=999, last_required={"h100": 7})
    assert told(fall_back(case, (5,))) == ((7,), Reason.FALLBACK_LAST_FORECAST)


def test_holding_is_the_default_fallback() -> None:
    assert fall_back(blind(Fallback(), seconds=9999), (5,)) is None


def test_a_workload_asleep_is_not_woken_by_its_fallback() -> None:
    static = Fallback(policy=FallbackPolicy.STATIC, replicas=2)
    assert fall_back(blind(static, seconds=999, replicas=0), (0,)) is None


def test_a_fallback_is_over_as_soon_as_demand_is_known() -> None:
    workload = make_workload(fallback=Fallback(policy=FallbackPolicy.STATIC, replicas=9))
    assert fall_back(make_case(make_observation(workload)), (5,)) is None


def test_an_open_schedule_keeps_its_floor_over_all_variants() -> None:
    schedule = Schedule("noon", "11:00", "14:00", "UTC", 9)
    case = make_case(make_observation(two_variants(schedules=(schedule,)), replicas=2))
    verdict = keep_schedule(case, (2, 2))
    assert told(verdict) == ((7, 2), Reason.SCHEDULE_FLOOR)
    assert verdict is not None
    assert verdict.because == "schedule noon keeps at least nine replicas until 14:00 UTC"
    assert told(keep_schedule(case, (9, 9)))[0] == (9, 9)


def test_a_closed_schedule_keeps_nothing() -> None:
    schedule = Schedule("night", "22:00", "06:00", "UTC", 9)
    assert keep_schedule(make_case(make_observation(make_workload(schedules=(schedule,)))), (2,)) is None


@pytest.mark.parametrize(("replicas", "counts"), [(4, (4, 0)), (10, (5, 5)), (14, (9, 5))])
def test_an_override_is_a_total_spread_with_little_change(replicas: int, counts: tuple[int, int]) -> None:
    variants = (make_variant("h100", min_replicas=0), make_variant("a100", min_replicas=0))
    workload = make_workload(variants=variants, override=Override(replicas, NOW + 600, "launch"))
    verdict = obey_override(make_case(make_observation(workload)), (1, 1))
    assert told(verdict) == (counts, Reason.OVERRIDE)


def test_an_override_ends() -> None:
    workload = make_workload(override=Override(9, NOW, "launch"))
    assert obey_override(make_case(make_observation(workload)), (3,)) is None


@pytest.mark.parametrize(("proposed", "counts", "reason"), [(0, 2, Reason.MIN_REPLICAS), (25, 20, Reason.MAX_REPLICAS)])
def test_bounds_hold_for_each_variant(proposed: int, counts: int, reason: Reason) -> None:
    workload = make_workload(variants=(make_variant(min_replicas=2),))
    assert told(keep_bounds(make_case(make_observation(workload)), (proposed,))) == ((counts,), reason)


def rivaled(*rivals: Rival, mode: Mode = Mode.AUTO) -> WorkloadObservation:
    return make_observation(make_workload(mode=mode), variants=[make_variant_observation(rivals=rivals)])


def test_we_stand_down_for_another_autoscaler() -> None:
    rival = Rival("HorizontalPodAutoscaler", "chat-hpa", "")
    verdict = stand_down(make_case(rivaled(rival)), (9,))
    assert told(verdict) == ((5,), Reason.CONFLICTING_CONTROLLER)
    assert verdict is not None
    assert verdict.because == "HorizontalPodAutoscaler chat-hpa sets them too; remove one of the two"


def test_in_advisory_another_autoscaler_may_go_on_while_we_say_what_we_would_do() -> None:
    rival = Rival("HorizontalPodAutoscaler", "chat-hpa", "")
    assert stand_down(make_case(rivaled(rival, mode=Mode.ADVISORY)), (9,)) is None


@pytest.mark.parametrize(("ago", "stands_down"), [(10, True), (299, True), (300, False)])
def test_we_stand_down_for_a_window_after_a_hand(ago: float, stands_down: bool) -> None:
    case = make_case(rivaled(Rival(FIELD_MANAGER, "kubectl", "", NOW - ago)))
    assert (stand_down(case, (9,)) is not None) is stands_down


@pytest.mark.parametrize(("ago", "stands_down"), [(10, True), (300, False)])
def test_a_hand_without_a_time_counts_from_when_it_was_first_seen(ago: float, stands_down: bool) -> None:
    memory = make_memory(edits_seen={"h100: kubectl: ": NOW - ago})
    case = make_case(rivaled(Rival(FIELD_MANAGER, "kubectl", "")), memory=next(iter(memory.workloads.values())))
    assert (stand_down(case, (9,)) is not None) is stands_down


EDIT = Rival(FIELD_MANAGER, "kubectl", "kubectl changed the replicas of Deployment/chat from 7 to 5", NOW - 20)


def edited(*rivals: Rival, override: Override | None, mode: Mode = Mode.AUTO, **variant: Any) -> WorkloadObservation:
    """Five replicas, of which these rivals tell."""
    workload = make_workload(mode=mode, override=override)
    return make_observation(workload, variants=[make_variant_observation(rivals=rivals, **variant)])


def conditions_of(decision: Decision) -> dict[str, tuple[str, str, str]]:
    return {c.type: (c.status, c.reason, c.message) for c in decision.conditions}


def test_an_override_ends_a_stand_down_for_a_hand() -> None:
    decision = decide_one(edited(EDIT, override=Override(7, NOW + 600, "launch")))
    assert (decision.desired, decision.reason) == (7, Reason.OVERRIDE)
    assert decision.variants[0].acts
    assert decision.message.endswith(
        "override sets seven replicas until 2026-11-23T12:10:00Z (launch), which overrules a hand: "
        "kubectl changed the replicas of Deployment/chat from 7 to 5."
    )
    told = conditions_of(decision)
    assert told["Overridden"] == ("True", Reason.OVERRIDE, "Override sets seven replicas (launch).")
    kubectl = "kubectl changed the replicas of Deployment/chat from 7 to 5"
    holds = f"{kubectl}, but spec.override holds until 2026-11-23T12:10:00Z."
    assert told["Conflict"] == ("False", Reason.NO_CONFLICT, holds)
    assert told["Ready"][:2] == ("True", Reason.DECIDING)


def test_an_override_that_agrees_with_a_hand_overrules_nobody() -> None:
    decision = decide_one(edited(EDIT, override=Override(5, NOW + 600, "")))
    assert (decision.desired, decision.reason) == (5, Reason.OVERRIDE)
    assert "overrules" not in decision.message


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject", "ModelDeployment"])
def test_an_override_does_not_end_a_stand_down_for_a_controller(kind: str) -> None:
    decision = decide_one(edited(Rival(kind, "theirs", ""), override=Override(7, NOW + 600, "launch")))
    assert (decision.desired, decision.reason) == (5, Reason.CONFLICTING_CONTROLLER)
    assert not decision.variants[0].acts
    assert conditions_of(decision)["Conflict"][0] == "True"


def test_after_an_override_the_window_after_a_hand_goes_on() -> None:
    expired = decide_one(edited(EDIT, override=Override(7, NOW, "launch")))
    assert (expired.desired, expired.reason) == (5, Reason.EDITED_BY_HAND)
    assert conditions_of(expired)["Conflict"][:2] == ("True", Reason.EDITED_BY_HAND)


def test_in_advisory_an_override_overrules_no_hand() -> None:
    decision = decide_one(edited(EDIT, override=Override(7, NOW + 600, ""), mode=Mode.ADVISORY))
    assert "overrules" not in decision.message


def test_the_last_hand_is_the_one_that_is_told() -> None:
    before = EDIT._replace(name="argo", message="argo changed the replicas from 3 to 7", time=NOW - 40)
    assert "kubectl changed" in decide_one(edited(before, EDIT, override=None)).message


def test_we_do_not_stand_down_for_one_that_waits_for_us() -> None:
    twin = Rival("ModelDeployment", "twin", "ModelDeployment twin waits", waits=True)
    case = make_case(rivaled(twin))
    assert stand_down(case, (9,)) is None
    told = conditions_of(decide_one(rivaled(twin)))
    assert told["Conflict"] == ("False", Reason.NO_CONFLICT, "ModelDeployment twin waits.")
    assert told["Ready"][:2] == ("True", Reason.DECIDING)


def test_mode_off_leaves_everything_alone() -> None:
    assert told(stand_down(make_case(rivaled(mode=Mode.OFF)), (9,))) == ((5,), Reason.MODE_OFF)


def test_mode_off_is_said_once_whatever_else_would_hold() -> None:
    schedule, override = Schedule("noon", "11:00", "14:00", "UTC", 9), Override(8, NOW + 600, "launch")
    decision = decide_one(make_observation(make_workload(mode=Mode.OFF, schedules=(schedule,), override=override)))
    assert (decision.desired, decision.reason) == (5, Reason.MODE_OFF)
    assert decision.message == ("prod/chat is left at 5: mode is Off; set mode to Advisory or Auto to have it scaled.")
    assert len(decision.steps) == 1


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.ADVISORY])
def test_an_override_that_the_bounds_cut_is_told_with_them(mode: Mode) -> None:
    workload = make_workload(
        mode=mode, variants=(make_variant(max_replicas=12),), override=Override(50, NOW + 600, "launch")
    )
    decision = decide_one(make_observation(workload))
    assert (decision.desired, decision.reason) == (12, Reason.MAX_REPLICAS)
    assert "override sets 50 replicas until 2026-11-23T12:10:00Z (launch), held to 12: maxReplicas" in decision.message
    message = next(c.message for c in decision.conditions if c.type == "Overridden")
    sets = "sets" if mode is Mode.AUTO else "would set"
    assert message == f"Override {sets} 50 replicas (launch), held to 12: maxReplicas of h100 is 12."


def test_a_schedule_that_the_bounds_cut_is_told_with_them() -> None:
    schedule = Schedule("noon", "11:00", "14:00", "UTC", 30)
    decision = decide_one(make_observation(make_workload(schedules=(schedule,))))
    assert decision.desired == 20
    assert "schedule noon keeps at least 30 replicas until 14:00 UTC, held to 20: maxReplicas" in decision.message
