from __future__ import annotations

from dataclasses import replace

import pytest

from foresail.domain.decision import Condition
from foresail.operator.explain.notices import Notice, is_bad, notices
from tests.unit.operator.explain.statuses import READY, make_decision, nothing_found, status_of


def test_a_decision_to_change_is_news_and_one_to_stay_is_not() -> None:
    stay = status_of(make_decision(desired=5, reason="ForecastDemand"))
    go = status_of(make_decision(identity="d2"), stay)
    assert list(notices(stay, go)) == [Notice(False, "ForecastDemand", "5 to 7: demand is expected at 38 rps")]
    arrived = status_of(make_decision(identity="d3", current=7, desired=7), go)
    assert list(notices(go, arrived)) == []


@pytest.mark.parametrize("reason", ["ConsolidationUnsafe", "Stabilized", "StepLimited", "DemandNow", "LeaderChanged"])
def test_our_own_damping_of_a_number_that_stays_is_no_news(reason: str) -> None:
    stay = status_of(make_decision(desired=5))
    damped = status_of(make_decision(identity="d2", desired=5, reason=reason), stay)
    assert damped["lastDecision"]["id"] == "d2"
    assert list(notices(stay, damped)) == []
    assert list(notices(damped, status_of(make_decision(identity="d3", desired=5), damped))) == []


@pytest.mark.parametrize(
    "reason", ["Override", "ScheduleFloor", "MaxReplicas", "ConflictingController", "ReplicasStuck", "MetricsUnknown"]
)
def test_a_cause_from_outside_behind_a_number_that_stays_is_news_once(reason: str) -> None:
    stay = status_of(make_decision(desired=5))
    held = status_of(make_decision(identity="d2", desired=5, reason=reason), stay)
    assert [notice.reason for notice in notices(stay, held)] == [reason]
    other_words = make_decision(identity="d3", desired=5, reason=reason, message="the same with other words")
    assert list(notices(held, status_of(other_words, held))) == []


def test_a_change_that_is_not_carried_out_is_told_once_whatever_the_reason() -> None:
    go = status_of(make_decision(identity="d2"), status_of(make_decision(desired=5)))
    again = status_of(make_decision(identity="d3", reason="StepLimited"), go)
    assert again["lastDecision"]["id"] == "d3"
    assert list(notices(go, again)) == []


def test_a_condition_that_turns_is_news_both_ways_and_bad_ones_are_warnings() -> None:
    good = status_of(make_decision())
    bad = status_of(make_decision(conditions=(replace(READY, status="False", reason="MetricsUnknown"),)), good)
    assert [(notice.warning, notice.reason) for notice in notices(good, bad)] == [(True, "MetricsUnknown")]
    assert [(notice.warning, notice.reason) for notice in notices(bad, good)] == [(False, "Deciding")]


def test_waiting_for_the_first_samples_of_new_pods_is_no_warning() -> None:
    good = status_of(make_decision())
    awaited = Condition("Ready", "Unknown", "MetricsWarmingUp", "the first samples of new pods are awaited")
    assert list(notices({}, status_of(make_decision(conditions=(awaited,))))) == [
        Notice(False, "ForecastDemand", "5 to 7: demand is expected at 38 rps")
    ]
    told = list(notices(good, status_of(make_decision(conditions=(awaited,)), good)))
    assert [notice.warning for notice in told] == [False]


def test_a_warning_is_told_once_and_without_a_twin_that_is_none() -> None:
    good = status_of(
        make_decision(conditions=(READY, Condition("CapacityAvailable", "True", "CapacitySufficient", "ok")))
    )
    missing = (
        Condition("Ready", "False", "TargetNotFound", "Deployment/chat does not exist; create it."),
        Condition("MetricsAvailable", "False", "TargetNotFound", "Demand is unknown without a target."),
        Condition("CapacityAvailable", "Unknown", "TargetNotFound", "No target was found to want GPUs for."),
    )
    bad = status_of(nothing_found(conditions=missing), good)
    assert bad["lastDecision"]["reason"] == "TargetNotFound"
    told = list(notices(good, bad))
    assert told == [Notice(True, "TargetNotFound", "Deployment/chat does not exist; create it.")]


def test_a_bad_condition_whose_numbers_waver_is_told_once() -> None:
    def unready(waits: int) -> Condition:
        return replace(READY, status="False", reason="StaleSeries", message=f"no sample for {waits} s")

    bad = status_of(make_decision(conditions=(unready(45),)))
    assert list(notices(bad, status_of(make_decision(conditions=(unready(60),)), bad, generation=2))) == []


def test_each_condition_knows_what_is_bad() -> None:
    assert is_bad("Ready", "False")
    assert is_bad("MetricsAvailable", "Unknown")
    assert is_bad("Conflict", "True")
    assert not is_bad("Conflict", "False")
    assert not is_bad("Overridden", "True")
    assert not is_bad("CapacityAvailable", "Unknown")
