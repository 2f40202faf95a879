from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cluster, wait_for
from tests.failures.api import Api
from tests.fakes.prometheus import FakePrometheus, Fault, PodLoad
from tests.integration.conftest import deployments, make_deployment, make_model_deployment, model_deployments
from tests.integration.process import OperatorProcess

pytestmark = pytest.mark.cluster
CYCLE = "1"


@dataclass
class Stage:
    """A namespace with `chat` on two ready replicas that are asked for 20 requests a second, of 5 that one sustains."""

    cluster: Cluster
    namespace: str
    prometheus: FakePrometheus
    folder: Path
    api: Api

    def set_up(self, mode: str, *, rps: float = 20.0, replicas: int = 2) -> None:
        profile = {
            "apiVersion": "foresail.dev/v1alpha1",
            "kind": "AcceleratorProfile",
            "metadata": {"name": self.namespace},
            "spec": {
                "gpuResource": "nvidia.com/gpu",
                "nodeSelector": {"nvidia.com/gpu.product": "none"},
                "usdPerGpuHour": "4",
                "capacity": [{"model": "llama", "gpusPerReplica": 1, "requestsPerSecond": "5"}],
            },
        }
        workload = make_model_deployment("chat", mode=mode)
        workload["spec"]["variants"][0]["accelerator"] = self.namespace
        for body in (make_deployment("chat", replicas=replicas), workload):
            body["metadata"]["namespace"] = self.namespace
        self.cluster.kubectl.apply(profile, make_in(self.namespace, replicas), workload)
        pods = wait_for(lambda: self._ready_pods(replicas), seconds=60, what="ready pods")
        self.prometheus.pods = {(self.namespace, pod): PodLoad(rps=rps / replicas) for pod in pods}

    def operator(self, name: str = "operator") -> OperatorProcess:
        flags = ["--kubeconfig", str(self.cluster.kubeconfig), "--prometheus", self.prometheus.url]
        flags += ["--namespace", self.namespace, "--lease-namespace", self.namespace, "--cycle-seconds", CYCLE]
        return OperatorProcess(self.folder / f"{name}.log", *flags)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.get(f"{model_deployments(self.namespace)}/chat").get("status", {})
        return status

    def condition(self, name: str) -> tuple[str, str]:
        for entry in self.status().get("conditions", []):
            if entry["type"] == name:
                return entry["status"], entry["reason"]
        return "", ""

    def replicas(self) -> int:
        return int(self.deployment()["spec"]["replicas"])

    def deployment(self) -> dict[str, Any]:
        return self.get(f"{deployments(self.namespace)}/chat")

    def events(self) -> list[dict[str, Any]]:
        items = self.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return [item for item in items if item["involvedObject"]["kind"] == "ModelDeployment"]

    def get(self, path: str) -> dict[str, Any]:
        return self.api.ask("GET", path)

    def _ready_pods(self, count: int) -> list[str]:
        pods = self.get(f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        ready = [
            pod["metadata"]["name"]
            for pod in pods
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        ]
        return ready if len(ready) == count else []


def make_in(namespace: str, replicas: int) -> dict[str, Any]:
    body = make_deployment("chat", replicas=replicas)
    body["metadata"]["namespace"] = namespace
    return body


@pytest.fixture
def stage(gpu_nodes: Cluster, namespace: str, tmp_path: Path) -> Iterator[Stage]:
    assert gpu_nodes.control_plane is not None
    with FakePrometheus() as prometheus:
        yield Stage(gpu_nodes, namespace, prometheus, tmp_path, Api(gpu_nodes.control_plane))


def decided_up(stage: Stage) -> Callable[[], bool]:
    return lambda: stage.status().get("desiredReplicas", 0) > 2


def test_in_advisory_the_decision_is_told_and_nothing_but_status_is_written(stage: Stage) -> None:
    stage.set_up("Advisory")
    with stage.operator() as operator:
        wait_for(decided_up(stage), seconds=30, what="a decision to scale up")
        writes = operator.metric("foresail_api_writes_total")
        turns = operator.metric("foresail_cycle_duration_seconds_count") or 0.0
        wait_for(
            lambda: (operator.metric("foresail_cycle_duration_seconds_count") or 0.0) >= turns + 5, what="five cycles"
        )
        assert stage.replicas() == 2
        assert stage.events() == []
        managers = {entry["manager"] for entry in stage.deployment()["metadata"]["managedFields"]}
        assert "foresail" not in managers
        assert (operator.metric("foresail_api_writes_total") or 0.0) - (writes or 0.0) <= 2  # it settles
        assert operator.end() == 0
        assert operator.exit_seconds < 2.0


def test_in_auto_replicas_follow_and_the_same_sentence_is_everywhere(stage: Stage) -> None:
    stage.set_up("Auto")
    with stage.operator() as operator:
        wait_for(lambda: stage.replicas() > 2, seconds=30, what="a patched target")
        labels = {"namespace": stage.namespace, "name": "chat"}

        def of_decisions() -> list[dict[str, Any]]:
            counted = "foresail_decisions_total"
            return [each for each in stage.events() if operator.metric(counted, reason=each["reason"], **labels)]

        event = wait_for(of_decisions, what="an Event of a decision that is counted")[0]
        assert event["type"] == "Normal"
        assert event["message"] in operator.log
        document = operator.decision(stage.namespace, "chat")
        assert document is not None
        assert document["observed"]["demand"]["requests_per_second"] == pytest.approx(20.0, rel=0.2)
        assert document["lastDecision"]["steps"]
        assert operator.metric("foresail_leader") == 1.0
        assert operator.resident_mebibytes() < 200
        explained = subprocess.run(
            [
                *(sys.executable, "-m", "foresail.cli.main", "explain", f"{stage.namespace}/chat", "--format", "json"),
                *("--kubeconfig", str(stage.cluster.kubeconfig)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(explained.stdout)["lastDecision"].keys() == stage.status()["lastDecision"].keys()
        assert operator.end() == 0


def test_nothing_is_written_in_cycles_in_which_nothing_changes(stage: Stage) -> None:
    stage.set_up("Auto", rps=6.0)
    with stage.operator() as operator:

        def cycles() -> float:
            return operator.metric("foresail_cycle_duration_seconds_count") or 0.0

        def writes() -> float:
            return operator.metric("foresail_api_writes_total") or 0.0

        wait_for(lambda: stage.status().get("lastDecision"), what="a decision")
        for _ in range(10):  # forecasts settle within a few cycles
            before, begun = writes(), cycles()
            wait_for(lambda begun=begun: cycles() >= begun + 3, what="three cycles")  # type: ignore[misc]
            if writes() == before:
                break
        else:
            pytest.fail(f"every three cycles wrote something:\n{operator.log}")


def test_a_prometheus_that_goes_down_is_said_and_lowers_nothing(stage: Stage) -> None:
    stage.set_up("Auto", rps=1.0)
    with stage.operator():
        wait_for(lambda: stage.condition("MetricsAvailable")[0] == "True", what="metrics")
        replicas = stage.replicas()
        stage.prometheus.fault = Fault.FAILING
        wait_for(lambda: stage.condition("MetricsAvailable")[0] == "False", what="the condition")
        assert stage.replicas() == replicas
        stage.prometheus.fault = Fault.NONE
        wait_for(lambda: stage.condition("MetricsAvailable")[0] == "True", what="metrics again")
        reasons = {event["reason"] for event in stage.events()}
        assert len(reasons) >= 2


def test_an_object_that_is_deleted_takes_its_series_and_decision_along(stage: Stage) -> None:
    stage.set_up("Auto", rps=6.0)
    with stage.operator() as operator:
        labels = {"namespace": stage.namespace, "name": "chat"}
        wait_for(lambda: operator.metric("foresail_current_replicas", **labels), what="the series")
        stage.cluster.kubectl.run("-n", stage.namespace, "delete", "modeldeployment", "chat")
        wait_for(lambda: operator.metric("foresail_current_replicas", **labels) is None, what="the series' end")
        assert operator.decision(stage.namespace, "chat") is None


def test_a_follower_is_ready_and_takes_over_from_one_that_ended(stage: Stage) -> None:
    stage.set_up("Auto", rps=6.0)
    with stage.operator("first") as first, stage.operator("second") as second:
        wait_for(lambda: first.metric("foresail_leader") == 1.0 or second.metric("foresail_leader") == 1.0)
        leader, follower = (first, second) if first.metric("foresail_leader") == 1.0 else (second, first)
        wait_for(follower.is_ready, what="the follower's readiness")
        assert follower.metric("foresail_leader") == 0.0
        assert leader.end() == 0
        wait_for(lambda: follower.metric("foresail_leader") == 1.0, seconds=5, what="the succession")
