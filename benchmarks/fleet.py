"""A fleet on a real API server: what a cycle of the operator costs, and that it writes nothing when nothing changes.

Real: etcd, API server, controller-manager, scheduler, the operator as a process of its own. Simulated: nodes and pods
(KWOK), and Prometheus (a small HTTP server that answers each of the operator's questions for all pods).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import yaml

from benchmarks import models
from benchmarks.machine import maps_library, usage_of
from foresail.sandbox.binaries import find_binaries
from foresail.sandbox.chart import ROOT
from foresail.sandbox.control_plane import ControlPlane, free_port, start_control_plane
from foresail.sandbox.kubectl import Kubectl
from foresail.sandbox.nodes import node_manifests, start_kwok
from foresail.sandbox.processes import ProcessError, Processes
from tests.fakes.prometheus import FakePrometheus

POLL_SECONDS = 4.0  # a look costs the operator CPU too: often enough to tell cycles apart, and no oftener
HELP_RUNS = 9
# Series of the operator that tell what was decided: they stay the same when nothing changes.
STATE = tuple(f"foresail_{name}" for name in ("decisions_total", "condition{", "current_", "desired_", "ready_"))


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What is measured.

    Args:
        models: ModelDeployments, of two variants each.
        cycles: Measured, after the fleet has come to rest.
        cycle_seconds: The operator's own default.
        stabilization_seconds: Of scale-down, short so that rest is reached soon.
        settle_seconds: How long the fleet is left alone first: windows after a change of leader, first scale-downs.
        rest_cycles: Then so many in a row without a write; later changes are told apart cycle by cycle.
        rest_limit_seconds: Rest has to be reached within.
    """

    models: int = 200
    cycles: int = 40
    cycle_seconds: float = 15.0
    stabilization_seconds: int = 30
    settle_seconds: float = 150.0
    rest_cycles: int = 1
    rest_limit_seconds: float = 600.0


class Look(NamedTuple):
    """Totals at an instant, and everything that a decision can change."""

    cycles: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    writes: int = 0
    asked: int = 0
    state: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CycleCost:
    """One cycle, between two looks at the operator's own metrics.

    `changed`: since the look before, some decision, condition or number of replicas is another one.
    """

    cpu_seconds: float
    wall_seconds: float
    queries: int
    writes: int
    changed: bool


@dataclass(slots=True)
class Watcher:
    """Follows the operator's metrics from cycle to cycle."""

    url: str
    prometheus: FakePrometheus
    costs: list[CycleCost] = field(default_factory=list)
    _before: Look = field(default_factory=Look)

    def look(self) -> bool:
        """Note the cycle that ended since the last look, if one did; two in between count as one of both."""
        now, before = read_metrics(self.url, len(self.prometheus.asked)), self._before
        if now.cycles == before.cycles:
            return False
        cost = CycleCost(
            now.cpu_seconds - before.cpu_seconds,
            now.wall_seconds - before.wall_seconds,
            now.asked - before.asked,
            now.writes - before.writes,
            changed=now.state != before.state,
        )
        self.costs.append(cost)
        self._before = now
        return True

    def follow(self, enough: Callable[[list[CycleCost]], bool], *, seconds: float) -> list[CycleCost]:
        """Follow cycles, asking after each whether there are enough; those followed.

        Raises:
            ProcessError: It took too long.
        """
        first, deadline = len(self.costs), time.monotonic() + seconds
        while not (self.look() and enough(self.costs[first:])):
            if time.monotonic() > deadline:
                raise ProcessError(f"not enough after {seconds:.0f} s: {self.costs[-5:]}")
            time.sleep(POLL_SECONDS)
        return self.costs[first:]


