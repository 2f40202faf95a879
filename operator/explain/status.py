"""`status`: what a ModelDeployment's owner sees first, built by a pure function and written only when it says news.

What counts as new: a number of replicas, a decision or a condition that says something else (`policies.scaling.said`).
So a fleet in which nothing changes is not written at all, however much its forecasts waver; what is sent carries the
current sentence. With another generation every sentence is the current one: the spec may have changed its numbers. A
variant without a target keeps the numbers that were known last. Routing weights and what was learned go along with any
news, and are news by themselves only when a weight moved by two points, or what was learned by a tenth: that much is
lost when the process is killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from foresail.domain.decision import Condition, Decision, VariantDecision
from foresail.domain.errors import ActuationError
from foresail.domain.workload import Workload, WorkloadKey
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import APPLY_PATCH
from foresail.operator.actuate.outbox import Outbox
from foresail.operator.explain.notices import Notice, notices
from foresail.operator.explain.weights import WEIGHT, weighed, weights_in, without_weights
from foresail.operator.learned import has_moved, parse_learned, to_learned
from foresail.policies.scaling.said import Said, essence, gist
from foresail.service.document import to_instant, to_last_decision

API_VERSION = "foresail.dev/v1alpha1"
KIND = "ModelDeployment"
MAX_MESSAGE = 4096  # the schema's limit
CONDITION_TYPES = (
    "Ready",
    "MetricsAvailable",
    "TargetResolved",
    "CapacityAvailable",
    "ForecastCalibrated",
    "Conflict",
    "Overridden",
    "RoutingReady",
)
APART = ("conditions", "observedGeneration", "learned")  # of a status, what is no number


class Object(NamedTuple):
    """The object whose status is written: identity, what its status says now, and its last good spec."""

    key: WorkloadKey
    uid: str
    generation: int
    status: Mapping[str, Any]
    workload: Workload | None


def build_status(
    about: Object, decision: Decision | None, overlay: Sequence[Condition], *, base: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The status that an object should have.

    Args:
        about: The object.
        decision: This cycle's, None when nothing could be decided: then the numbers stay as they are in `base`.
        overlay: Conditions that the operator itself adds; they replace the decision's of the same type.
        base: The status that it has.
        now: Seconds since the epoch.
    """
    conditions = {condition.type: condition for condition in decision.conditions} if decision is not None else {}
    conditions |= {condition.type: condition for condition in overlay}
    old = {entry["type"]: entry for entry in base.get("conditions", [])}
    written = {name: _condition(entry, old.get(name), about, now) for name, entry in conditions.items()}
    shown = written if decision is not None else old | written
    numbers = base if decision is None else _numbers(about, decision, base)
    status = {
        **{name: value for name, value in numbers.items() if name not in APART},
        **_bounds(about.workload),
        "observedGeneration": about.generation,
        "conditions": [shown[name] for name in sorted(shown, key=_order)],
    }
    if decision is not None:
        is_news = status != without_weights({name: value for name, value in base.items() if name != "learned"})
        status = weighed(status, decision, about.workload, None if is_news else weights_in(base))
    return status | _learned(decision, status, base)


