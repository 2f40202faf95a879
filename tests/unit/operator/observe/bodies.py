"""Bodies of cluster objects as the watches bring them; valid by default, override what matters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from foresail.domain.workload import Workload
from foresail.operator.manifest import to_accelerator_manifest, to_manifest
from tests.builders import NOW, make_accelerator, make_workload


def to_time(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_pod_body(
    name: str,
    *,
    app: str = "chat-h100",
    namespace: str = "prod",
    uid: str | None = None,
    created: float = NOW - 3600,
    ready_after: float | None = 120.0,
    node: str = "node-1",
    gpus: int = 1,
    **metadata: Any,
) -> dict[str, Any]:
    """A pod that became ready `ready_after` seconds after its creation (None: it is not ready)."""
    ready = ready_after is not None
    conditions = [
        {
            "type": "PodScheduled",
            "status": "True" if node else "False",
            "lastTransitionTime": to_time(created + 1),
            **({} if node else {"message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}),
        },
        {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": to_time(created + (ready_after or 0.0)),
        },
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{namespace}-{name}",
            "resourceVersion": "1",
            "labels": {"app": app, "pod-template-hash": "abc"},
            "creationTimestamp": to_time(created),
            **metadata,
        },
        "spec": {
            "nodeName": node or None,
            "containers": [{"name": "engine", "resources": {"limits": {"nvidia.com/gpu": str(gpus), "cpu": "4"}}}],
        },
        "status": {"phase": "Running" if node else "Pending", "conditions": conditions},
    }


def make_deployment_body(
    name: str = "chat-h100",
    *,
    namespace: str = "prod",
    replicas: int = 2,
    writer: str = "kubectl",
    version: str = "7",
    **metadata: Any,
) -> dict[str, Any]:
    """A Deployment of which `writer` owns the replicas."""
    owned = {"fieldsV1": {"f:spec": {"f:replicas": {}}}, "manager": writer, "time": to_time(NOW - 10)}
    template = {"fieldsV1": {"f:spec": {"f:template": {}}}, "manager": "kubectl", "time": to_time(NOW - 5)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "resourceVersion": version,
            "managedFields": [owned, template],
            **metadata,
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}},
    }


def make_node_body(name: str = "node-1", *, gpus: int = 8, ready: bool = True, **spec: Any) -> dict[str, Any]:
    """A node with H100s."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": name, "resourceVersion": "1", "labels": {"nvidia.com/gpu.product": "h100"}},
        "spec": spec,
        "status": {
            "allocatable": {"nvidia.com/gpu": str(gpus), "cpu": "64", "memory": "512Gi"},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def make_rival_body(
    kind: str = "HorizontalPodAutoscaler", /, *, target: str = "chat-h100", **ref: Any
) -> dict[str, Any]:
    """Another autoscaler of a Deployment."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target} | ref
    return {
        "apiVersion": "autoscaling/v2",
        "kind": kind,
        "metadata": {"name": "theirs", "namespace": "prod", "uid": "uid-theirs", "resourceVersion": "1"},
        "spec": {"scaleTargetRef": {key: value for key, value in reference.items() if value is not None}},
    }


def make_workload_body(workload: Workload | None = None, **metadata: Any) -> dict[str, Any]:
    """A ModelDeployment."""
    body = to_manifest(workload or make_workload())
    body["metadata"] |= {"resourceVersion": "1"} | metadata
    return body


def make_accelerator_body(name: str = "h100") -> dict[str, Any]:
    """An AcceleratorProfile."""
    body: dict[str, Any] = to_accelerator_manifest(make_accelerator(name))
    body["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": "1"}
    return body


def changed(body: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """The same object with other fields in its spec."""
    return {**body, "spec": {**body["spec"], **spec}}
