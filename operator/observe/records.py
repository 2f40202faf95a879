"""What is kept of the cluster's objects: small frozen records, read once from the watched bodies."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from foresail.domain.accelerator import PodRequest
from foresail.operator.observe.requests import read_amounts, read_request, to_cpu_milli, to_mebibytes
from foresail.operator.observe.selector import Selector, read_selector

OUR_MANAGER = "foresail"


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod. Instants are seconds since the epoch, None when it has not come to that.

    `ready_at` is the first time it was ready, as far as known; `restarts` tells whether that still measures its start.
    `unready_since`: since when it is not ready, as it says itself. `started_at`: when the last of its containers began
    to run. `request` is what it asks its node for.
    `finished` pods (Succeeded, Failed) are no replicas. `deleted_at`: gone, and remembered for the sake of its series.
    """

    uid: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    node: str
    created: float
    scheduled_at: float | None
    ready_at: float | None
    ready: bool
    deleting: bool
    finished: bool
    request: PodRequest
    restarts: int = 0
    unschedulable: str = ""
    deleted_at: float | None = None
    unready_since: float | None = None
    started_at: float | None = None

    @property
    def fell_back(self) -> bool:
        """Whether it was ready once and is not now: a pod that never was has said so since before it ran."""
        if self.ready or self.unready_since is None:
            return False
        return self.ready_at is not None or (self.started_at is not None and self.unready_since > self.started_at)


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node; `schedulable` when it is ready and not cordoned, `allocatable` its extended resources.

    Likewise CPU and memory, None where it tells none.
    """

    name: str
    labels: Mapping[str, str]
    schedulable: bool
    allocatable: Mapping[str, int]
    cpu_milli: int | None = None
    memory_mebibytes: int | None = None


class ForeignWrite(NamedTuple):
    """A change of `spec.replicas` by somebody else, seen as it happened."""

    manager: str
    time: float
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """A scale target. `foreign_write` is the last change by another hand that none of ours has followed.

    `pod` is what each of its pods asks a node for, None where its template was not seen.
    """

    uid: str
    resource_version: str
    replicas: int
    selector: Selector | None
    writers: frozenset[str] = frozenset()
    foreign_write: ForeignWrite | None = None
    pod: PodRequest | None = None


class TargetKey(NamedTuple):
    """Identity of a scale target, across the versions of its group."""

    group: str
    kind: str
    namespace: str
    name: str


class RivalRecord(NamedTuple):
    """Another autoscaler and the target it names; it waits for the one that it `yields_to`, empty when it acts."""

    kind: str
    namespace: str
    name: str
    target: TargetKey
    yields_to: str = ""


def group_of(api_version: str) -> str:
    """Group of an apiVersion, empty for the core group."""
    return api_version.rpartition("/")[0]


def to_instant(text: str | None) -> float | None:
    """Seconds since the epoch of a Kubernetes time."""
    return None if not text else datetime.fromisoformat(text).timestamp()


def read_pod(body: Mapping[str, Any]) -> PodRecord:
    """Keep what is needed of a pod."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    ready = conditions.get("Ready", {}).get("status") == "True"
    scheduled = conditions.get("PodScheduled", {})
    containers = status.get("containerStatuses") or ()
    return PodRecord(
        uid=metadata["uid"],
        namespace=sys.intern(metadata["namespace"]),
        name=metadata["name"],
        labels=_interned(metadata.get("labels")),
        node=sys.intern(spec.get("nodeName") or ""),
        created=to_instant(metadata.get("creationTimestamp")) or 0.0,
        scheduled_at=_since(scheduled) if scheduled.get("status") == "True" else None,
        ready_at=_since(conditions["Ready"]) if ready else None,
        ready=ready,
        deleting=bool(metadata.get("deletionTimestamp")),
        finished=status.get("phase") in ("Succeeded", "Failed"),
        request=read_request(spec),
        restarts=sum(int(container.get("restartCount") or 0) for container in containers),
        unschedulable=scheduled.get("message") or "" if scheduled.get("status") == "False" else "",
        unready_since=_since(conditions["Ready"]) if "Ready" in conditions and not ready else None,
        started_at=_last_start(containers),
    )


def read_node(body: Mapping[str, Any]) -> NodeRecord:
    """Keep what is needed of a node."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    amounts = read_amounts(status.get("allocatable") or {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    return NodeRecord(
        name=metadata["name"],
        labels=_interned(metadata.get("labels")),
        schedulable=ready and not spec.get("unschedulable") and not metadata.get("deletionTimestamp"),
        allocatable={name: int(amount) for name, amount in amounts.items() if "/" in name},
        cpu_milli=to_cpu_milli(amounts),
        memory_mebibytes=to_mebibytes(amounts),
    )


def read_target(
    body: Mapping[str, Any], before: TargetRecord | None, now: float, *, ours: int | None = None
) -> TargetRecord:
    """Keep what is needed of a target, and notice who changed its replicas since it was seen `before`.

    The manager that owns `spec.replicas` afterwards made the change; the API server takes the field from all others.
    What stood there when the target was first seen is nobody's edit. Of zero replicas set through /scale the API server
    notes no manager at all; they are `ours` if that is what we wrote last.
    """
    metadata, spec = body["metadata"], body.get("spec") or {}
    replicas = int(spec.get("replicas", 1))
    writers = dict(_replica_writers(metadata.get("managedFields") or (), now))
    foreign = before.foreign_write if before is not None and before.uid == metadata["uid"] else None
    if before is not None and before.uid == metadata["uid"] and before.replicas != replicas:
        if OUR_MANAGER in writers or (not writers and replicas == ours):
            foreign = None
        else:
            manager, time = max(writers.items(), key=lambda entry: entry[1], default=("unknown", now))
            foreign = ForeignWrite(manager, min(time, now), before.replicas, replicas)
    return TargetRecord(
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        replicas=replicas,
        selector=read_selector(spec.get("selector")),
        writers=frozenset(writers),
        foreign_write=foreign,
        pod=_read_template((spec.get("template") or {}).get("spec")),
    )


def read_rival(body: Mapping[str, Any]) -> RivalRecord | None:
    """Keep whom an autoscaler scales; None when it names no target."""
    metadata, ref = body["metadata"], (body.get("spec") or {}).get("scaleTargetRef") or {}
    if not ref.get("name"):
        return None
    # KEDA's own defaults; every other autoscaler must name both.
    group, kind = group_of(ref.get("apiVersion") or "apps/v1"), ref.get("kind") or "Deployment"
    namespace = metadata["namespace"]
    return RivalRecord(body["kind"], namespace, metadata["name"], TargetKey(group, kind, namespace, ref["name"]))


def _replica_writers(managed_fields: Iterable[Mapping[str, Any]], now: float) -> Iterable[tuple[str, float]]:
    # The API server notes no time for what was written through /scale, as `kubectl scale` does: it was just now.
    for entry in managed_fields:
        if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}):
            yield entry.get("manager") or "unknown", to_instant(entry.get("time")) or now


def _since(condition: Mapping[str, Any]) -> float | None:
    return to_instant(condition.get("lastTransitionTime"))


def _last_start(containers: Iterable[Mapping[str, Any]]) -> float | None:
    running = ((container.get("state") or {}).get("running") or {} for container in containers)
    return max((begun for state in running if (begun := to_instant(state.get("startedAt"))) is not None), default=None)


def _read_template(spec: Mapping[str, Any] | None) -> PodRequest | None:
    return read_request(spec) if spec else None


def _interned(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    return {sys.intern(key): sys.intern(value) for key, value in (labels or {}).items()}
