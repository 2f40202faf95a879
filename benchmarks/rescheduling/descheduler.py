"""A model of the descheduler's HighNodeUtilization with the scheduler's MostAllocated, as both are documented.

Machines that use less than the threshold of CPU and memory are emptied, the least used first; a VM is evicted when it
fits on one that is not being emptied, and lands where most is allocated. Nothing is placed or ordered by plan. The
model is kind to it: an evicted VM finds its place at once, and its old one is held until then.
"""

from __future__ import annotations

import numpy as np

from benchmarks.rescheduling.cluster import Cluster
from foresail.cli.rescheduling.machines import VmInstance


def high_node_utilization(instance: VmInstance, moves: int, *, threshold: float) -> Cluster:
    """The cluster after at most so many evictions."""
    cluster = Cluster(instance)
    used_cpu, used_memory = _used(cluster)
    under = (used_cpu < threshold) & (used_memory < threshold) & (used_cpu > 0.0)
    for machine in np.argsort(used_cpu + used_memory, kind="stable").tolist():
        if under[machine]:
            _evict(cluster, machine, under, moves)
    return cluster


def _evict(cluster: Cluster, machine: int, under: np.ndarray, moves: int) -> None:
    for vm in np.flatnonzero((cluster.machine == machine) & cluster.instance.movable).tolist():
        if len(cluster.moves) >= moves:
            return
        room = cluster.fits(vm)
        room[under] = 0
        if not room.any():
            continue
        allocated = np.add(*_used(cluster))[:, None]
        best = int(np.where(room > 0, allocated, -1.0).argmax())
        cluster.move(vm, cluster.place(vm, best))


def _used(cluster: Cluster) -> tuple[np.ndarray, np.ndarray]:
    """Parts of CPU and memory of each machine that are in use, shape (N,) each."""
    instance = cluster.instance
    cpu = 1.0 - cluster.cpu.sum(axis=1) / np.maximum(instance.machine_cpu.sum(axis=1), 1)
    memory = 1.0 - cluster.memory.sum(axis=1) / np.maximum(instance.machine_memory.sum(axis=1), 1)
    return cpu, memory
