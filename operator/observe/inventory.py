"""The GPU inventory: per accelerator, what its nodes have and what no pod has asked for, with CPU and memory beside."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from foresail.domain.accelerator import Accelerator, NodeRoom, Pool
from foresail.operator.observe.records import NodeRecord, PodRecord


@dataclass(slots=True)
class _Taken:
    """What the pods of a node ask for together."""

    cpu_milli: int = 0
    memory_mebibytes: int = 0
    extended: Counter[str] = field(default_factory=Counter)


def count_pools(
    accelerators: Mapping[str, Accelerator], nodes: Iterable[NodeRecord], pods: Iterable[PodRecord]
) -> Mapping[str, Pool]:
    """Pools by accelerator; nodes that take no new pods (cordoned, not ready) count neither as room nor as taken.

    An accelerator without any node has no pool and caps nothing: its nodes may be made when a pod waits for one, and
    they never would be if no pod were ever asked for.
    """
    nodes = tuple(nodes)
    held = {name: [node for node in nodes if _holds(node, each)] for name, each in accelerators.items()}
    usable = {name: [node for node in own if node.schedulable] for name, own in held.items() if own}
    taken = _taken(pods, {node.name for own in usable.values() for node in own})
    return {
        name: _count(accelerators[name], own, taken, _overlaps(name, held, accelerators))
        for name, own in usable.items()
    }


def _holds(node: NodeRecord, accelerator: Accelerator) -> bool:
    selected = all(node.labels.get(key) == value for key, value in accelerator.node_selector.items())
    return selected and accelerator.gpu_resource in node.allocatable


def _overlaps(
    name: str, held: Mapping[str, Sequence[NodeRecord]], accelerators: Mapping[str, Accelerator]
) -> tuple[str, ...]:
    """Other accelerators whose profiles select some of the same nodes for the same resource."""
    mine, resource = {node.name for node in held[name]}, accelerators[name].gpu_resource
    return tuple(
        other
        for other, nodes in sorted(held.items())
        if other != name
        and accelerators[other].gpu_resource == resource
        and not mine.isdisjoint(node.name for node in nodes)
    )


def _count(
    accelerator: Accelerator, nodes: Sequence[NodeRecord], taken: Mapping[str, _Taken], overlaps: tuple[str, ...]
) -> Pool:
    rooms = tuple(_room(node, accelerator.gpu_resource, taken[node.name]) for node in nodes)
    sizes = [node.allocatable[accelerator.gpu_resource] for node in nodes]
    return Pool(
        accelerator=accelerator.name,
        total_gpus=sum(sizes),
        free_gpus=sum(room.free_gpus for room in rooms),
        nodes=rooms,
        largest_node_gpus=max(sizes, default=0),
        gpu_resource=accelerator.gpu_resource,
        overlaps=overlaps,
    )


def _room(node: NodeRecord, resource: str, taken: _Taken) -> NodeRoom:
    cpu, memory = node.cpu_milli, node.memory_mebibytes
    return NodeRoom(
        node.name,
        max(node.allocatable[resource] - taken.extended[resource], 0),
        None if cpu is None else max(cpu - taken.cpu_milli, 0),
        None if memory is None else max(memory - taken.memory_mebibytes, 0),
    )


def _taken(pods: Iterable[PodRecord], names: set[str]) -> Mapping[str, _Taken]:
    """What the pods of some nodes ask for, by node; a pod that is going holds it until it is gone."""
    taken: defaultdict[str, _Taken] = defaultdict(_Taken)
    for pod in pods:
        if pod.node in names and not pod.finished:
            sums, request = taken[pod.node], pod.request
            sums.cpu_milli += request.cpu_milli
            sums.memory_mebibytes += request.memory_mebibytes
            for resource, count in request.extended.items():
                sums.extended[resource] += count
    return taken
