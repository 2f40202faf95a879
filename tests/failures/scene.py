"""Where a failure is played: a namespace, an operator, a Prometheus, and one object per row."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from foresail.sandbox.nodes import STARTUP_ANNOTATION
from foresail.service.document import to_instant
from tests.conftest import wait_for
from tests.failures.api import Api
from tests.failures.gateway import Gateway
from tests.failures.row import Is, Stage
from tests.failures.witness import Witness
from tests.fakes.prometheus import PodLoad
from tests.integration.conftest import deployments, make_deployment, make_model_deployment, model_deployments
from tests.integration.process import OperatorProcess

CYCLE_SECONDS = 1.0
NEVER = "10h"  # a start-up that no row waits for
SETTINGS = {
    "cycle_seconds": CYCLE_SECONDS,
    "prometheus_timeout_seconds": 1.0,
    "prometheus_deadline_seconds": 1.2,
    "prometheus_max_bytes": 2**20,
    "history_hours": 1.0,
}


class Engines(Protocol):
    """Whatever tells the operator what the pods do: `pods` by namespace and name."""

    pods: dict[tuple[str, str], PodLoad]


@dataclass
class Scene:
    """Shared by a group of rows; `name` and `stage` are the row's."""

    api: Api
    namespace: str
    engines: Engines
    operator: OperatorProcess
    witness: Witness
    gateway: Gateway | None = None
    others: list[OperatorProcess] = field(default_factory=list)
    clock: Path | None = None
    name: str = ""
    stage: Stage = field(default_factory=Stage)

    @property
    def target(self) -> str:
        return f"{deployments(self.namespace)}/{self.name}"

    @property
    def object(self) -> str:
        return f"{model_deployments(self.namespace)}/{self.name}"

    @property
    def events(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/events"

    @contextmanager
    def furnished(self, name: str, stage: Stage) -> Iterator[None]:
        """With an object of this name and, as a rule, its target, all of whose pods are ready unless it says so."""
        former = self.name, self.stage
        self.name, self.stage = name, stage
        if stage.has_target:
            self.create_target()
            if stage.startup == NEVER:
                self.start_pods()
            wait_for(self.serve, what="ready pods")
        self.api.ask("POST", model_deployments(self.namespace), self.make_object())
        try:
            yield
        finally:
            for path in (self.object, self.target):
                self.api.remove(path)
            self.name, self.stage = former

    def create_target(self) -> None:
        body = make_deployment(self.name, replicas=self.stage.replicas)
        body["spec"]["template"]["metadata"]["annotations"] = {STARTUP_ANNOTATION: self.stage.startup}
        self.api.ask("POST", deployments(self.namespace), body)

    def make_object(self) -> dict[str, Any]:
        down = {"stabilizationWindowSeconds": self.stage.window_seconds}
        body = make_model_deployment(self.name, behavior={"scaleDown": down})
        bounds = {"minReplicas": self.stage.least, "maxReplicas": self.stage.most, "accelerator": self.namespace}
        body["spec"]["variants"][0].update(bounds)
        return body

    def pods(self) -> list[dict[str, Any]]:
        """The row's pods, without those that are going."""
        found = self.api.ask("GET", f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=app%3D{self.name}")
        return [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]

    def start_pods(self) -> None:
        """Make ready what nobody else does."""

        def running() -> list[dict[str, Any]]:
            pods = [pod for pod in self.pods() if "podIP" in pod["status"]]
            return pods if len(pods) == self.stage.replicas else []

        for pod in wait_for(running, what="running pods"):
            self.set_ready(pod, ready=True)

    def set_ready(self, pod: Mapping[str, Any], *, ready: bool) -> None:
        """Write a pod's readiness, as a kubelet would."""
        others = [entry for entry in pod["status"]["conditions"] if entry["type"] != "Ready"]
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": to_instant(time.time())}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        self.api.ask("PATCH", path, {"status": {"conditions": [*others, condition]}})

    def serve(self) -> bool:
        """Let the ready pods share the demand; whether all are ready."""
        ready = [pod["metadata"]["name"] for pod in self.pods() if is_ready(pod)]
        rps = self.stage.rps / max(len(ready), 1)
        self.engines.pods = {(self.namespace, pod): PodLoad(rps=rps) for pod in ready}
        return len(ready) >= self.stage.replicas

    def overload(self) -> None:
        """Let the ready pods finish five requests a second each, and the rest of the demand queue before them."""
        ready = [pod["metadata"]["name"] for pod in self.pods() if is_ready(pod)]
        growth = self.stage.rps / len(ready) - 5.0
        load = PodLoad(rps=5.0, waiting=50.0, waiting_growth=growth)
        self.engines.pods = {(self.namespace, pod): load for pod in ready}

    def edit(self, **spec: Any) -> None:
        """Change the object's spec."""
        self.api.ask("PATCH", self.object, {"spec": spec})

    def condition(self, name: str) -> Is | None:
        status = (self.api.find(self.object) or {}).get("status", {})
        found = [entry for entry in status.get("conditions", []) if entry["type"] == name]
        return Is(name, found[0]["status"], found[0]["reason"]) if found else None

    def replicas(self) -> int | None:
        found = self.api.find(self.target)
        return None if found is None else int(found["spec"]["replicas"])

    def told(self) -> dict[tuple[str, str], int]:
        """How often each Event about the object was told, by type and reason."""
        counts: dict[tuple[str, str], int] = {}
        for event in self.api.ask("GET", self.events)["items"]:
            if event["involvedObject"]["name"] == self.name:
                key = (event["type"], event["reason"])
                counts[key] = counts.get(key, 0) + event["count"]
        return counts

    def metric(self, name: str, labels: Mapping[str, str], *, own: bool) -> float | None:
        mine = {"namespace": self.namespace, "name": self.name} if own else {}
        return self.operator.metric(f"foresail_{name}", **labels, **mine)


def is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def make_profile(name: str) -> dict[str, Any]:
    """A replica sustains five requests a second."""
    return {
        "apiVersion": "foresail.dev/v1alpha1",
        "kind": "AcceleratorProfile",
        "metadata": {"name": name},
        "spec": {
            "gpuResource": "nvidia.com/gpu",
            "nodeSelector": {"nvidia.com/gpu.product": "none"},
            "usdPerGpuHour": "4",
            "capacity": [{"model": "llama", "gpusPerReplica": 1, "requestsPerSecond": "5"}],
        },
    }


def operator_flags(
    folder: Path, namespace: str, kubeconfig: Path, prometheus: str, **settings: float | str
) -> list[str]:
    """The operator for one namespace, with the settings that make failures quick to see."""
    config = folder / "settings.yaml"
    config.write_text(yaml.safe_dump(SETTINGS | settings))
    flags = ["--config", str(config), "--kubeconfig", str(kubeconfig), "--prometheus", prometheus]
    return [*flags, "--namespace", namespace, "--lease-namespace", namespace]
