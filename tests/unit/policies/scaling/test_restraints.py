from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from foresail.domain.memory import Change, Recommendation, WorkloadMemory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import FIELD_MANAGER, Rival, Unknown, WorkloadObservation
from foresail.domain.workload import Behavior, ScalingRules
from foresail.policies.scaling.restraints import (
    hold_on_unknown,
    hold_stuck,
    ignore_small_changes,
    limit_steps,
    stabilize,
    wait_after_break,
)
from foresail.policies.scaling.verdict import Verdict
from tests.builders import (
    NOW,
    make_accelerator,
    make_forecast,
    make_memory,
    make_observation,
    make_replicas,
    make_variant_observation,
    make_workload,
)
from tests.unit.policies.cases import make_case, make_rules

UNKNOWN = Unknown("PrometheusUnreachable", "Prometheus did not answer; check its URL.")


def remembered(**changes: Any) -> WorkloadMemory:
    return next(iter(make_memory(**changes).workloads.values()))


def behaving(*, up: ScalingRules | None = None, down: ScalingRules | None = None) -> WorkloadObservation:
    default = Behavior()
    return make_observation(make_workload(behavior=Behavior(up or default.scale_up, down or default.scale_down)))


def told(verdict: Verdict | None) -> tuple[tuple[int, ...], Reason]:
    assert verdict is not None
    return verdict.counts, verdict.reason


def test_nothing_is_taken_away_while_demand_is_unknown() -> None:
    case = make_case(make_observation(demand=UNKNOWN))
    assert told(hold_on_unknown(case, (2,))) == ((5,), Reason.DEMAND_UNKNOWN)
    assert told(hold_on_unknown(case, (8,)))[0] == (8,)


def test_nothing_is_taken_away_without_a_forecast() -> None:
    assert told(hold_on_unknown(make_case(forecast=UNKNOWN), (2,))) == ((5,), Reason.FORECAST_UNKNOWN)


def test_nothing_is_taken_away_while_capacity_is_unknown() -> None:
    case = make_case(accelerators=[make_accelerator(rps=None)])
    assert told(hold_on_unknown(case, (2,))) == ((5,), Reason.CAPACITY_UNKNOWN)


def test_known_demand_and_forecast_restrain_nothing() -> None:
    assert hold_on_unknown(make_case(), (2,)) is None


@pytest.mark.parametrize(("proposed", "kept"), [(94, 94), (95, 100), (105, 100), (106, 106)])
def test_changes_within_the_tolerance_are_left_undone(proposed: int, kept: int) -> None:
    rules = make_rules(("Pods", 100, 15))
    behavior = Behavior(replace(rules, tolerance=0.05), replace(rules, tolerance=0.05))
    case = make_case(make_observation(make_workload(behavior=behavior), replicas=100))
    assert told(ignore_small_changes(case, (proposed,)))[0] == (kept,)


def test_nothing_is_taken_away_within_a_window_after_metrics_returned() -> None:
    case = make_case(memory=remembered(known_since=NOW - 40))
    verdict = wait_after_break(case, (2,))
    assert told(verdict) == ((5,), Reason.METRICS_JUST_KNOWN)
    assert verdict is not None
    assert (
        verdict.because
        == "demand has been known only since 2026-11-23T11:59:20Z, nothing is taken away within 300 s of that"
    )
    assert told(wait_after_break(case, (9,)))[0] == (9,)
    assert wait_after_break(make_case(memory=remembered(known_since=NOW - 300)), (2,)) is None


def test_a_workload_seen_for_the_first_time_gives_nothing_away_and_is_not_told_that_anything_returned() -> None:
    verdict = wait_after_break(make_case(memory=WorkloadMemory(uid="")), (2,))
    assert told(verdict) == ((5,), Reason.METRICS_JUST_KNOWN)
    assert verdict is not None
    assert (
        verdict.because
        == "demand has been known only since 2026-11-23T12:00:00Z, nothing is taken away within 300 s of that"
    )


def test_nothing_is_taken_away_within_a_window_after_a_change_of_leader() -> None:
    assert told(wait_after_break(make_case(leader_since=NOW - 10), (2,))) == ((5,), Reason.LEADER_CHANGED)


