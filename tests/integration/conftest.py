"""What the tests against the real control plane share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from foresail.operator.actuate.kube import KubeClient
from tests.conftest import Cluster


@pytest.fixture
async def kube(cluster: Cluster) -> AsyncIterator[KubeClient]:
    """The administrator's client."""
    async with KubeClient(str(cluster.kubeconfig)) as client:
        yield client


def make_deployment(name: str, *, replicas: int = 1) -> dict[str, Any]:
    """A Deployment of model servers."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "engine", "image": "example.com/engine:1"}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def make_model_deployment(name: str, *, mode: str = "Auto", **spec: Any) -> dict[str, Any]:
    """A ModelDeployment with one variant on a Deployment of its name."""
    variant = {"name": "h100", "scaleTargetRef": {"name": name}, "minReplicas": 1, "maxReplicas": 8}
    return {
        "apiVersion": "foresail.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {"mode": mode, "variants": [variant], **spec},
    }


def deployments(namespace: str) -> str:
    """Path of the Deployments of a namespace."""
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def model_deployments(namespace: str) -> str:
    """Path of the ModelDeployments of a namespace."""
    return f"/apis/foresail.dev/v1alpha1/namespaces/{namespace}/modeldeployments"
