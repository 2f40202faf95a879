"""The control plane that everything else is tested on."""

from __future__ import annotations

import pytest

from foresail.sandbox.kubectl import KubectlError
from tests.conftest import Cluster, wait_for


@pytest.mark.cluster
def test_objects_of_both_kinds_can_be_listed(cluster: Cluster) -> None:
    def listed() -> bool:
        try:
            cluster.kubectl.get("foresail,md,acceleratorprofiles", "-A")
        except KubectlError:  # discovery of a new category takes a moment
            return False
        return True

    wait_for(listed, what="the category and the short name")


@pytest.mark.cluster
def test_the_fifth_pod_of_two_gpus_stays_pending_on_a_node_of_eight(gpu_nodes: Cluster, namespace: str) -> None:
    container = {"name": "engine", "image": "engine", "resources": {"limits": {"nvidia.com/gpu": "2"}}}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"engine-{number}", "namespace": namespace},
            "spec": {"nodeSelector": {"kubernetes.io/hostname": "l40s-0"}, "containers": [container]},
        }
        for number in range(5)
    ]
    gpu_nodes.kubectl.create(pods)

    def nodes() -> list[str | None]:
        return [pod["spec"].get("nodeName") for pod in gpu_nodes.kubectl.get("pods", "-n", namespace)["items"]]

    wait_for(lambda: nodes().count("l40s-0") == 4, what="four pods bound")
    assert nodes().count(None) == 1
