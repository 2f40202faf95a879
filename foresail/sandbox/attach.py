"""`make up CLUSTER=current`: the operator on this machine against the user's own cluster and Prometheus.

Nothing is written there but the two CRDs, the operator's Lease, and what the objects that people made ask for.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from foresail.sandbox.binaries import BinariesMissingError, find_binaries
from foresail.sandbox.chart import ROOT
from foresail.sandbox.control_plane import free_port
from foresail.sandbox.kubectl import Kubectl, KubectlError
from foresail.sandbox.processes import ProcessError, Processes, stop_recorded
from foresail.sandbox.progress import Progress
from foresail.sandbox.screen import show
from foresail.sandbox.up import run_folder
from foresail.sandbox.view import fetch, read_views

LEASE = "foresail-operator"


def find_kubectl() -> Path | str:
    """The user's kubectl, else the one in the cache."""
    installed = shutil.which("kubectl")
    return installed or find_binaries() / "kubectl"


def holders(leases: Iterable[Mapping[str, Any]], now: datetime) -> dict[str, str]:
    """Who holds which Lease of an operator and has renewed it in time, by its namespace."""
    held = {}
    for lease in leases:
        spec = lease["spec"]
        renewed = datetime.fromisoformat(spec.get("renewTime", "1970-01-01T00:00:00Z"))
        if spec.get("holderIdentity") and (now - renewed).total_seconds() <= spec.get("leaseDurationSeconds", 15):
            held[lease["metadata"]["namespace"]] = spec["holderIdentity"]
    return held


def find_operators(kubectl: Kubectl) -> dict[str, str]:
    """Operators that run on the cluster, by the namespace of their Lease."""
    leases = kubectl.get("leases", "-A", "--field-selector", f"metadata.name={LEASE}")["items"]
    return holders(leases, datetime.now(UTC))


def refuse_second_operator(kubectl: Kubectl) -> None:
    """Two operators with Leases in different namespaces would not see each other.

    Raises:
        KubectlError: An operator holds a Lease already.
    """
    for namespace, holder in find_operators(kubectl).items():
        raise KubectlError(
            f"Foresail runs on this cluster already: {holder} holds the Lease {namespace}/{LEASE}; end that one first"
        )


def attach(*, prometheus_url: str, minutes: float | None) -> int:
    """Apply the CRDs, run the operator and show its decisions; leaves nothing running."""
    if not prometheus_url:
        print("make up CLUSTER=current: PROMETHEUS: is missing; name its address, PROMETHEUS=http://…", file=sys.stderr)
        return 2
    folder = run_folder("attached")
    stop_recorded(folder)
    try:
        kubectl = Kubectl(find_kubectl(), None)
        context = kubectl.run("config", "current-context").strip()
        refuse_second_operator(kubectl)
        with Progress().step(f"CRDs into {context}, and nothing else"):
            kubectl.run("apply", "--server-side", "-f", str(ROOT / "crds"))
    except (KubectlError, BinariesMissingError) as error:
        print(error, file=sys.stderr)
        return 1
    with Processes(folder) as processes:
        try:
            run(processes, prometheus_url=prometheus_url, context=context, minutes=minutes)
        except ProcessError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print()
    print("ended; replicas stay as they are, and so do the CRDs")
    return 0


def run(processes: Processes, *, prometheus_url: str, context: str, minutes: float | None) -> None:
    """Run the operator as a process and show what it decides."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "foresail.cli.main", "operator", "--prometheus", prometheus_url]
    processes.start("operator", [*command, "--listen", url.removeprefix("http://")])
    processes.wait_until("operator", lambda: fetch(f"{url}/api/v1/decisions") is not None, seconds=60)

    def check() -> None:
        if not processes.is_running("operator"):
            raise ProcessError(f"the operator ended:\n{processes.tail('operator')}")

    if minutes is None and not sys.stdout.isatty():
        minutes = 10.0
    addresses = {
        "kubeconfig": os.environ.get("KUBECONFIG", "~/.kube/config"),
        "Prometheus": prometheus_url,
        "Foresail": f"{url}/api/v1/decisions",
    }
    try:
        show(
            lambda: read_views(url),
            headline=lambda: f"cluster {context}",
            addresses=addresses,
            check=check,
            seconds=None if minutes is None else minutes * 60.0,
        )
    finally:
        processes.ask_to_end("operator")  # gives its Lease back
