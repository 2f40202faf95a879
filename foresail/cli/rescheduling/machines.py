"""A cluster of virtual machines as its JSON has it: columns of machines with two NUMA nodes, and of VMs on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from foresail.cli.fields import Field
from foresail.cli.rescheduling.document import (
    IntArray,
    at,
    check,
    flags,
    items,
    names,
    optional,
    pairs,
    texts,
    whole_numbers,
)
from foresail.cli.rescheduling.fragments import Fragment, parse_fragments
from foresail.cli.rescheduling.past import PAST_FIELDS, UNKNOWN, Past, parse_past
from foresail.domain.timeseries import BoolArray

FIELDS = ("name", "fragment", "pms", "vms", "anti_affinity", "meta")
MACHINE_FIELDS = ("id", "cpu", "mem", "rack")
VM_FIELDS = ("id", "cpu", "mem", "double", "pm", "node", "movable", "workload", *PAST_FIELDS)


@dataclass(frozen=True, slots=True, eq=False)
class VmInstance:
    """Virtual machines on machines, N of them with two NUMA nodes each, V on them.

    Args:
        source: The file.
        fragments: The slots that are counted.
        machines: Names.
        machine_cpu: Shape (N, 2).
        machine_memory: Shape (N, 2).
        racks: One for each machine, empty texts where unknown.
        vms: Names.
        cpu: Shape (V,), totals: a double one takes half on each NUMA node.
        memory: Shape (V,), totals likewise.
        double: Shape (V,).
        machine: Shape (V,): where each runs.
        numa_node: Shape (V,), -1 for a double one.
        movable: Shape (V,).
        apart: Groups of places of VMs of which no two may be on one machine.
        past: How old each is, and when it was moved.
        workloads: That each is of, empty: of none; empty where the column is not there.
    """

    source: str
    fragments: tuple[Fragment, ...]
    machines: tuple[str, ...]
    machine_cpu: IntArray
    machine_memory: IntArray
    racks: tuple[str, ...]
    vms: tuple[str, ...]
    cpu: IntArray
    memory: IntArray
    double: BoolArray
    machine: IntArray
    numa_node: IntArray
    movable: BoolArray
    apart: tuple[tuple[int, ...], ...]
    past: Past = UNKNOWN
    workloads: tuple[str, ...] = ()

    @property
    def fragment_cpu(self) -> int:
        """CPU of the slots, of the first size where there are several."""
        return self.fragments[0].cpu

    @property
    def nodes(self) -> tuple[str, ...]:
        """Where units run."""
        return self.machines

    @property
    def units(self) -> tuple[str, ...]:
        """What runs."""
        return self.vms

    @property
    def homes(self) -> IntArray:
        """Where each unit runs."""
        return self.machine


def parse_machines(document: Field) -> VmInstance:
    """The cluster in a document.

    Raises:
        InputError: A field cannot be understood.
    """
    document.know(FIELDS)
    machines, vms = document["pms"], document["vms"]
    machines.know(MACHINE_FIELDS)
    vms.know(VM_FIELDS)
    hosts, units = names(machines["id"]), names(vms["id"])
    count = len(units)
    double = flags(vms["double"], count)
    instance = VmInstance(
        source=document.source,
        fragments=parse_fragments(document["fragment"]),
        machines=hosts,
        machine_cpu=pairs(machines["cpu"], len(hosts)),
        machine_memory=pairs(machines["mem"], len(hosts)),
        racks=optional(machines["rack"], partial(texts, length=len(hosts)), ("",) * len(hosts)),
        vms=units,
        cpu=whole_numbers(vms["cpu"], count, least=1),
        memory=whole_numbers(vms["mem"], count),
        double=double,
        machine=homes(vms["pm"], hosts, count, "pms.id"),
        numa_node=whole_numbers(vms["node"], count, least=-1, most=1),
        movable=flags(vms["movable"], count),
        apart=optional(document["anti_affinity"], partial(_groups, count=count), ()),
        past=parse_past(vms, count),
        workloads=optional(vms["workload"], partial(texts, length=count), ()),
    )
    _check_forms(vms, instance)
    return instance


def homes(field: Field, nodes: tuple[str, ...], count: int, column: str) -> IntArray:
    """Where each unit runs: places in the column of nodes."""
    found = whole_numbers(field, count)
    there = f"{len(nodes)}" if nodes else "none"
    check(field, found >= len(nodes), f"is no place in {column}, which has {there}", "count from 0")
    return found


def _check_forms(vms: Field, instance: VmInstance) -> None:
    """A double VM has no NUMA node of its own, and halves."""
    single, node = ~instance.double, vms["node"]
    check(node, single & (instance.numa_node < 0), "is -1 for a VM that is not double", "give 0 or 1, or double 1")
    check(node, instance.double & (instance.numa_node >= 0), "is a NUMA node of a double VM", "give -1, or double 0")
    check(vms["cpu"], instance.double & (instance.cpu % 2 > 0), "is odd for a double VM", "give two equal halves")
    check(vms["mem"], instance.double & (instance.memory % 2 > 0), "is odd for a double VM", "give two equal halves")


def _groups(field: Field, count: int) -> tuple[tuple[int, ...], ...]:
    found = []
    for place in range(len(items(field))):
        group = at(field, place)
        members = whole_numbers(group)
        check(group, members >= count, f"is no place in vms.id, which has {count}", "count from 0")
        check(group, _repeated(members), "is there twice", "name it once")
        found.append(tuple(members.tolist()))
    return tuple(found)


def _repeated(members: IntArray) -> BoolArray:
    """Which were there before."""
    first = np.zeros(len(members), bool)
    first[np.unique(members, return_index=True)[1]] = True
    return ~first