def _learned(decision: Decision | None, status: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """What was learned, anew when the rest of the status is news or when it moved much, else as it stands."""
    kept = {"learned": base["learned"]} if "learned" in base else {}
    if decision is None or decision.learned is None:
        return kept
    learned = to_learned(decision.learned)
    # Compared as it would be read back: what cannot be written is not missed for ever.
    now = parse_learned(learned)
    is_news = status != {name: value for name, value in base.items() if name != "learned"}
    if is_news or (now is not None and has_moved(parse_learned(base.get("learned")), now)):
        return {"learned": learned}
    return kept


def _order(condition_type: str) -> tuple[int, str]:
    known = condition_type in CONDITION_TYPES
    return (CONDITION_TYPES.index(condition_type) if known else len(CONDITION_TYPES)), condition_type


def _numbers(about: Object, decision: Decision, base: Mapping[str, Any]) -> dict[str, Any]:
    kept = {entry["name"]: entry for entry in base.get("variants", [])}
    variants = [_variant(variant, kept.get(variant.name, {})) for variant in decision.variants]
    totals = {
        field: sum(known)
        for field in ("currentReplicas", "desiredReplicas", "readyReplicas")
        if (known := [entry[field] for entry in variants if field in entry])
    }
    numbers = {**totals, "variants": variants}
    said, last = base.get("lastDecision"), _last_decision(decision, base, totals.get("currentReplicas"))
    if last is not None:
        # A new leader remembers no identity, but reads what was said.
        generation = about.workload.generation if about.workload is not None else about.generation
        same = said is not None and (
            said["id"] == last["id"]
            or _said(base, base.get("observedGeneration")) == _said({**numbers, "lastDecision": last}, generation)
        )
        numbers["lastDecision"] = said if same else last
    return numbers


def _last_decision(decision: Decision, base: Mapping[str, Any], current: int | None) -> dict[str, Any] | None:
    """As it is written. Without any target nothing goes from one number to another: it stays at what was known last."""
    last = to_last_decision(decision)
    last["message"] = last["message"][:MAX_MESSAGE]
    last["steps"] = [step | {"message": step["message"][:MAX_MESSAGE]} for step in last["steps"]]
    if decision.found:
        return last
    known = current if current is not None else (base.get("lastDecision") or {}).get("to")
    return None if known is None else last | {"from": known, "to": known}


def _said(status: Mapping[str, Any], generation: int | None) -> Said:
    """What the last decision of a status says."""
    last = status["lastDecision"]
    return Said(
        generation=generation or 0,
        before=last["from"],
        after=last["to"],
        desired=tuple((entry["name"], entry.get("desiredReplicas")) for entry in status.get("variants", [])),
        reason=last["reason"],
        gist=gist(last["message"]),
    )


def _bounds(workload: Workload | None) -> dict[str, int]:
    return {"minReplicas": workload.min_replicas, "maxReplicas": workload.max_replicas} if workload is not None else {}


def _variant(variant: VariantDecision, kept: Mapping[str, Any]) -> dict[str, Any]:
    if variant.current is None:
        return {name: number for name, number in kept.items() if name != WEIGHT} | {"name": variant.name}
    numbers = {
        "currentReplicas": variant.current,
        "desiredReplicas": variant.desired,
        "readyReplicas": variant.ready,
        "capacitySource": None if variant.capacity is None else variant.capacity.source,
    }
    return {"name": variant.name} | {name: number for name, number in numbers.items() if number is not None}


def _condition(condition: Condition, old: Mapping[str, Any] | None, about: Object, now: float) -> dict[str, Any]:
    message = condition.message[:MAX_MESSAGE]
    same_status = old is not None and old["status"] == condition.status
    same = old is not None and same_status and _says_the_same(old, condition.reason, message, about.generation)
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": str(condition.reason),
        "message": old["message"] if same and old is not None else message,
        "observedGeneration": about.generation,
        "lastTransitionTime": old["lastTransitionTime"] if same_status and old is not None else to_instant(now),
    }


def _says_the_same(old: Mapping[str, Any], reason: str, message: str, generation: int) -> bool:
    if old["reason"] != reason or old.get("observedGeneration") != generation:
        return False
    return old["message"] == message or essence(reason, old["message"]) == essence(reason, message)


class Published(NamedTuple):
    """What came of publishing a status: whether the decision in it is a new one, and what people should hear of."""

    renewed: bool
    news: tuple[Notice, ...]


class _Said:
    """A status that was sent: what stood there before, what was sent, and what the API server made of it."""

    def __init__(self, before: Mapping[str, Any], sent: dict[str, Any]) -> None:
        self.before = before
        self.sent = sent
        self.answer: Mapping[str, Any] | None = None

    def still_stands(self, status: Mapping[str, Any]) -> bool:
        """Whether what is seen is what we said, or not yet: it is on its way, or the watch is."""
        return self.answer is None or status in (self.before, self.answer)


class StatusWriter:
    """Writes each status when it is new, by server-side apply to `/status`."""

    def __init__(self, writer: FencedWriter, outbox: Outbox) -> None:
        self._writer = writer
        self._outbox = outbox
        self._said: dict[str, _Said] = {}

    def publish(self, about: Object, decision: Decision | None, overlay: Sequence[Condition], now: float) -> Published:
        """Have the status written if it is new, and say what is new in it."""
        said = self._said.get(about.uid)
        base = said.sent if said is not None and said.still_stands(about.status) else about.status
        status = build_status(about, decision, overlay, base=base, now=now)
        if status == base:
            return Published(renewed=False, news=())
        saying = self._said[about.uid] = _Said(about.status, status)
        self._outbox.put(("status", about.uid), partial(self._write, about, saying))
        renewed = base.get("lastDecision") != status.get("lastDecision")
        return Published(renewed=renewed, news=tuple(notices(base, status)))

    def keep(self, uids: Iterable[str]) -> None:
        """Forget every object but these."""
        there = set(uids)
        self._said = {uid: said for uid, said in self._said.items() if uid in there}

    async def _write(self, about: Object, saying: _Said) -> None:
        path = f"/apis/{API_VERSION}/namespaces/{about.key.namespace}/modeldeployments/{about.key.name}/status"
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": about.key.name, "namespace": about.key.namespace, "uid": about.uid},
            "status": saying.sent,
        }
        try:
            answer = await self._writer.write("PATCH", path, body, content_type=APPLY_PATCH, force=True)
        except ActuationError:
            self._said.pop(about.uid, None)
            raise
        saying.answer = answer.get("status", {})
