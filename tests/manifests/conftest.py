"""A typed door to the API server for objects of our kinds, and a cluster of its own for Helm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from foresail.sandbox.control_plane import ControlPlane, start_control_plane
from foresail.sandbox.kubectl import Kubectl
from foresail.sandbox.processes import Processes
from tests.conftest import Cluster
from tests.manifests.helm import Helm


class RefusedError(Exception):
    """The API server refused an object; the message is its own."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """Server-side dry runs: the object as the API server would store it."""

    api: Any

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Have an object checked and completed.

        Raises:
            RefusedError: The schema refuses it.
        """
        checks = {"body": body, "dry_run": "All", "field_validation": "Strict"}
        place = ("foresail.dev", "v1alpha1")
        try:
            if body["kind"] == "ModelDeployment":
                namespace = body["metadata"]["namespace"]
                answer = self.api.create_namespaced_custom_object(*place, namespace, "modeldeployments", **checks)
            else:
                answer = self.api.create_cluster_custom_object(*place, "acceleratorprofiles", **checks)
        except client.ApiException as error:
            raise RefusedError(json.loads(error.body or "{}").get("message")) from error
        result: dict[str, Any] = answer
        return result


@pytest.fixture(scope="session")
def dry_run(cluster: Cluster) -> Iterator[DryRun]:
    """Dry runs on the cluster with our CRDs."""
    with config.new_client_from_config(str(cluster.kubeconfig)) as api:  # type: ignore[no-untyped-call]
        yield DryRun(client.CustomObjectsApi(api))


@dataclass(frozen=True, slots=True)
class Empty:
    """A control plane on which nothing is installed yet."""

    control_plane: ControlPlane
    kubectl: Kubectl


@pytest.fixture(scope="session")
def empty(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Empty]:
    """A second control plane: Helm must meet a cluster without our CRDs, as a new user's is."""
    with Processes(tmp_path_factory.mktemp("empty")) as processes:
        control_plane = start_control_plane(processes, binaries)
        yield Empty(control_plane, Kubectl(binaries / "kubectl", control_plane.kubeconfig))


@pytest.fixture(scope="session")
def rendering(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    return Helm(binaries / "helm", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def helm(empty: Empty, rendering: Helm) -> Helm:
    """Helm on the cluster on which nothing is installed."""
    return replace(rendering, kubeconfig=empty.control_plane.kubeconfig)