def test_nothing_is_taken_away_within_a_window_after_an_edit_by_hand() -> None:
    rival = Rival(FIELD_MANAGER, "kubectl", "at 11:58", NOW - 120)
    observation = make_observation(variants=[make_variant_observation(rivals=(rival,))])
    assert told(wait_after_break(make_case(observation), (2,))) == ((5,), Reason.EDITED_BY_HAND)


def test_a_shorter_window_waits_shorter() -> None:
    observation = behaving(down=make_rules(("Percent", 100, 15), window=30))
    assert wait_after_break(make_case(observation, memory=remembered(known_since=NOW - 40)), (2,)) is None


def test_a_clock_set_back_starts_the_wait_again() -> None:
    case = make_case(memory=remembered(known_since=NOW + 3600))
    assert case.memory.known_since == NOW
    assert told(wait_after_break(case, (2,)))[0] == (5,)


def test_windows_look_at_the_proposals_for_the_same_variant() -> None:
    recommendations = (Recommendation(NOW - 20, "h100", 4), Recommendation(NOW - 20, "another", 5))
    verdict = stabilize(make_case(memory=remembered(recommendations=recommendations)), (2,))
    assert told(verdict) == ((4,), Reason.STABILIZED)
    assert verdict is not None
    assert verdict.because == "within the last 300 s more were wanted"


def test_nothing_is_added_to_a_variant_whose_replicas_are_pending_for_long() -> None:
    replicas = make_replicas(5, ready=4, pending=1, pending_seconds=(700.0,), pending_message="0/9 nodes fit.")
    verdict = hold_stuck(make_case(make_observation(replicas=replicas)), (7,))
    assert told(verdict) == ((5,), Reason.REPLICAS_STUCK)
    assert verdict is not None
    assert verdict.because == "one replica of h100 has been pending since 2026-11-23T11:48:20Z (0/9 nodes fit)"


def test_a_step_down_of_stuck_replicas_passes() -> None:
    replicas = make_replicas(5, ready=3, pending=2, pending_seconds=(700.0, 690.0))
    assert told(hold_stuck(make_case(make_observation(replicas=replicas)), (3,)))[0] == (3,)


@pytest.mark.parametrize(
    ("state", "stuck"),
    [
        ({"pending": 2, "pending_seconds": (590.0, 580.0)}, 0),
        ({"pending": 2, "pending_seconds": (610.0, 605.0)}, 2),
        ({"pending": 2, "pending_seconds": (610.0, 15.0)}, 1),
        ({"starting": 2, "starting_seconds": (770.0, 15.0)}, 0),  # 600 s beyond the lead time of 180 s
        ({"starting": 2, "starting_seconds": (790.0, 15.0)}, 1),  # those that have just come are not stuck
        ({"starting": 2, "starting_seconds": (790.0, 785.0)}, 2),
    ],
)
def test_replicas_are_stuck_when_their_time_is_over(state: dict[str, Any], stuck: int) -> None:
    assert make_case(make_observation(replicas=make_replicas(5, ready=3, **state))).seats[0].stuck == stuck


def test_steps_are_limited_by_the_policies_and_former_changes() -> None:
    observation = behaving(up=make_rules(("Pods", 2, 60)))
    verdict = limit_steps(make_case(observation), (9,))
    assert told(verdict) == ((7,), Reason.STEP_LIMITED)
    assert verdict is not None
    assert verdict.because == "at most 2 replicas are added at once"
    used_up = limit_steps(make_case(observation, memory=remembered(changes=(Change(NOW - 5, "h100", 2),))), (9,))
    assert used_up is not None
    assert (used_up.counts, used_up.because) == ((5,), "no more replicas are added within 60 s")


def test_a_disabled_direction_is_said() -> None:
    observation = behaving(down=make_rules(("Pods", 2, 60), select="Disabled"))
    assert told(limit_steps(make_case(observation), (2,))) == ((5,), Reason.SCALING_DISABLED)


def test_a_stale_forecast_is_none() -> None:
    case = make_case(forecast=make_forecast(origin=NOW - 4000))
    assert isinstance(case.forecast, Unknown)
    assert told(hold_on_unknown(case, (2,)))[0] == (5,)
