from __future__ import annotations

from typing import Any

import pytest

from foresail.domain.reason import Reason
from foresail.domain.snapshot import FIELD_MANAGER, Rival, Unknown
from foresail.domain.workload import Mode, Override
from tests.builders import (
    NOW,
    make_accelerator,
    make_forecast,
    make_observation,
    make_replicas,
    make_variant,
    make_variant_observation,
    make_workload,
)
from tests.unit.policies.cases import condition, decide_one

HPA = Rival("HorizontalPodAutoscaler", "chat-hpa", "it scales Deployment/chat too; delete it.")
UNKNOWN = Unknown("PrometheusTimeout", "Prometheus took too long; look at its load.")


def in_mode(mode: Mode, *rivals: Rival) -> Any:
    return make_observation(make_workload(mode=mode), variants=[make_variant_observation(rivals=rivals)])


def test_all_is_well() -> None:
    decision = decide_one()
    assert {c.type: (c.status, c.reason) for c in decision.conditions} == {
        "Ready": ("True", Reason.DECIDING),
        "MetricsAvailable": ("True", Reason.METRICS_FRESH),
        "TargetResolved": ("True", Reason.TARGET_FOUND),
        "CapacityAvailable": ("True", Reason.CAPACITY_SUFFICIENT),
        "ForecastCalibrated": ("True", Reason.CALIBRATED),
        "Conflict": ("False", Reason.NO_CONFLICT),
        "Overridden": ("False", Reason.NO_OVERRIDE),
    }


@pytest.mark.parametrize(
    ("mode", "ready"),
    [
        (Mode.AUTO, ("True", Reason.DECIDING)),
        (Mode.ADVISORY, ("True", Reason.ADVISING)),
        (Mode.OFF, ("False", Reason.MODE_OFF)),
    ],
)
def test_readiness_tells_the_mode(mode: Mode, ready: tuple[str, Reason]) -> None:
    assert condition(decide_one(in_mode(mode)), "Ready") == ready


def test_unknown_metrics_name_their_cause_and_their_remedy() -> None:
    decision = decide_one(make_observation(demand=UNKNOWN))
    assert condition(decision, "MetricsAvailable") == ("False", "PrometheusTimeout")
    assert condition(decision, "Ready") == ("False", "PrometheusTimeout")
    message = next(c.message for c in decision.conditions if c.type == "MetricsAvailable")
    assert message == "Demand is unknown: Prometheus took too long; look at its load."


def test_waiting_for_the_first_samples_is_no_fault() -> None:
    decision = decide_one(make_observation(demand=Unknown(Reason.METRICS_WARMING_UP, "the first samples are awaited")))
    assert condition(decision, "MetricsAvailable") == ("Unknown", Reason.METRICS_WARMING_UP)
    assert condition(decision, "Ready") == ("Unknown", Reason.METRICS_WARMING_UP)
    assert decision.desired == 5


def test_a_missing_target_is_the_reason_why_nothing_is_measured() -> None:
    nobody = Unknown("NoReadyReplicas", "no replica is ready.")
    decision = decide_one(make_observation(replicas=None, demand=nobody))
    assert condition(decision, "Ready") == ("False", "TargetNotFound")
    assert condition(decision, "MetricsAvailable") == ("False", "TargetNotFound")
    message = next(c.message for c in decision.conditions if c.type == "MetricsAvailable")
    assert message == "Demand is not measured: Deployment/chat-h100 does not exist; create it."
    assert condition(decision, "CapacityAvailable") == ("Unknown", "TargetNotFound")


def test_an_unknown_capacity_is_not_ready() -> None:
    assert condition(decide_one(accelerators=[make_accelerator(rps=None)]), "Ready") == ("False", "CapacityUnknown")


@pytest.mark.parametrize(
    ("calibrated", "expected"),
    [(True, ("True", "Calibrated")), (False, ("False", "Miscalibrated")), (None, ("Unknown", "CalibrationPending"))],
)
def test_calibration_is_that_of_the_forecast(calibrated: bool | None, expected: tuple[str, str]) -> None:
    assert condition(decide_one(forecast=make_forecast(calibrated=calibrated)), "ForecastCalibrated") == expected


