"""Engines of other names and targets of other kinds: from a real scrape of simulated servers to patched replicas."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from foresail.sandbox.control_plane import free_port
from foresail.sandbox.kubectl import KubectlError
from foresail.sandbox.processes import Processes
from foresail.sandbox.prometheus import configuration, start_prometheus
from foresail.sandbox.view import fetch
from tests.conftest import Cluster, wait_for
from tests.integration.process import OperatorProcess

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

POD: dict[str, Any] = {
    "metadata": {"labels": {"app": "chat"}, "annotations": {"sim.foresail.dev/startup": "1s"}},
    "spec": {"containers": [{"name": "engine", "image": "engine"}]},
}
STATEFUL_SET: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "chat"},
    "spec": {
        "replicas": 1,
        "serviceName": "chat",
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": {"app": "chat"}},
        "template": POD,
    },
}
SCALABLE_KIND: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "modelservers.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "ModelServer", "plural": "modelservers"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.engines",
                        "statusReplicasPath": ".status.engines",
                        "labelSelectorPath": ".status.selector",
                    },
                },
            }
        ],
    },
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Simulated servers for the pods of a namespace, and a Prometheus that scrapes them."""

    simulator_url: str
    prometheus_url: str


@contextmanager
def scene(cluster: Cluster, namespace: str, folder: Path, *, rps: float, dialect: str) -> Iterator[Scene]:
    """Constant demand on whatever pods are there."""
    trace = folder / "constant.csv"
    rows = [f"{t},{rps},700,230" for t in range(0, 7200, 60)]
    trace.write_text("\n".join(["time_s,requests_per_second,mean_input_tokens,mean_output_tokens", *rows]) + "\n")
    simulator = f"http://127.0.0.1:{free_port()}"
    command: list[str | Path] = [sys.executable, "-m", "foresail.simulator.server", "--kubeconfig", cluster.kubeconfig]
    command += ["--namespace", namespace, "--selector", "app=chat", "--trace", trace, "--play-from", "600"]
    command += ["--speed", "1", "--dialect", dialect, "--listen", simulator.removeprefix("http://")]
    with Processes(folder / "run") as processes:
        processes.start("simulator", command)
        processes.wait_until("simulator", lambda: fetch(f"{simulator}/state") is not None, seconds=30)
        settings = configuration(service_discovery_url=f"{simulator}/sd", scrape_seconds=1.0)
        data = folder / "prometheus"
        yield Scene(simulator, start_prometheus(processes, cluster.binaries, settings=settings, data=data))


def model(namespace: str, api_version: str, kind: str) -> dict[str, Any]:
    """A ModelDeployment that names no accelerator: what a replica sustains must be learned."""
    target = {"apiVersion": api_version, "kind": kind, "name": "chat"}
    return {
        "apiVersion": "foresail.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {
            "mode": "Auto",
            "slo": {"ttftMilliseconds": 2000, "tpotMilliseconds": 50, "attainmentPercent": 97},
            "variants": [{"name": "any", "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 8}],
        },
    }


@contextmanager
def operator(cluster: Cluster, namespace: str, stage: Scene, folder: Path) -> Iterator[OperatorProcess]:
    """The operator on one namespace, looking every second."""
    settings = folder / "settings.yaml"
    settings.write_text("history_hours: 1\n")
    flags = ["--kubeconfig", str(cluster.kubeconfig), "--prometheus", stage.prometheus_url, "--namespace", namespace]
    flags += ["--lease-namespace", namespace, "--cycle-seconds", "2", "--config", str(settings)]
    with OperatorProcess(folder / "operator.log", *flags) as process:
        yield process


@pytest.mark.parametrize("dialect", ["vllm-old", "sglang"])
def test_a_stateful_set_without_a_profile_grows_to_what_is_asked(
    gpu_nodes: Cluster, namespace: str, tmp_path: Path, dialect: str
) -> None:
    """20 rps of 700/230 tokens; a simulated replica sustains about 5.8, which nobody told the operator."""
    metadata = {"name": "chat", "namespace": namespace}
    gpu_nodes.kubectl.apply({**STATEFUL_SET, "metadata": metadata})
    with (
        scene(gpu_nodes, namespace, tmp_path, rps=20.0, dialect=dialect) as stage,
        operator(gpu_nodes, namespace, stage, tmp_path) as process,
    ):
        gpu_nodes.kubectl.apply(model(namespace, "apps/v1", "StatefulSet"))

        def replicas() -> int:
            return int(gpu_nodes.kubectl.get("statefulset", "chat", "-n", namespace)["spec"]["replicas"])

        wait_for(lambda: replicas() >= 4, seconds=150, what=f"four replicas ({process.decision(namespace, 'chat')})")


def test_any_kind_with_a_scale_subresource_is_scaled(gpu_nodes: Cluster, namespace: str, tmp_path: Path) -> None:
    """The kind keeps its replicas in a field of its own; its pods are ours to make here."""
    kubectl = gpu_nodes.kubectl
    kubectl.apply(SCALABLE_KIND)
    kubectl.run("wait", "--for=condition=Established", "crd/modelservers.example.com", "--timeout=60s")
    server = {
        "apiVersion": "example.com/v1",
        "kind": "ModelServer",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {"engines": 1},
        "status": {"engines": 1, "selector": "app=chat"},
    }

    def created() -> bool:
        try:
            kubectl.create([server])
        except KubectlError:
            return False
        return True

    wait_for(created, what="the new kind")
    patch = '{"status": {"engines": 1, "selector": "app=chat"}}'
    kubectl.run("patch", "modelserver", "chat", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
    pod = {"apiVersion": "v1", "kind": "Pod", **POD}
    kubectl.apply({**pod, "metadata": {**POD["metadata"], "name": "chat-0", "namespace": namespace}})
    with (
        scene(gpu_nodes, namespace, tmp_path, rps=12.0, dialect="vllm") as stage,
        operator(gpu_nodes, namespace, stage, tmp_path) as process,
    ):
        kubectl.apply(model(namespace, "example.com/v1", "ModelServer"))

        def engines() -> int:
            return int(kubectl.get("modelserver", "chat", "-n", namespace)["spec"]["engines"])

        wait_for(lambda: engines() >= 2, seconds=150, what=f"two engines ({process.decision(namespace, 'chat')})")