def read_metrics(url: str, asked: int = 0) -> Look:
    """The operator's own series."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    numbers = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}
    return Look(
        int(numbers.get("foresail_cycle_cpu_seconds_count", 0)),
        numbers.get("foresail_cycle_cpu_seconds_sum", 0.0),
        numbers.get("foresail_cycle_duration_seconds_sum", 0.0),
        int(numbers.get("foresail_api_writes_total", 0)),
        asked,
        frozenset(line for line in lines if line.startswith(STATE)),
    )


def measure_fleet(settings: FleetSettings, say: Callable[[str], None]) -> dict[str, Any]:
    """Start everything, wait for rest, measure, end everything."""
    with TemporaryDirectory(prefix="foresail-bench-") as folder, Processes(Path(folder)) as processes:
        say("a control plane, nodes and pods …")
        control_plane = start_control_plane(processes, find_binaries())
        kubectl = Kubectl(control_plane.binaries / "kubectl", control_plane.kubeconfig)
        make_fleet(processes, control_plane, kubectl, settings)
        with FakePrometheus(past=models.day) as prometheus:
            prometheus.pods = pods_of(kubectl)
            say(f"{len(prometheus.pods)} pods are ready; the operator, until it is at rest …")
            pid, url = start_operator(processes, control_plane, prometheus, settings)
            watcher = Watcher(url, prometheus)
            busy = wait_for_rest(watcher, kubectl, settings)
            say(f"at rest after {len(busy)} cycles; measuring {settings.cycles} …")
            versions, cpu, began = resource_versions(kubectl), usage_of(pid).cpu_seconds, time.monotonic()
            seconds = 2 * settings.cycles * settings.cycle_seconds
            quiet = watcher.follow(lambda costs: len(costs) >= settings.cycles, seconds=seconds)
            share = (usage_of(pid).cpu_seconds - cpu) / (time.monotonic() - began)
            written = set(resource_versions(kubectl).items()) - set(versions.items())
            report = {
                "models": settings.models,
                "variants": 2,
                "pods": len(prometheus.pods),
                "cycle_seconds": settings.cycle_seconds,
                "first_cycles": summarize(busy),
                "quiet_cycles": summarize(quiet),
                "writes_where_nothing_changed": sum(cost.writes for cost in undisturbed(quiet)),
                "cycles_where_nothing_changed": len(undisturbed(quiet)),
                "objects_written_meanwhile": len(written),
                "operator_cpu_share_of_one_core": round(share, 3),
                "operator_peak_mebibytes": round(usage_of(pid).peak_mebibytes, 1),
                "torch_mapped": maps_library(pid, "torch"),
                "decisions": decisions(url),
            }
    return report | {"help_seconds": measure_help()}


def make_fleet(processes: Processes, control_plane: ControlPlane, kubectl: Kubectl, settings: FleetSettings) -> None:
    """Create all objects and wait until every replica is ready."""
    kubectl.run("apply", "--server-side", "-f", str(ROOT / "crds"))
    kubectl.run("wait", "--for=condition=Established", "-f", str(ROOT / "crds"), "--timeout=60s")
    kubectl.run("create", "namespace", models.NAMESPACE)
    kubectl.create(node_manifests(models.node_pools(settings.models)))
    start_kwok(processes, control_plane)
    kubectl.create(models.accelerators())
    kubectl.create(models.deployments(settings.models))
    wanted = settings.models * sum(models.REPLICAS.values())
    deadline = time.monotonic() + settings.rest_limit_seconds
    while len(pods_of(kubectl)) < wanted:
        if time.monotonic() > deadline:
            raise ProcessError(f"{len(pods_of(kubectl))} of {wanted} pods are ready")
        time.sleep(2.0)
    kubectl.create(models.model_deployments(settings.models, stabilization_seconds=settings.stabilization_seconds))


def pods_of(kubectl: Kubectl) -> dict[tuple[str, str], Any]:
    """What each ready pod tells."""
    ready = '-o=jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
    rows = kubectl.run("get", "pods", "-n", models.NAMESPACE, ready).splitlines()
    names = [row.split()[0] for row in rows if row.endswith(" True")]
    return {(models.NAMESPACE, name): models.load_of(name) for name in names}


def start_operator(
    processes: Processes, control_plane: ControlPlane, prometheus: FakePrometheus, settings: FleetSettings
) -> tuple[int, str]:
    """Start the operator with its defaults; its pid and address."""
    url = f"http://127.0.0.1:{free_port()}"
    config = processes.folder / "operator.yaml"
    config.write_text(yaml.safe_dump({"cycle_seconds": settings.cycle_seconds}))
    command: list[str | Path] = [sys.executable, "-m", "foresail.cli.main", "operator", "--config", config]
    command += ["--kubeconfig", control_plane.kubeconfig, "--prometheus", prometheus.url]
    pid = processes.start("operator", [*command, "--listen", url.removeprefix("http://")])
    processes.wait_until("operator", lambda: answers(url), seconds=60)
    return pid, url


def answers(url: str) -> bool:
    """Whether the operator serves its metrics."""
    try:
        read_metrics(url)
    except OSError:
        return False
    return True


def wait_for_rest(watcher: Watcher, kubectl: Kubectl, settings: FleetSettings) -> list[CycleCost]:
    """Until nothing was written for some cycles; new replicas tell of themselves like the first."""

    def at_rest(costs: list[CycleCost]) -> bool:
        watcher.prometheus.pods = watcher.prometheus.pods | pods_of(kubectl)
        last = costs[-settings.rest_cycles :]
        settled = len(costs) * settings.cycle_seconds >= settings.settle_seconds
        return settled and not any(cost.writes for cost in last)

    return watcher.follow(at_rest, seconds=settings.rest_limit_seconds)


def resource_versions(kubectl: Kubectl) -> dict[str, str]:
    """Of everything that the operator may write, events included."""
    form = '-o=jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}'
    kinds = "modeldeployments,deployments,events"
    rows = kubectl.run("get", kinds, "-n", models.NAMESPACE, form).splitlines()
    return dict(row.split() for row in rows)


def decisions(url: str) -> dict[str, int]:
    """How many objects rest on which reason."""
    with urllib.request.urlopen(f"{url}/api/v1/decisions", timeout=10) as answer:
        reasons = [entry["lastDecision"]["reason"] for entry in json.load(answer)["decisions"]]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def undisturbed(costs: list[CycleCost]) -> list[CycleCost]:
    """Cycles in which nothing changed, nor in the one before, whose status may be written a moment later."""
    return [now for before, now in pairwise(costs) if not before.changed and not now.changed]


def summarize(costs: list[CycleCost]) -> dict[str, Any]:
    """Medians, and the worst of them; with fewer than a hundred cycles the 99th percentile is nearly the worst."""
    cpu = np.array([cost.cpu_seconds for cost in costs])
    return {
        "cycles": len(costs),
        "cpu_seconds_median": round(float(np.median(cpu)), 3),
        "cpu_seconds_p99": round(float(np.percentile(cpu, 99)), 3),
        "cpu_seconds_most": round(float(cpu.max()), 3),
        "wall_seconds_median": round(statistics.median(cost.wall_seconds for cost in costs), 3),
        "queries_most": max(cost.queries for cost in costs),
        "writes": sum(cost.writes for cost in costs),
        "cycles_with_a_change": sum(cost.changed for cost in costs),
    }


def measure_help() -> dict[str, float]:
    """Wall seconds of `foresail --help`."""
    seconds = []
    for _ in range(HELP_RUNS):
        began = time.perf_counter()
        subprocess.run([Path(sys.executable).with_name("foresail"), "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return {"median": round(statistics.median(seconds), 3), "most": round(max(seconds), 3)}
