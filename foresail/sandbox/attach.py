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

from rich.console import Console

from foresail.operator.lease import LEASE_NAME
from foresail.sandbox.account import Account
from foresail.sandbox.binaries import find_binaries
from foresail.sandbox.chart import ROOT
from foresail.sandbox.kubectl import Kubectl, KubectlError
from foresail.sandbox.processes import Processes, refuse_second_run, stop_recorded
from foresail.sandbox.progress import Progress
from foresail.sandbox.screen import Scope, show
from foresail.sandbox.up import length_of_run, run_folder, start_operator
from foresail.sandbox.view import read_views

CRDS = ROOT / "crds"
WAITING = "no decision yet: there is one for each ModelDeployment (examples/01-one-model/03-model.yaml shows one)"


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
    leases = kubectl.get("leases", "-A", "--field-selector", f"metadata.name={LEASE_NAME}")["items"]
    return holders(leases, datetime.now(UTC))


def refuse_second_operator(kubectl: Kubectl) -> None:
    """Two operators with Leases in different namespaces would not see each other.

    Raises:
        KubectlError: An operator holds a Lease already.
    """
    for namespace, holder in find_operators(kubectl).items():
        raise KubectlError(
            f"Foresail runs on this cluster already: {holder} holds the Lease {namespace}/{LEASE_NAME}; "
            "end that one first"
        )


def prepare(kubectl: Kubectl) -> str:
    """See that no other operator runs, and apply the CRDs; the name of the user's context.

    Raises:
        KubectlError: The cluster does not answer, refuses, or has an operator.
    """
    context = kubectl.run("config", "current-context").strip()
    refuse_second_operator(kubectl)
    with Progress().step(f"CRDs into {context}, and nothing else"):
        kubectl.run("apply", "--server-side", "-f", str(CRDS))
        kubectl.run("wait", "--for=condition=Established", "-f", str(CRDS), "--timeout=60s")
    return context


def attach(*, prometheus_url: str, minutes: float | None) -> int:
    """Apply the CRDs, run the operator and show its decisions; leaves nothing running."""
    if not prometheus_url:
        print("make up CLUSTER=current: PROMETHEUS: is missing; name its address, PROMETHEUS=http://…", file=sys.stderr)
        return 2
    folder = run_folder("attached")
    refuse_second_run(folder)
    stop_recorded(folder)
    context = prepare(Kubectl(find_kubectl(), None))
    try:
        with Processes(folder) as processes:
            processes.log_of("operator").unlink(missing_ok=True)
            url = start_operator(processes, "--prometheus", prometheus_url)
            try:
                watch(processes, url, prometheus_url=prometheus_url, context=context, minutes=minutes)
            finally:
                processes.ask_to_end("operator")  # gives its Lease back
    finally:
        print(f"ended, nothing is left running; replicas stay as they are, and so do the CRDs; log: {folder}")
    return 0


def watch(processes: Processes, url: str, *, prometheus_url: str, context: str, minutes: float | None) -> None:
    """Show what it decides until the time is over or somebody interrupts, then what it did."""
    minutes = length_of_run(minutes)
    account = Account(lambda: read_views(url))
    addresses = {
        "kubeconfig": os.environ.get("KUBECONFIG", "~/.kube/config"),
        "Prometheus": prometheus_url,
        "Foresail": f"{url}/api/v1/decisions",
    }
    scope = Scope(account.read, lambda: f"cluster {context}", addresses, check=processes.check, waiting=WAITING)
    try:
        show(scope, seconds=None if minutes is None else minutes * 60.0)
    except KeyboardInterrupt:
        print()
    finally:
        if account.tallies:
            Console().print(account.table())
