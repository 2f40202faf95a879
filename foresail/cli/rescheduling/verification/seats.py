"""What VMs hold of machines with two NUMA nodes, and pods of nodes with cards."""

from __future__ import annotations

import numpy as np

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.pods import WHOLE_MILLI, PodInstance
from foresail.cli.rescheduling.verification.claim import Move
from foresail.cli.rescheduling.verification.fault import Kind
from foresail.cli.rescheduling.verification.room import Room, Seat

NUMA_RESOURCES = ("CPU of NUMA node 0", "CPU of NUMA node 1", "memory of NUMA node 0", "memory of NUMA node 1")


def room_of(instance: Instance) -> Room:
    """The room of an instance."""
    return _room_of_vms(instance) if isinstance(instance, VmInstance) else _room_of_pods(instance)


def _room_of_vms(instance: VmInstance) -> Room:
    def seat(unit: int, _: int, move: Move) -> Seat:
        asked, double = move.numa_node, bool(instance.double[unit])
        if asked is None or asked not in ((-1,) if double else (0, 1)):
            wanted = "-1, as it is double" if double else "0 or 1"
            return Kind.SEAT, f"{move.unit} to {move.to}: numa_node is {asked} where it must be {wanted}"
        return _numa(instance, unit, asked)

    homes = [_numa(instance, unit, node) for unit, node in enumerate(instance.numa_node.tolist())]
    return Room(
        nodes=instance.machines,
        resources=NUMA_RESOURCES,
        capacity=np.hstack((instance.machine_cpu, instance.machine_memory)),
        units=instance.vms,
        held=np.array(homes, np.int64).reshape(-1, 4),
        homes=instance.machine,
        movable=instance.movable,
        apart=instance.apart,
        seat=seat,
        workloads=instance.workloads,
    )


def _numa(instance: VmInstance, unit: int, node: int) -> IntArray:
    cpu, memory = int(instance.cpu[unit]), int(instance.memory[unit])
    if node < 0:
        return np.array([cpu // 2, cpu // 2, memory // 2, memory // 2])
    held = np.zeros(4, np.int64)
    held[node], held[2 + node] = cpu, memory
    return held


def _room_of_pods(instance: PodInstance) -> Room:
    most = max(instance.node_gpus.tolist(), default=0)
    cards = np.where(np.arange(most) < instance.node_gpus[:, None], WHOLE_MILLI, 0)

    def seat(unit: int, node: int, move: Move) -> Seat:
        asked, there = move.cards, int(instance.node_gpus[node])
        wanted = int(instance.asks.gpus[unit])
        if asked is None or len(asked) != wanted or len(set(asked)) < wanted or not all(0 <= c < there for c in asked):
            named = None if asked is None else list(asked)
            return Kind.SEAT, f"{move.unit} to {move.to}: cards are {named} where it takes {wanted} of {there}"
        specs, model = instance.specs[unit], instance.models[node]
        if specs and model not in specs:
            return Kind.MODEL, f"{move.unit} to {move.to}: runs on {' or '.join(sorted(specs))}, the node has {model}"
        return _held(instance, unit, asked, most)

    homes = [_held(instance, unit, held, most) for unit, held in enumerate(instance.cards)]
    return Room(
        nodes=instance.nodes,
        resources=("CPU", "memory", *(f"thousandths of card {card}" for card in range(most))),
        capacity=np.column_stack((instance.node_cpu, instance.node_memory, cards)).astype(np.int64),
        units=instance.pods,
        held=np.array(homes, np.int64).reshape(-1, 2 + most),
        homes=instance.node,
        movable=instance.movable,
        apart=(),
        seat=seat,
        workloads=instance.workloads,
    )


def _held(instance: PodInstance, unit: int, cards: tuple[int, ...], most: int) -> IntArray:
    held = np.zeros(2 + most, np.int64)
    held[0], held[1] = instance.asks.cpu[unit], instance.asks.memory[unit]
    held[[2 + card for card in cards]] = instance.asks.milli[unit]
    return held
