"""The control plane that everything else is tested on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from foresail.sandbox.kubectl import KubectlError
from foresail.sandbox.processes import ProcessError, Processes, start_ticks, stop_recorded
from tests.conftest import Cluster, wait_for

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


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


def test_a_block_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    started: list[int] = []

    def fail() -> None:
        with Processes(tmp_path) as processes:
            started.append(processes.start("sleeper", SLEEPER))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert start_ticks(started[0]) is None
    assert not (tmp_path / "pids.json").exists()


def test_a_later_stop_ends_what_a_crash_left_running(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        pid = processes.start("sleeper", SLEEPER)
        assert stop_recorded(tmp_path) == ["sleeper"]
        wait_for(lambda: start_ticks(pid) is None, what="the end of the sleeper")
        assert stop_recorded(tmp_path) == []


def test_a_stop_spares_a_process_that_only_has_the_same_number(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEPER, start_new_session=True)
    (tmp_path / "pids.json").write_text(f'{{"sleeper": [{stranger.pid}, "1"]}}')
    assert stop_recorded(tmp_path) == []
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_process_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("speaker", [sys.executable, "-c", "print('no such flag')"])
        with pytest.raises(ProcessError, match="no such flag"):
            processes.wait_until("speaker", lambda: False, seconds=30)
