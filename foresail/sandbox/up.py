"""`make up`: everything that a cluster with Foresail has, on this machine, until it is ended.

Real: etcd, API server with RBAC and TLS, controller-manager, scheduler, Prometheus, Helm, the operator with the chart's
rights. Simulated: nodes and pods (KWOK) and the engines in them.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from foresail.sandbox.binaries import cache_folder, find_binaries
from foresail.sandbox.chart import NAMESPACE as OPERATOR_NAMESPACE
from foresail.sandbox.chart import ROOT, install_chart, operator_login
from foresail.sandbox.control_plane import ControlPlane, free_port, start_control_plane
from foresail.sandbox.kubectl import Kubectl
from foresail.sandbox.nodes import node_manifests, start_kwok
from foresail.sandbox.past import MODEL, NAMESPACE, WORKLOAD, Past, make_past
from foresail.sandbox.processes import Processes, is_at_work, refuse_second_run, stop_recorded
from foresail.sandbox.progress import Progress
from foresail.sandbox.prometheus import configuration, start_prometheus
from foresail.sandbox.screen import Scope, show
from foresail.sandbox.summary import print_summary
from foresail.sandbox.view import fetch, read_views

MINUTES_WITHOUT_TERMINAL = 10.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What is played: a trace, how fast, on which objects, and how often is looked and decided.

    `startup_seconds` is what the example's pods are annotated with; the shadow fleets' replicas take as long.
    """

    speed: float = 20.0
    trace: Path = ROOT / "examples" / "data" / "servegen-chat.csv"
    example: Path = ROOT / "examples" / "01-one-model"
    startup_seconds: float = 45.0
    scrape_seconds: float = 5.0
    cycle_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Where everything is."""

    control_plane: ControlPlane
    prometheus_url: str
    simulator_url: str
    operator_url: str


def run_folder(name: str = "sandbox") -> Path:
    """Where this checkout's processes run; outside the checkout, one per checkout and purpose."""
    digest = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    return cache_folder() / "run" / f"{name}-{digest}"


def remove_left_data(runs: Path) -> None:
    """Remove what fills the disk in the folders of runs that are over, of whatever checkout; logs stay."""
    for folder in runs.iterdir() if runs.is_dir() else ():
        if not is_at_work(folder):
            for data in ("etcd", "prometheus"):
                shutil.rmtree(folder / data, ignore_errors=True)


def start_simulator(processes: Processes, control_plane: ControlPlane, scene: Scene) -> str:
    """Start the simulated engines and the shadow fleets; their address."""
    url = f"http://127.0.0.1:{free_port()}"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "foresail.simulator.server",
        "--trace",
        scene.trace,
        "--model",
        MODEL,
    ]
    command += ["--kubeconfig", control_plane.kubeconfig, "--namespace", NAMESPACE, "--selector", f"app={WORKLOAD}"]
    command += ["--speed", f"{scene.speed:g}", "--startup-seconds", f"{scene.startup_seconds:g}"]
    command += ["--listen", url.removeprefix("http://")]
    processes.start("simulator", command)
    processes.wait_until("simulator", lambda: fetch(f"{url}/state") is not None, seconds=30)
    return url


def start_operator(processes: Processes, *flags: str | Path) -> str:
    """Start the operator as a process of its own, on a free port; its address once it answers."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "foresail.cli.main", "operator", "--listen", url.removeprefix("http://")]
    processes.start("operator", [*command, *flags])
    processes.wait_until("operator", lambda: fetch(f"{url}/api/v1/decisions") is not None, seconds=60)
    return url


def write_settings(path: Path, scene: Scene, past: Past) -> Path:
    """Write the operator's settings that the scene decides."""
    known = {
        "scrape_interval_seconds": scene.scrape_seconds,
        "cycle_seconds": scene.cycle_seconds,
        "history_hours": round(past.hours, 3),
        "history_step_seconds": past.step_seconds,
        "lease_namespace": OPERATOR_NAMESPACE,
    }
    path.write_text(yaml.safe_dump(known))
    return path


