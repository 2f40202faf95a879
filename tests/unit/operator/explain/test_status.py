from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from foresail.domain.decision import Capacity, Condition, Decision, Step, VariantDecision
from foresail.domain.memory import CapacityBelief, Learned
from foresail.operator.explain.notices import notices
from foresail.operator.explain.status import build_status
from tests.builders import NOW, make_workload
from tests.unit.operator.explain.statuses import READY, lost, make_decision, make_object, nothing_found, status_of


def test_a_status_says_numbers_decision_and_conditions() -> None:
    assert status_of(make_decision()) == {
        "observedGeneration": 1,
        "currentReplicas": 5,
        "desiredReplicas": 7,
        "readyReplicas": 5,
        "minReplicas": 1,
        "maxReplicas": 20,
        "variants": [{"name": "h100", "currentReplicas": 5, "desiredReplicas": 7, "readyReplicas": 5}],
        "lastDecision": {
            "id": "d1",
            "time": "2026-11-23T12:00:00Z",
            "from": 5,
            "to": 7,
            "reason": "ForecastDemand",
            "message": "5 to 7: demand is expected at 38 rps",
            "steps": [
                {
                    "rule": "forecast",
                    "before": 5,
                    "after": 7,
                    "reason": "ForecastDemand",
                    "message": "nine cost least",
                }
            ],
        },
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Deciding",
                "message": "5 replicas serve 24 rps",
                "observedGeneration": 1,
                "lastTransitionTime": "2026-11-23T12:00:00Z",
            }
        ],
    }


def test_numbers_that_waver_in_sentences_are_no_news() -> None:
    first = status_of(make_decision())
    later = make_decision(
        identity="d2",
        message="5 to 7: demand is expected at 39.5 rps",
        conditions=(replace(READY, message="5 replicas serve 25.25 rps"),),
    )
    assert status_of(later, first, now=NOW + 15) == first


@pytest.mark.parametrize(
    "change",
    [
        {"desired": 8},
        {"current": 6},
        {"reason": "StepLimited"},
        {"message": "5 to 7: demand would be expected at 38 rps"},
    ],
)
def test_a_decision_is_renewed_when_it_says_something_else(change: dict[str, Any]) -> None:
    first = status_of(make_decision())
    assert status_of(make_decision(identity="d2", **change), first)["lastDecision"]["id"] == "d2"


def test_a_decision_is_renewed_with_the_spec_it_rests_on() -> None:
    first = status_of(make_decision())
    edited = make_object(first, generation=2)._replace(workload=make_workload(generation=2))
    status = build_status(edited, make_decision(identity="d2"), (), base=first, now=NOW)
    assert status["lastDecision"]["id"] == "d2"
    unreadable = make_object(first, generation=2)  # the last good spec, and what was decided on it, still hold
    status = build_status(unreadable, make_decision(), (), base=first, now=NOW)
    assert status["lastDecision"] == first["lastDecision"]


def test_a_new_leader_that_says_the_same_renews_nothing() -> None:
    first = status_of(make_decision())
    assert status_of(make_decision(identity="of another process"), first, now=NOW + 60) == first


def test_a_variant_without_a_target_keeps_the_numbers_that_were_known_last() -> None:
    variants = (make_decision().variants[0], VariantDecision("a100", 3, 3, 2, acts=True))
    first = status_of(make_decision(variants=variants))
    assert (first["currentReplicas"], first["desiredReplicas"], first["readyReplicas"]) == (8, 10, 7)
    status = status_of(make_decision(identity="d2", variants=(variants[0], lost("a100"))), first)
    assert (status["currentReplicas"], status["desiredReplicas"], status["readyReplicas"]) == (8, 10, 7)
    assert status["variants"] == first["variants"]


def test_where_a_capacity_is_known_from_is_news_and_how_far_it_may_be_off_is_not() -> None:
    (variant,) = make_decision().variants

    def about(source: str, error: float) -> Decision:
        return make_decision(variants=(replace(variant, capacity=Capacity(source, "", error, 100 * error)),))

    first = status_of(about("shipped", 0.2))
    assert first["variants"][0]["capacitySource"] == "shipped"
    assert status_of(about("shipped", 0.1), first, now=NOW + 15) == first
    assert status_of(about("measured", 0.1), first)["variants"][0]["capacitySource"] == "measured"
    assert "capacitySource" not in status_of(make_decision())["variants"][0]


def test_without_any_target_nothing_goes_to_zero() -> None:
    first = status_of(make_decision())
    status = status_of(nothing_found(), first, now=NOW + 15)
    last = status["lastDecision"]
    assert (last["from"], last["to"], last["reason"]) == (5, 5, "TargetNotFound")
    assert last["message"] == "prod/chat is left as it is: no target was found."
    assert (status["currentReplicas"], status["desiredReplicas"]) == (5, 7)
    assert status_of(nothing_found(identity="of another process"), status, now=NOW + 30) == status


def test_without_a_target_ever_there_are_no_numbers_and_no_decision() -> None:
    status = status_of(nothing_found())
    assert status["variants"] == [{"name": "h100"}]
    assert not {"currentReplicas", "desiredReplicas", "readyReplicas", "lastDecision"} & status.keys()
    assert status_of(nothing_found(), status) == status


def test_sentences_of_steps_fit_the_schema() -> None:
    steps = (Step("propose", 5, 7, "ForecastDemand", "x" * 5000),)
    assert len(status_of(make_decision(steps=steps))["lastDecision"]["steps"][0]["message"]) == 4096


