"""The filter-and-score heuristic of VMR2L (EuroSys 2025), written from its description.

Filter: of the VMs of at most 16 cores, the one whose leaving takes most fragments from its machine. Score: the place
where it leaves least of them. The end: a pair that gains nothing.
"""

from __future__ import annotations

import numpy as np

from benchmarks.rescheduling.cluster import Cluster
from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.machines import VmInstance

MOST_CORES = 16
NEVER = -(10**6)


def filter_and_score(instance: VmInstance, moves: int) -> Cluster:
    """The cluster after at most so many moves."""
    cluster = Cluster(instance)
    able = instance.movable & (instance.cpu <= MOST_CORES)
    for _ in range(moves if able.any() else 0):
        leaves = _leaving(cluster)
        vm = int(np.where(able, leaves, NEVER).argmax())
        arrives = _arriving(cluster, vm)
        best = int(arrives.argmax())
        if arrives.flat[best] == NEVER or leaves[vm] + arrives.flat[best] <= 0:
            break
        cluster.move(vm, cluster.place(vm, best))
    return cluster


def _leaving(cluster: Cluster) -> IntArray:
    """Fragments that each VM would take with it, shape (V,)."""
    slot = cluster.instance.fragment_cpu
    free = cluster.cpu[cluster.machine]
    after = free + cluster.part_cpu[:, None] * cluster.on
    return np.asarray((free % slot - after % slot).sum(axis=1))


def _arriving(cluster: Cluster, vm: int) -> IntArray:
    """Fragments that it would fill, by place; NEVER where it does not fit."""
    slot, room = cluster.instance.fragment_cpu, cluster.fits(vm)
    fills = cluster.cpu % slot - (cluster.cpu - cluster.part_cpu[vm]) % slot
    if cluster.instance.double[vm]:
        fills = fills.sum(axis=1, keepdims=True)
    return np.where(room > 0, fills, NEVER)
