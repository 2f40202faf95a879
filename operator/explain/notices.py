"""Notices: what of a new status people should hear of, and so becomes an Event.

A decision does when it changes replicas, or when a person or an outside cause has come to stand behind a number. That
we hold a number for reasons of our own comes and goes with the forecast, many times an hour, and concerns nobody.
What is wrong is told once, as a warning: neither the decision nor another condition repeats its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from foresail.domain.reason import Reason
from foresail.policies.scaling.said import essence

# Without an inventory, or before enough forecasts are due, nothing is wrong.
_BAD = {
    "Ready": ("False", "Unknown"),
    "MetricsAvailable": ("False", "Unknown"),
    "TargetResolved": ("False", "Unknown"),
    "ForecastCalibrated": (),
    "Conflict": ("True",),
    "Overridden": (),
}
# Of a person or an outside cause; the other reasons are our own.
_CAUSES = frozenset(
    {
        Reason.CAPACITY_UNKNOWN,
        Reason.CONFLICTING_CONTROLLER,
        Reason.DEMAND_UNKNOWN,
        Reason.EDITED_BY_HAND,
        Reason.FALLBACK_LAST_FORECAST,
        Reason.FALLBACK_STATIC,
        Reason.MAX_REPLICAS,
        Reason.METRICS_UNKNOWN,
        Reason.MIN_REPLICAS,
        Reason.MODE_OFF,
        Reason.OVERRIDE,
        Reason.POOL_EXHAUSTED,
        Reason.REPLICAS_STUCK,
        Reason.SCALING_DISABLED,
        Reason.SCHEDULE_FLOOR,
        Reason.TARGET_NOT_FOUND,
    }
)


class Notice(NamedTuple):
    """Something new that people should hear of."""

    warning: bool
    reason: str
    message: str


def notices(base: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[Notice]:
    """What a new status tells that the old one did not: a decision to be heard of, and conditions that turned."""
    found = [*_of_decision(base, status), *_of_conditions(base, status)]
    warned = {notice.reason for notice in found if notice.warning}
    told: set[tuple[str, str]] = set()
    for notice in found:
        told_as = (notice.reason, "" if notice.warning else notice.message)
        is_twin = notice.reason in warned and not notice.warning
        if not is_twin and told_as not in told:
            told.add(told_as)
            yield notice


def _of_decision(base: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[Notice]:
    old, new = base.get("lastDecision") or {}, status.get("lastDecision") or {}
    if new.get("id") != old.get("id") and (_changes(old, new) or _has_new_cause(old, new)):
        yield Notice(False, new["reason"], new["message"])


def _of_conditions(base: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[Notice]:
    before = {entry["type"]: entry for entry in base.get("conditions", [])}
    for entry in status["conditions"]:
        was = before.get(entry["type"])
        # The first samples of new pods are still to come: nothing is wrong.
        bad = is_bad(entry["type"], entry["status"]) and entry["reason"] != Reason.METRICS_WARMING_UP
        turned = was is not None and was["status"] != entry["status"]
        if (turned or bad) and (was is None or _says(was) != _says(entry)):
            yield Notice(bad, entry["reason"], entry["message"])


def _says(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["status"], entry["reason"], essence(entry["reason"], entry["message"])


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    # What was told already is not done yet, or is refused: then a reason that wavers changes nothing.
    return bool(new["from"] != new["to"] and (new["from"], new["to"]) != (old.get("from"), old.get("to")))


def _has_new_cause(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return new["reason"] in _CAUSES and new["reason"] != old.get("reason")


def is_bad(condition_type: str, status: str) -> bool:
    """Whether a condition's status is one to warn of; an override and a forecast under test are nobody's fault."""
    return status in _BAD.get(condition_type, ("False",))
