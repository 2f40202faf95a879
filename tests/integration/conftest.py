"""What the tests against the real control plane share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from foresail.operator.actuate.kube import KubeClient
from foresail.sandbox.kubectl import KubectlError
from tests.conftest import Cluster, wait_for

HTTP_ROUTES = Path(__file__).parent / "httproute.yaml"


@pytest.fixture
async def kube(cluster: Cluster) -> AsyncIterator[KubeClient]:
    """The administrator's client."""
    async with KubeClient(str(cluster.kubeconfig)) as client:
        yield client


@pytest.fixture(scope="session")
def gateway(cluster: Cluster) -> Cluster:
    """The cluster with HTTPRoutes."""
    cluster.kubectl.run("apply", "--server-side", "-f", str(HTTP_ROUTES))
    cluster.kubectl.run("wait", "--for=condition=Established", "-f", str(HTTP_ROUTES), "--timeout=60s")

    def served() -> bool:
        try:
            return bool(cluster.kubectl.get("httproutes", "-A"))
        except KubectlError:
            return False

    wait_for(served, what="HTTPRoutes")
    return cluster


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
