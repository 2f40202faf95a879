"""`make up CLUSTER=current`: the operator against somebody's cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from foresail.sandbox.attach import holders
from foresail.sandbox.control_plane import start_control_plane
from foresail.sandbox.kubectl import Kubectl
from foresail.sandbox.processes import Processes, stop_recorded
from tests.conftest import ROOT, Cluster

COMMAND = [sys.executable, "-m", "foresail.sandbox", "attach", "--minutes", "0.1"]


def attach(cluster: Cluster, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "FORESAIL_CACHE": str(cache),
        "FORESAIL_TOOLS": str(cluster.binaries),
    }
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def own(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster without our CRDs, and of its own: on the shared one other tests' operators lead."""
    with Processes(tmp_path_factory.mktemp("attached")) as processes:
        control_plane = start_control_plane(processes, binaries)
        kubeconfig = control_plane.kubeconfig
        yield Cluster(kubeconfig, Kubectl(binaries / "kubectl", kubeconfig), binaries, control_plane)


def test_a_lease_that_was_not_renewed_in_time_is_nobodys() -> None:
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 15, "renewTime": "2026-11-24T10:00:00.000000Z"}
    lease = {"metadata": {"namespace": "prod"}, "spec": spec}
    assert holders([lease], datetime(2026, 11, 24, 10, 0, 10, tzinfo=UTC)) == {"prod": "gone"}
    assert holders([lease], datetime(2026, 11, 24, 10, 0, 20, tzinfo=UTC)) == {}


@pytest.mark.cluster
def test_the_operator_runs_against_the_current_cluster_and_leaves_nothing_running(own: Cluster, tmp_path: Path) -> None:
    done = attach(own, tmp_path, "--prometheus", "http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "CRDs into" in done.stdout
    assert own.kubectl.get("modeldeployments.foresail.dev", "-A")["items"] == []
    [folder] = (tmp_path / "run").iterdir()
    assert stop_recorded(folder) == []
    assert "leads now" in (folder / "operator.log").read_text()


@pytest.mark.cluster
def test_a_second_operator_is_refused(own: Cluster, tmp_path: Path) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "foresail-operator", "namespace": "kube-system"},
        "spec": {
            "holderIdentity": "somebody",
            "leaseDurationSeconds": 60,
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }
    own.kubectl.apply(lease)
    done = attach(own, tmp_path, "--prometheus", "http://127.0.0.1:9")
    own.kubectl.run("delete", "lease", "foresail-operator", "-n", "kube-system")
    assert done.returncode == 1
    assert "somebody holds the Lease kube-system/foresail-operator" in done.stderr


@pytest.mark.cluster
def test_a_missing_prometheus_is_named(own: Cluster, tmp_path: Path) -> None:
    done = attach(own, tmp_path)
    assert done.returncode == 2
    assert "PROMETHEUS" in done.stderr
