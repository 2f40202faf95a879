"""One real control plane per test run, and what tests need of it.

Whose cluster: `FORESAIL_TEST_KUBECONFIG` (somebody's), else the binaries in `KUBEBUILDER_ASSETS` or the cache. Without
any, tests marked `cluster` are skipped with one sentence, or fail under `CI=true`.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from foresail.sandbox.binaries import BinariesMissingError, find_binaries
from foresail.sandbox.control_plane import ControlPlane, start_control_plane
from foresail.sandbox.kubectl import Kubectl
from foresail.sandbox.nodes import node_manifests, start_kwok
from foresail.sandbox.processes import Processes

pytest_plugins = ["tests.split"]

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster that tests run on. `kubectl` is its administrator; `control_plane` None: somebody else's."""

    kubeconfig: Path
    kubectl: Kubectl
    binaries: Path
    control_plane: ControlPlane | None


def missing(what: str) -> None:
    """Skip for a missing optional tool, or fail where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def wait_for(probe: Callable[[], T], *, seconds: float = 30.0, what: str = "the condition") -> T:
    """Poll `probe` until it answers something true, and return that.

    A probe that starts a process takes no more than half of the time from what it waits for.
    """
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        answer = probe()
        now = time.monotonic()
        if answer:
            return answer
        if now > deadline:
            pytest.fail(f"{what} did not come true within {seconds:.0f} s")
        time.sleep(min(max(0.05, now - asked), 0.5))


@pytest.fixture(scope="session")
def binaries() -> Path:
    """The folder of the control plane's binaries."""
    try:
        return find_binaries()
    except BinariesMissingError as error:
        missing(str(error))
        raise


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Processes that live as long as the test run."""
    with Processes(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="session")
def cluster(binaries: Path, processes: Processes) -> Cluster:
    """A control plane with our CRDs and without nodes."""
    if theirs := os.environ.get("FORESAIL_TEST_KUBECONFIG"):
        control_plane, kubeconfig = None, Path(theirs)
    else:
        control_plane = start_control_plane(processes, binaries)
        kubeconfig = control_plane.kubeconfig
    kubectl = Kubectl(binaries / "kubectl", kubeconfig)
    kubectl.run("apply", "--server-side", "-f", str(ROOT / "crds"))
    kubectl.run("wait", "--for=condition=Established", "-f", str(ROOT / "crds"), "--timeout=60s")
    return Cluster(kubeconfig, kubectl, binaries, control_plane)


@pytest.fixture(scope="session")
def gpu_nodes(cluster: Cluster, processes: Processes) -> Cluster:
    """The same cluster with simulated GPU nodes on which pods become Ready."""
    if cluster.control_plane is None:
        missing("simulated nodes need a control plane of our own: unset FORESAIL_TEST_KUBECONFIG")
        raise AssertionError
    start_kwok(processes, cluster.control_plane)
    cluster.kubectl.apply(*node_manifests())
    cluster.kubectl.run("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
    return cluster


_numbers = itertools.count(1)


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A fresh namespace. It is never deleted: that takes five seconds and the control plane goes anyway."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    cluster.kubectl.run("create", "namespace", name)
    cluster.kubectl.run("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    return name
