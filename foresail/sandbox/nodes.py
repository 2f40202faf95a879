"""Simulated nodes: three pools of GPU nodes that KWOK keeps Ready and whose pods it pretends to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foresail.sandbox.control_plane import ControlPlane, free_port
from foresail.sandbox.processes import Processes

STAGES = Path(__file__).with_name("stages.yaml")
STARTUP_ANNOTATION = "sim.foresail.dev/startup"  # how long a pod takes to become Ready, e.g. "45s"


@dataclass(frozen=True, slots=True)
class NodePool:
    """Equal simulated nodes, with the labels that NVIDIA's GPU feature discovery gives."""

    name: str
    product: str
    memory_mebibytes: int
    nodes: int
    gpus_per_node: int = 8


POOLS = (
    NodePool("h100", "NVIDIA-H100-80GB-HBM3", 81559, nodes=2),
    NodePool("a100", "NVIDIA-A100-SXM4-80GB", 81920, nodes=2),
    NodePool("l40s", "NVIDIA-L40S", 46068, nodes=2),
)


def node_manifests(pools: tuple[NodePool, ...] = POOLS) -> Iterator[dict[str, Any]]:
    """The Node objects of all pools."""
    for pool in pools:
        for number in range(pool.nodes):
            yield node_manifest(pool, f"{pool.name}-{number}")


def node_manifest(pool: NodePool, name: str) -> dict[str, Any]:
    """One Node object; KWOK makes it Ready."""
    resources = {"cpu": "96", "memory": "1Ti", "pods": "110", "nvidia.com/gpu": str(pool.gpus_per_node)}
    labels = {
        "kubernetes.io/hostname": name,
        "nvidia.com/gpu.product": pool.product,
        "nvidia.com/gpu.memory": str(pool.memory_mebibytes),
        "nvidia.com/gpu.count": str(pool.gpus_per_node),
        "type": "kwok",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"capacity": resources, "allocatable": resources},
    }


def start_kwok(processes: Processes, control_plane: ControlPlane) -> None:
    """Start KWOK on all nodes of the control plane."""
    command: list[str | Path] = [
        control_plane.binaries / "kwok",
        f"--kubeconfig={control_plane.kubeconfig}",
        f"--config={STAGES}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",  # as the kubelet; without leases pods turn NotReady after a minute
        f"--server-address=127.0.0.1:{free_port()}",
    ]
    processes.start("kwok", command)