def test_the_transition_time_moves_only_when_the_status_flips() -> None:
    first = status_of(make_decision())
    reasoned = status_of(make_decision(conditions=(replace(READY, reason="Advising"),)), first, now=NOW + 60)
    assert reasoned["conditions"][0]["lastTransitionTime"] == "2026-11-23T12:00:00Z"
    flipped = status_of(make_decision(conditions=(replace(READY, status="False"),)), reasoned, now=NOW + 60)
    assert flipped["conditions"][0]["lastTransitionTime"] == "2026-11-23T12:01:00Z"


def test_a_new_generation_is_observed_on_top_and_in_each_condition() -> None:
    status = status_of(make_decision(), status_of(make_decision()), generation=2)
    assert status["observedGeneration"] == 2
    assert status["conditions"][0]["observedGeneration"] == 2


@pytest.mark.parametrize(
    ("reason", "one", "other"),
    [
        ("AcceleratorNotFound", "AcceleratorProfile b200 does not exist", "AcceleratorProfile b300 does not exist"),
        ("TargetNotFound", "Deployment/chat-v2 does not exist", "Deployment/chat-v3 does not exist"),
        ("EditedByHand", "kubectl changed the replicas from 6 to 9", "kubectl changed the replicas from 9 to 1"),
    ],
)
def test_a_condition_never_keeps_a_sentence_that_names_something_else(reason: str, one: str, other: str) -> None:
    first = status_of(make_decision(conditions=(Condition("Ready", "False", reason, one),)))
    now = Condition("Ready", "False", reason, other)
    status = status_of(make_decision(conditions=(now,)), first, now=NOW + 15)
    assert status["conditions"][0]["message"] == other
    assert [(notice.warning, notice.message) for notice in notices(first, status)] == [(True, other)]


def test_a_new_spec_brings_the_sentence_of_now_even_where_only_a_number_differs() -> None:
    first = status_of(make_decision(conditions=(Condition("Overridden", "True", "Override", "It sets 20 replicas."),)))
    now = Condition("Overridden", "True", "Override", "It sets 25 replicas.")
    status = status_of(make_decision(conditions=(now,)), first, generation=2)
    assert status["conditions"][0]["message"] == "It sets 25 replicas."
    assert list(notices(first, status)) == []


def test_without_a_decision_numbers_and_other_conditions_stay() -> None:
    conflict = Condition("Conflict", "False", "NoConflict", "nobody else scales it")
    first = status_of(make_decision(conditions=(READY, conflict)))
    problem = Condition("Ready", "False", "SpecInvalid", "spec.slo: too small")
    status = status_of(None, first, overlay=(problem,), generation=2)
    assert status["lastDecision"] == first["lastDecision"]
    assert status["desiredReplicas"] == 7
    assert [(entry["type"], entry["status"]) for entry in status["conditions"]] == [
        ("Ready", "False"),
        ("Conflict", "False"),
    ]


def learned_at(scale: float, **changes: Any) -> Learned:
    belief = CapacityBelief(math.log(scale), 0.05**2, 40, 1e-4, 3e-4, "6 rps at 1000/250")
    return Learned(0.0, {"h100": replace(belief, **changes)})


def test_what_was_learned_goes_along_with_other_news() -> None:
    first = status_of(make_decision(learned=learned_at(0.5)))
    assert first["learned"]["variants"][0]["scale"] == "0.5"
    status = status_of(make_decision(identity="d2", desired=8, learned=learned_at(0.51)), first)
    assert status["learned"]["variants"][0]["scale"] == "0.51"


def test_what_was_learned_is_news_only_when_it_moved_by_a_tenth() -> None:
    first = status_of(make_decision(learned=learned_at(0.5)))
    near = make_decision(learned=learned_at(0.54, observations=99, log_variance=0.1))
    assert status_of(near, first, now=NOW + 15) == first
    far = status_of(make_decision(learned=learned_at(0.56)), first, now=NOW + 15)
    assert far == first | {"learned": far["learned"]}
    assert far["learned"]["variants"][0]["scale"] == "0.56"
    assert list(notices(first, far)) == []


def test_a_variant_of_which_something_is_learned_first_is_news() -> None:
    first = status_of(make_decision(learned=Learned()))
    assert first["learned"] == {"feedbackFactor": "1"}
    assert "variants" in status_of(make_decision(learned=learned_at(1.0)), first)["learned"]


def test_what_cannot_be_written_is_no_news_for_ever() -> None:
    first = status_of(make_decision(learned=learned_at(0.5, source="x" * 2000)))
    later = make_decision(learned=learned_at(0.9, source="x" * 2000))
    assert status_of(later, first, now=NOW + 15) == first


def test_what_was_learned_is_kept_when_nothing_could_be_decided() -> None:
    first = status_of(make_decision(learned=learned_at(0.5)))
    assert status_of(None, first)["learned"] == first["learned"]
    assert status_of(make_decision(identity="d2", desired=8), first)["learned"] == first["learned"]


def test_what_somebody_else_made_of_it_is_mended() -> None:
    first = status_of(make_decision(learned=learned_at(0.5)))
    for nonsense in ({"feedbackFactor": "much"}, {}, "nothing"):
        assert status_of(make_decision(learned=learned_at(0.5)), first | {"learned": nonsense}) == first