def test_another_autoscaler_is_a_conflict_in_auto_only() -> None:
    acting, advising = decide_one(in_mode(Mode.AUTO, HPA)), decide_one(in_mode(Mode.ADVISORY, HPA))
    assert condition(acting, "Conflict") == ("True", Reason.CONFLICTING_CONTROLLER)
    assert condition(acting, "Ready") == ("False", Reason.CONFLICTING_CONTROLLER)
    assert not acting.variants[0].acts
    assert condition(advising, "Conflict") == ("False", Reason.NO_CONFLICT)
    assert condition(advising, "Ready") == ("True", Reason.ADVISING)


def test_a_hand_is_a_conflict_for_a_window() -> None:
    edited = Rival(FIELD_MANAGER, "kubectl", "kubectl changed the replicas from 5 to 9", NOW - 20)
    decision = decide_one(in_mode(Mode.AUTO, edited))
    assert condition(decision, "Conflict") == ("True", Reason.EDITED_BY_HAND)
    message = next(c.message for c in decision.conditions if c.type == "Conflict")
    assert message == "kubectl changed the replicas from 5 to 9, we stand down until 2026-11-23T12:04:40Z."
    old = edited._replace(time=NOW - 301)
    assert condition(decide_one(in_mode(Mode.AUTO, old)), "Conflict") == ("False", Reason.NO_CONFLICT)


def test_replicas_pending_for_an_hour_are_missing_capacity() -> None:
    replicas = make_replicas(5, ready=4, pending=1, pending_seconds=(3600.0,), pending_message="Insufficient GPUs.")
    decision = decide_one(make_observation(replicas=replicas))
    message = next(c.message for c in decision.conditions if c.type == "CapacityAvailable")
    assert condition(decision, "CapacityAvailable") == ("False", Reason.REPLICAS_STUCK)
    assert message == "One replica of h100 has been pending since 2026-11-23T11:00:00Z (Insufficient GPUs)."


def test_an_override_that_is_obeyed_is_told_alone() -> None:
    decision = decide_one(make_observation(make_workload(override=Override(8, NOW + 60, "launch"))))
    message = next(c.message for c in decision.conditions if c.type == "Overridden")
    assert message == "Override sets eight replicas (launch)."


def test_an_override_below_the_minimum_tells_what_is_in_force() -> None:
    workload = make_workload(variants=(make_variant(min_replicas=3),), override=Override(0, NOW + 60, ""))
    decision = decide_one(make_observation(workload))
    message = next(c.message for c in decision.conditions if c.type == "Overridden")
    assert message == "Override sets no replica, held at 3: minReplicas of h100 is 3."


def test_a_profile_that_does_not_exist_is_named_with_its_place() -> None:
    workload = make_workload(variants=(make_variant("h100"), make_variant("a100", accelerator="h200")))
    decision = decide_one(make_observation(workload), accelerators=[make_accelerator("h100")])
    told = {c.type: (c.status, c.reason, c.message) for c in decision.conditions}
    message = "AcceleratorProfile h200 does not exist; create it or correct spec.variants[1].accelerator."
    assert told["CapacityAvailable"] == ("Unknown", Reason.ACCELERATOR_NOT_FOUND, message)
    assert told["Ready"] == ("False", Reason.ACCELERATOR_NOT_FOUND, message)  # nor was its capacity learned


def test_a_variant_that_names_no_accelerator_misses_no_profile() -> None:
    workload = make_workload(variants=(make_variant(accelerator=None),))
    assert condition(decide_one(make_observation(workload)), "CapacityAvailable") == (
        "Unknown",
        Reason.INVENTORY_UNKNOWN,
    )


@pytest.mark.parametrize(("until", "expected"), [(60, ("True", "Override")), (0, ("False", "OverrideExpired"))])
def test_an_override_is_shown_while_it_holds(until: float, expected: tuple[str, str]) -> None:
    workload = make_workload(override=Override(8, NOW + until, "launch"))
    assert condition(decide_one(make_observation(workload)), "Overridden") == expected
