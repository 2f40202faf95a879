"""`make up CLUSTER=current`: the operator against somebody's cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from foresail.sandbox.attach import find_operators, holders
from foresail.sandbox.processes import stop_recorded
from tests.conftest import ROOT, Cluster, wait_for

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


@pytest.fixture
def quiet(cluster: Cluster) -> Cluster:
    """The cluster, when the Leases of operators that other tests killed have run out."""
    wait_for(lambda: not find_operators(cluster.kubectl), seconds=60, what="the end of other Leases")
    return cluster


def test_a_lease_that_was_not_renewed_in_time_is_nobodys() -> None:
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 15, "renewTime": "2026-11-24T10:00:00.000000Z"}
    lease = {"metadata": {"namespace": "prod"}, "spec": spec}
    assert holders([lease], datetime(2026, 11, 24, 10, 0, 10, tzinfo=UTC)) == {"prod": "gone"}
    assert holders([lease], datetime(2026, 11, 24, 10, 0, 20, tzinfo=UTC)) == {}


@pytest.mark.cluster
def test_the_operator_runs_against_the_current_cluster_and_leaves_nothing_running(
    quiet: Cluster, tmp_path: Path
) -> None:
    done = attach(quiet, tmp_path, "--prometheus", "http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "CRDs into" in done.stdout
    [folder] = (tmp_path / "run").iterdir()
    assert stop_recorded(folder) == []
    assert "leads now" in (folder / "operator.log").read_text()


@pytest.mark.cluster
def test_a_second_operator_is_refused(quiet: Cluster, namespace: str, tmp_path: Path) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "foresail-operator", "namespace": namespace},
        "spec": {
            "holderIdentity": "somebody",
            "leaseDurationSeconds": 60,
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }
    quiet.kubectl.apply(lease)
    done = attach(quiet, tmp_path, "--prometheus", "http://127.0.0.1:9")
    quiet.kubectl.run("delete", "lease", "foresail-operator", "-n", namespace)
    assert done.returncode == 1
    assert f"somebody holds the Lease {namespace}/foresail-operator" in done.stderr


@pytest.mark.cluster
def test_a_missing_prometheus_is_named(cluster: Cluster, tmp_path: Path) -> None:
    done = attach(cluster, tmp_path)
    assert done.returncode == 2
    assert "PROMETHEUS" in done.stderr
