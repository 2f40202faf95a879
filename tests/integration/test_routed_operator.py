"""The operator on a model of two variants and a route: weights arrive, and nothing about a route stops the scaling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cluster, wait_for
from tests.failures.api import Api
from tests.fakes.prometheus import FakePrometheus, PodLoad
from tests.integration.conftest import deployments, make_deployment, model_deployments
from tests.integration.process import OperatorProcess
from tests.integration.routes import make_route
from tests.unit.operator.actuate.routes import weights_of

pytestmark = pytest.mark.cluster

RPS = {"h100": 6, "l40s": 3}  # of one replica; two are ready of each, so two thirds and one third


@dataclass
class Stage:
    """A namespace with a model on two GPUs, two ready replicas on each, and a route."""

    cluster: Cluster
    namespace: str
    prometheus: FakePrometheus
    folder: Path
    api: Api

    def set_up(self, mode: str) -> None:
        kubectl, here = self.cluster.kubectl, {"namespace": self.namespace}
        bodies = *(make_deployment(f"chat-{name}", replicas=2) for name in RPS), make_route(), self._model(mode)
        for body in bodies:
            body["metadata"] |= here
        kubectl.apply(*(self._profile(name, rps) for name, rps in RPS.items()), *bodies)
        wait_for(lambda: len(self._pods()) == 4, seconds=60, what="ready pods")
        self.demand(8.0)

    def demand(self, rps: float) -> None:
        pods = self._pods()
        self.prometheus.pods = {(self.namespace, pod): PodLoad(rps=rps / len(pods)) for pod in pods}

    def operator(self) -> OperatorProcess:
        flags = ["--kubeconfig", str(self.cluster.kubeconfig), "--prometheus", self.prometheus.url]
        flags += ["--namespace", self.namespace, "--lease-namespace", self.namespace, "--cycle-seconds", "1"]
        return OperatorProcess(self.folder / "operator.log", *flags)

    def weights(self) -> list[list[int | None]]:
        return weights_of(self.route())

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.get(f"{model_deployments(self.namespace)}/chat").get("status", {})
        return status

    def routing(self) -> tuple[str, str]:
        entries = [entry for entry in self.status().get("conditions", []) if entry["type"] == "RoutingReady"]
        return (entries[0]["status"], entries[0]["reason"]) if entries else ("", "")

    def replicas(self) -> int:
        return sum(int(self.get(f"{deployments(self.namespace)}/chat-{name}")["spec"]["replicas"]) for name in RPS)

    def route(self) -> dict[str, Any]:
        return self.get(f"/apis/gateway.networking.k8s.io/v1/namespaces/{self.namespace}/httproutes/chat")

    def get(self, path: str) -> dict[str, Any]:
        return self.api.ask("GET", path)

    def _pods(self) -> list[str]:
        return [
            pod["metadata"]["name"]
            for pod in self.get(f"/api/v1/namespaces/{self.namespace}/pods")["items"]
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        ]

    def _profile(self, name: str, rps: int) -> dict[str, Any]:
        spec = {
            "nodeSelector": {"nvidia.com/gpu.product": "none"},
            "usdPerGpuHour": str(rps),
            "capacity": [{"model": "llama", "gpusPerReplica": 1, "requestsPerSecond": str(rps)}],
        }
        metadata = {"name": f"{self.namespace}-{name}"}
        return {"apiVersion": "foresail.dev/v1alpha1", "kind": "AcceleratorProfile", "metadata": metadata, "spec": spec}

    def _model(self, mode: str) -> dict[str, Any]:
        variants = [
            {
                "name": name,
                "scaleTargetRef": {"name": f"chat-{name}"},
                "accelerator": f"{self.namespace}-{name}",
                "service": f"chat-{name}",
                "maxReplicas": 8,
            }
            for name in RPS
        ]
        routing = {"mode": "Write", "httpRoute": {"name": "chat"}}
        return {
            "apiVersion": "foresail.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "chat"},
            "spec": {"mode": mode, "variants": variants, "routing": routing},
        }


@pytest.fixture
def stage(gpu_nodes: Cluster, gateway: Cluster, namespace: str, tmp_path: Path) -> Iterator[Stage]:
    assert gpu_nodes.control_plane is not None
    with FakePrometheus() as prometheus:
        yield Stage(gpu_nodes, namespace, prometheus, tmp_path, Api(gpu_nodes.control_plane))


def test_in_auto_weights_arrive_and_without_the_route_scaling_goes_on(stage: Stage) -> None:
    stage.set_up("Auto")
    with stage.operator() as operator:
        wait_for(lambda: stage.routing() == ("True", "WeightsWritten"), seconds=30, what="the condition")
        ours, beside, theirs = stage.weights()
        assert ours[0] == pytest.approx(67, abs=5)
        assert sum(weight or 0 for weight in ours) == 100
        assert beside[0] == pytest.approx(133, abs=10)
        assert sum(weight or 0 for weight in beside) == 250
        assert (beside[1], theirs) == (50, [7])
        shown = {entry["name"]: entry["weightPercent"] for entry in stage.status()["variants"]}
        assert shown["h100"] == pytest.approx(ours[0], abs=2)
        labels = {"namespace": stage.namespace, "name": "chat", "variant": "h100"}
        assert operator.metric("foresail_routing_weight", **labels) == pytest.approx(shown["h100"] / 100, abs=0.03)

        stage.cluster.kubectl.run("-n", stage.namespace, "delete", "httproute", "chat")
        wait_for(lambda: stage.routing() == ("False", "RouteNotFound"), what="the condition")
        before = stage.replicas()
        stage.demand(40.0)
        wait_for(lambda: stage.replicas() > before, what="more replicas")
        assert operator.end() == 0


def test_in_advisory_weights_are_told_and_the_route_is_left_alone(stage: Stage) -> None:
    stage.set_up("Advisory")
    before = stage.route()
    with stage.operator() as operator:
        wait_for(lambda: stage.routing() == ("True", "WeightsShown"), seconds=30, what="the condition")
        turns = operator.metric("foresail_cycle_duration_seconds_count") or 0.0
        wait_for(
            lambda: (operator.metric("foresail_cycle_duration_seconds_count") or 0.0) >= turns + 3, what="three cycles"
        )
        assert sum(entry["weightPercent"] for entry in stage.status()["variants"]) == 100
        assert stage.route() == before
