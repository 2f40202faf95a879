"""`make up`, as it is run without a terminal, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from foresail.sandbox.__main__ import parse_arguments
from foresail.sandbox.control_plane import ControlPlane
from foresail.sandbox.kubectl import Kubectl, KubectlError
from foresail.sandbox.nodes import POOLS, STARTUP_ANNOTATION, node_manifests
from foresail.sandbox.past import NAMESPACE, WORKLOAD
from foresail.sandbox.processes import Processes, stop_recorded
from foresail.sandbox.prometheus import configuration
from foresail.sandbox.up import Sandbox, Scene, headline, length_of_run, remove_left_data
from foresail.sandbox.view import fetch
from tests.conftest import ROOT, wait_for

FIRST_DECISION_SECONDS = 90.0


@dataclass(frozen=True)
class Run:
    """What was seen of a run of the command, which was ended at its first decision; nothing was killed by us."""

    printed: str
    exit_status: int
    nodes: list[dict[str, Any]]
    rights: dict[str, str]
    releases: list[dict[str, Any]]
    past: dict[str, Any] | None
    up: dict[str, Any] | None
    second: str
    running: list[str]
    left: list[str]
    folder: Path


def processes_in(folder: Path) -> list[str]:
    """Command lines that name a folder."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return [line for line in lines if str(folder) in line]


def may(kubectl: Kubectl, *action: str) -> str:
    """Whether the user of a kubeconfig may do something anywhere, in kubectl's words."""
    try:
        return kubectl.run("auth", "can-i", *action, "-A").strip()
    except KubectlError as error:
        return str(error)


def releases(helm: Path, kubeconfig: Path) -> list[dict[str, Any]]:
    """What Helm has installed."""
    command: list[str | Path] = [helm, "list", "-A", "-o", "json", "--kubeconfig", kubeconfig]
    found: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def past_of(prometheus: str) -> dict[str, Any] | None:
    """What Prometheus remembers of two weeks ago in the trace: at speed 20 that are 16 hours."""
    query = "count(present_over_time(vllm:request_success_total[20m]))"
    return fetch(f"{prometheus}/api/v1/query?{urlencode({'query': query, 'time': time.time() - 15.5 * 3600})}")


