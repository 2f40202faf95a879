"""Objects, decisions and the statuses that they make."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from foresail.domain.decision import Condition, Decision, Outlook, Step, VariantDecision
from foresail.domain.workload import WorkloadKey
from foresail.operator.explain.status import Object, build_status
from tests.builders import NOW, make_workload

KEY = WorkloadKey("prod", "chat")
PATH = "/apis/foresail.dev/v1alpha1/namespaces/prod/modeldeployments/chat/status"
READY = Condition("Ready", "True", "Deciding", "5 replicas serve 24 rps")


def make_object(status: dict[str, Any] | None = None, generation: int = 1) -> Object:
    return Object(KEY, "u", generation, status or {}, make_workload())


def make_decision(
    *, identity: str = "d1", current: int = 5, desired: int = 7, reason: str = "ForecastDemand", **changes: Any
) -> Decision:
    decision = Decision(
        id=identity,
        key=KEY,
        time=NOW,
        current=current,
        desired=desired,
        reason=reason,
        message=f"{current} to {desired}: demand is expected at 38 rps",
        steps=(Step("forecast", current, desired, reason, "nine cost least"),),
        variants=(VariantDecision("h100", current, desired, 5, acts=True, target_uid="t", resource_version="1"),),
        conditions=(READY,),
        outlook=Outlook(lead_time_seconds=180.0),
    )
    return replace(decision, **changes)


def lost(variant: str) -> VariantDecision:
    return VariantDecision(variant, None, None, None, acts=False)


def nothing_found(**changes: Any) -> Decision:
    message = "prod/chat is left as it is: no target was found."
    defaults = {"identity": "d2", "variants": (lost("h100"),), "steps": (), "message": message}
    return make_decision(current=0, desired=0, reason="TargetNotFound", **{**defaults, **changes})


def status_of(decision: Decision | None, base: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    about = make_object(base, generation=changes.pop("generation", 1))
    return build_status(about, decision, changes.pop("overlay", ()), base=base or {}, now=changes.pop("now", NOW))
