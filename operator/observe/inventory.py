"""The GPU inventory: per accelerator, what its nodes have and what no pod has asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from foresail.domain.accelerator import Accelerator, Pool
from foresail.operator.observe.records import NodeRecord, PodRecord


def count_pools(
    accelerators: Mapping[str, Accelerator], nodes: Iterable[NodeRecord], pods: Iterable[PodRecord]
) -> Mapping[str, Pool]:
    """Pools by accelerator; nodes that take no new pods (cordoned, not ready) count neither as room nor as taken.

    An accelerator without any node has no pool and caps nothing: its nodes may be made when a pod waits for one, and
    they never would be if no pod were ever asked for.
    """
    nodes, taken = tuple(nodes), _taken(pods)
    usable = [node for node in nodes if node.schedulable]
    return {
        name: _count(accelerator, usable, taken)
        for name, accelerator in accelerators.items()
        if any(_holds(node, accelerator) for node in nodes)
    }


def _holds(node: NodeRecord, accelerator: Accelerator) -> bool:
    selected = all(node.labels.get(key) == value for key, value in accelerator.node_selector.items())
    return selected and accelerator.gpu_resource in node.allocatable


def _count(accelerator: Accelerator, nodes: Iterable[NodeRecord], taken: Mapping[tuple[str, str], int]) -> Pool:
    held = [node for node in nodes if _holds(node, accelerator)]
    sizes = [node.allocatable[accelerator.gpu_resource] for node in held]
    free = [
        max(size - taken.get((node.name, accelerator.gpu_resource), 0), 0)
        for node, size in zip(held, sizes, strict=True)
    ]
    return Pool(accelerator.name, sum(sizes), sum(free), tuple(sorted(free)), max(sizes, default=0))


def _taken(pods: Iterable[PodRecord]) -> Mapping[tuple[str, str], int]:
    """GPUs asked for by the pods of each node; a pod that is going holds them until it is gone."""
    taken: defaultdict[tuple[str, str], int] = defaultdict(int)
    for pod in pods:
        if pod.node and not pod.finished:
            for resource, count in pod.gpus.items():
                taken[pod.node, resource] += count
    return taken