def start(processes: Processes, progress: Progress, scene: Scene) -> Sandbox:
    """Start everything, in the order in which it is needed."""
    folder, binaries = processes.folder, find_binaries()
    with progress.step("control plane: etcd, kube-apiserver (RBAC, TLS), controller-manager, scheduler"):
        control_plane = start_control_plane(processes, binaries)
        kubectl = Kubectl(binaries / "kubectl", control_plane.kubeconfig)
    with progress.step("three pools of simulated GPU nodes (KWOK): H100, A100, L40S"):
        start_kwok(processes, control_plane)
        kubectl.apply(*node_manifests())
    with progress.step("Prometheus' past: two weeks of a public trace (ServeGen), backfilled by promtool"):
        past = make_past(scene.trace, binaries, folder / "prometheus", speed=scene.speed)
    with progress.step("simulated vLLM engines, and Prometheus that scrapes them"):
        simulator = start_simulator(processes, control_plane, scene)
        settings = configuration(service_discovery_url=f"{simulator}/sd", scrape_seconds=scene.scrape_seconds)
        prometheus = start_prometheus(processes, binaries, settings=settings, data=folder / "prometheus")
    with progress.step("CRDs and chart, by helm install"):
        install_chart(control_plane, prometheus_url=prometheus)
        login = operator_login(control_plane, kubectl, folder / "operator-kubeconfig")
    with progress.step("the operator, with a token of the chart's ServiceAccount"):
        settings_file = write_settings(folder / "operator.yaml", scene, past)
        operator = start_operator(
            processes, "--kubeconfig", login, "--prometheus", prometheus, "--config", settings_file
        )
    with progress.step(f"kubectl apply -f {scene.example.parent.name}/{scene.example.name}/"):
        kubectl.run("apply", "-f", str(scene.example))
    return Sandbox(control_plane, prometheus, simulator, operator)


def headline(sandbox: Sandbox, *, speed: float) -> str:
    """Where the trace stands."""
    state = fetch(f"{sandbox.simulator_url}/state") or {}
    if not state.get("started_at"):
        return f"trace time runs {speed:g} times faster; it starts with the first simulated pod that is ready"
    day, seconds = divmod(int(state["trace_seconds"]), 86_400)
    clock = f"day {day + 1}, {seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
    if state["trace_seconds"] >= state["trace_end_seconds"]:
        clock = "is over, its last demand goes on"
    return f"trace {clock} at {speed:g} times real time; nodes, pods and engines are simulated, everything else is real"


def up(*, speed: float, minutes: float | None) -> int:
    """Start the sandbox, show it, and end with a summary; 0 when it was ended as meant."""
    folder = run_folder()
    refuse_second_run(folder)
    for name in stop_recorded(folder):
        print(f"ended {name}, left by an earlier run")
    shutil.rmtree(folder, ignore_errors=True)
    remove_left_data(folder.parent)
    try:
        with Processes(folder) as processes:
            sandbox = start(processes, Progress(), Scene(speed=speed))
            watch(processes, sandbox, speed=speed, minutes=minutes)
    finally:
        remove_left_data(folder.parent)
        print(f"ended, nothing is left running; logs are in {folder} until the next run")
    return 0


def length_of_run(minutes: float | None) -> float | None:
    """How long is shown what happens: as asked, else until it is interrupted, but not without a terminal."""
    if minutes is None and not sys.stdout.isatty():
        minutes = MINUTES_WITHOUT_TERMINAL
    if minutes is not None:
        print(f"it ends by itself after {minutes:g} minutes")
    return minutes


def watch(processes: Processes, sandbox: Sandbox, *, speed: float, minutes: float | None) -> None:
    """Show what happens until the time is over or somebody interrupts, then the summary."""
    minutes = length_of_run(minutes)
    addresses = {
        "kubeconfig": str(sandbox.control_plane.kubeconfig),
        "Prometheus": f"{sandbox.prometheus_url}/api/v1/query?query=up",  # it is built without its pages
        "Foresail": f"{sandbox.operator_url}/api/v1/decisions",
        "simulator": f"{sandbox.simulator_url}/summary",
        "kubectl": str(sandbox.control_plane.binaries / "kubectl"),
    }
    scope = Scope(
        lambda: read_views(sandbox.operator_url),
        lambda: headline(sandbox, speed=speed),
        addresses,
        check=processes.check,
    )
    try:
        show(scope, seconds=None if minutes is None else minutes * 60.0)
    except KeyboardInterrupt:
        print()
    finally:
        print_summary(fetch(f"{sandbox.simulator_url}/summary"))
