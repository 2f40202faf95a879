"""The chart, installed by real Helm, and a login that has exactly the rights it grants."""

from __future__ import annotations

import subprocess
from pathlib import Path

from foresail.domain.errors import ForesailError
from foresail.sandbox.control_plane import ControlPlane, write_kubeconfig
from foresail.sandbox.kubectl import Kubectl

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "foresail"
RELEASE = "foresail"
NAMESPACE = "foresail-system"


class ChartError(ForesailError):
    """The chart could not be installed; the message is what Helm said."""


def install_chart(control_plane: ControlPlane, *, prometheus_url: str) -> None:
    """Install CRDs, rights and settings, but no pod: here the operator runs as a process.

    Raises:
        ChartError: Helm refused.
    """
    command = [control_plane.binaries / "helm", "install", RELEASE, CHART, "--kubeconfig", control_plane.kubeconfig]
    command += ["--namespace", NAMESPACE, "--create-namespace", "--wait"]
    command += ["--set", "replicas=0", "--set", f"prometheus.url={prometheus_url}"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ChartError(f"helm install failed: {done.stderr.strip()}")


def operator_login(control_plane: ControlPlane, kubectl: Kubectl, path: Path) -> Path:
    """Write a kubeconfig with a token of the chart's ServiceAccount: the operator has its rights and no more."""
    token = kubectl.run("create", "token", RELEASE, "--namespace", NAMESPACE, "--duration=24h").strip()
    return write_kubeconfig(
        path,
        url=control_plane.url,
        certificate_authority=control_plane.certificate_authority,
        token=token,
        namespace=NAMESPACE,
    )
