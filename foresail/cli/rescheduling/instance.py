"""The instance that `foresail reschedule` is given: virtual machines or pods with GPUs, told apart by their fields."""

from __future__ import annotations

from foresail.cli.rescheduling.document import read_document
from foresail.cli.rescheduling.machines import VmInstance, parse_machines
from foresail.cli.rescheduling.pods import PodInstance, parse_pods

Instance = VmInstance | PodInstance


def read_instance(name: str) -> Instance:
    """Read and check an instance; `-` is standard input.

    Raises:
        InputError: It cannot be understood.
    """
    document = read_document(name)
    fields = document.object()
    machines, pods = "pms" in fields or "vms" in fields, "nodes" in fields or "pods" in fields
    if machines and pods:
        document["pods" if "pods" in fields else "nodes"].fail(
            "stands beside pms or vms", "give virtual machines (pms, vms) or pods (nodes, pods, types)"
        )
    if not machines and not pods:
        document["pms"].fail("is missing, and so is nodes", "give pms and vms, or nodes, pods and types")
    return parse_machines(document) if machines else parse_pods(document)
