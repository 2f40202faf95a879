"""Notices: what of a new status people should hear of, and so becomes an Event.

A decision does when it changes replicas, or when a person or an outside cause has come to stand behind a number. That
we hold a number for reasons of our own comes and goes with the forecast, many times an hour, and concerns nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from foresail.domain.reason import Reason

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
    old, new = base.get("lastDecision") or {}, status.get("lastDecision") or {}
    if new.get("id") != old.get("id") and (_changes(old, new) or _has_new_cause(old, new)):
        yield Notice(False, new["reason"], new["message"])
    before = {entry["type"]: entry for entry in base.get("conditions", [])}
    told = set()
    for entry in status["conditions"]:
        was = before.get(entry["type"])
        bad = is_bad(entry["type"], entry["status"])
        turned = was is not None and was["status"] != entry["status"]
        news = (turned or bad) and (was is None or (was["status"], was["reason"]) != (entry["status"], entry["reason"]))
        if news and (entry["reason"], entry["message"]) not in told:
            told.add((entry["reason"], entry["message"]))
            yield Notice(bad, entry["reason"], entry["message"])


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    # What was told already is not done yet, or is refused: then a reason that wavers changes nothing.
    return bool(new["from"] != new["to"] and (new["from"], new["to"]) != (old.get("from"), old.get("to")))


def _has_new_cause(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return new["reason"] in _CAUSES and new["reason"] != old.get("reason")


def is_bad(condition_type: str, status: str) -> bool:
    """Whether a condition's status is one to warn of; an override and a forecast under test are nobody's fault."""
    return status in _BAD.get(condition_type, ("False",))