@contextmanager
def command(cache: Path, binaries: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command without a terminal; what it prints goes to a file in its cache folder."""
    environment = {**os.environ, "FORESAIL_CACHE": str(cache), "FORESAIL_TOOLS": str(binaries)}
    with (cache / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "foresail.sandbox", "up", "--minutes", "9"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for folder in (cache / "run").iterdir():
            stop_recorded(folder)


def another(cache: Path, binaries: Path) -> str:
    """What the same command says beside one that runs."""
    environment = {**os.environ, "FORESAIL_CACHE": str(cache), "FORESAIL_TOOLS": str(binaries)}
    done = subprocess.run(
        [sys.executable, "-m", "foresail.sandbox", "up"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return f"{done.returncode}: {done.stderr}"


@pytest.fixture(scope="module")
def run(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    cache = tmp_path_factory.mktemp("up")

    def printed() -> str:
        return (cache / "output").read_text()

    with command(cache, binaries) as process:
        wait_for(
            lambda: "current/ready/desired" in printed() or process.poll() is not None,
            seconds=FIRST_DECISION_SECONDS,
            what="the first decision",
        )
        assert process.poll() is None, printed()
        [folder] = (cache / "run").iterdir()
        addresses = dict(line.strip().split(": ", 1) for line in printed().splitlines() if line.startswith("  "))
        operator = Kubectl(binaries / "kubectl", folder / "operator-kubeconfig")
        nodes = Kubectl(binaries / "kubectl", Path(addresses["kubeconfig"])).get("nodes")["items"]
        rights = {
            "patch status": may(operator, "patch", "modeldeployments.foresail.dev", "--subresource=status"),
            "read secrets": may(operator, "get", "secrets"),
        }
        installed = releases(binaries / "helm", folder / "kubeconfig")
        past, running = past_of(addresses["Prometheus"].partition("/api/")[0]), processes_in(folder)
        up = fetch(addresses["Prometheus"])
        second = another(cache, binaries)
        for _ in "ab":  # somebody is impatient
            process.send_signal(signal.SIGINT)
        status = process.wait(timeout=30)
        return Run(printed(), status, nodes, rights, installed, past, up, second, running, processes_in(folder), folder)


@pytest.mark.cluster
def test_three_pools_of_simulated_gpus_are_ready(run: Run) -> None:
    products = [node["metadata"]["labels"]["nvidia.com/gpu.product"] for node in run.nodes]
    assert sorted(products) == sorted(pool.product for pool in POOLS for _ in range(pool.nodes))
    assert {node["status"]["allocatable"]["nvidia.com/gpu"] for node in run.nodes} == {"8"}


@pytest.mark.cluster
def test_the_operator_has_the_rights_of_the_chart_and_no_more(run: Run) -> None:
    assert [(release["name"], release["status"]) for release in run.releases] == [("foresail", "deployed")]
    assert run.rights == {"patch status": "yes", "read secrets": "no"}


@pytest.mark.cluster
def test_prometheus_remembers_two_weeks_of_the_trace(run: Run) -> None:
    assert run.past is not None
    assert run.past["data"]["result"]


@pytest.mark.cluster
def test_the_address_of_prometheus_that_is_printed_answers(run: Run) -> None:
    assert run.up is not None
    assert run.up["status"] == "success"


@pytest.mark.cluster
def test_a_second_run_is_refused_and_the_first_goes_on(run: Run) -> None:
    assert run.second.startswith("1: make up runs from this checkout already")
    assert run.exit_status == 0


@pytest.mark.cluster
def test_every_step_is_said_with_its_time(run: Run) -> None:
    steps = [line for line in run.printed.splitlines() if line.startswith("[")]
    assert len(steps) >= 7
    assert any("simulated GPU nodes" in step for step in steps)
    assert any("simulated vLLM engines" in step for step in steps)


@pytest.mark.cluster
def test_an_interrupt_ends_it_as_meant_and_leaves_nothing_running(run: Run) -> None:
    assert run.exit_status == 0, run.printed
    assert len(run.running) >= 8
    assert run.left == []
    assert "no summary: nothing was played yet" in run.printed  # the first simulated pod takes 45 s
    assert "nothing is left running" in run.printed
    assert not (run.folder / "pids.json").exists()
    assert not (run.folder / "etcd").exists()


def test_data_of_runs_that_are_over_goes_and_logs_stay(tmp_path: Path) -> None:
    for name in ("over", "busy"):
        (tmp_path / name / "etcd").mkdir(parents=True)
        (tmp_path / name / "etcd.log").write_text("words")
    with Processes(tmp_path / "busy"):
        remove_left_data(tmp_path)
    assert sorted(path.name for path in (tmp_path / "over").iterdir()) == ["etcd.log"]
    assert (tmp_path / "busy" / "etcd").exists()


def test_a_cluster_that_is_neither_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["attach", "--cluster", "foo"])
    said = capsys.readouterr().err
    assert "sandbox (simulated, the default) or current" in said
    assert "'foo'" in said


def test_the_shadow_fleets_start_as_slowly_as_the_pods_of_the_example() -> None:
    documents = yaml.safe_load_all((Scene().example / "01-engine.yaml").read_text())
    [deployment] = [document for document in documents if document["kind"] == "Deployment"]
    template = deployment["spec"]["template"]["metadata"]
    assert template["annotations"][STARTUP_ANNOTATION] == f"{Scene().startup_seconds:.0f}s"
    assert (deployment["metadata"]["namespace"], template["labels"]["app"]) == (NAMESPACE, WORKLOAD)


def test_the_pools_have_the_labels_that_the_profiles_of_the_example_select() -> None:
    labels = [node["metadata"]["labels"] for node in node_manifests()]
    for profile in yaml.safe_load_all((Scene().example / "02-accelerators.yaml").read_text()):
        wanted = profile["spec"]["nodeSelector"].items()
        assert any(wanted <= have.items() for have in labels), profile["metadata"]["name"]


def test_the_headline_says_what_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"started_at": 1.0, "trace_seconds": 13 * 86_400 + 9.25 * 3600, "trace_end_seconds": 14 * 86_400}
    monkeypatch.setattr("foresail.sandbox.up.fetch", lambda _: state)
    sandbox = Sandbox(ControlPlane("", Path(), Path(), "", Path()), "", "", "")
    assert headline(sandbox, speed=20.0) == (
        "trace day 14, 09:15 at 20 times real time; nodes, pods and engines are simulated, everything else is real"
    )
    state["trace_seconds"] = state["trace_end_seconds"]
    assert headline(sandbox, speed=20.0).startswith("trace is over, its last demand goes on")
    state["started_at"] = 0.0
    assert "starts with the first simulated pod" in headline(sandbox, speed=20.0)


def test_without_a_terminal_a_run_ends_after_ten_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    assert length_of_run(None) == 10.0
    assert length_of_run(2.0) == 2.0
    assert "ends by itself after 2 minutes" in capsys.readouterr().out


def test_engines_are_found_by_service_discovery() -> None:
    settings = yaml.safe_load(configuration(service_discovery_url="http://127.0.0.1:1/sd", scrape_seconds=0.5))
    assert settings["global"]["scrape_interval"] == "500ms"
    [job] = settings["scrape_configs"]
    assert job["http_sd_configs"] == [{"url": "http://127.0.0.1:1/sd", "refresh_interval": "1s"}]
