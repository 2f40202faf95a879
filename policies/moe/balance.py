"""A placement from scratch, as EPLB makes it: replicas by load, then the heaviest to the lightest GPU with a free slot.

`place` treats all GPUs alike. `place_by_node` keeps every group of experts on one node, for models whose router chooses
groups first: it packs groups onto nodes, then places within each. Neither knows what is where now, so nearly every slot
changes; `stay` is for that. Unlike EPLB, none puts an expert twice on a GPU: that takes a slot only to share a hot
expert unequally. Where one has more than six times the mean load of a GPU, EPLB is up to 3 % better for it.

References:
    DeepSeek-AI, 2025: Expert Parallelism Load Balancer, https://github.com/deepseek-ai/EPLB
"""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.placement import EMPTY, IntArray
from foresail.policies.moe.replicate import replicate


def place(loads: FloatArray, gpus: int, slots: int) -> IntArray:
    """Experts of every slot.

    Args:
        loads: Shape (L, E).
        gpus: M.
        slots: S, of each GPU.

    Returns:
        Shape (L, M, S); EMPTY only where a GPU has more slots than there are experts.
    """
    used = min(slots, loads.shape[1])
    counts = replicate(loads, gpus * used, gpus)
    found = np.full((len(loads), gpus, slots), EMPTY)
    found[:, :, :used] = pack(loads / counts, counts, gpus, used)
    return found


def pack(shares: FloatArray, counts: IntArray, gpus: int, slots: int) -> IntArray:
    """Put replicas onto GPUs, the heaviest first, each onto the lightest GPU with a free slot and without its expert.

    Args:
        shares: Load of one replica of every expert, shape (L, E).
        counts: Replicas of every expert, in sum gpus times slots, none above `gpus`, shape (L, E).
        gpus: M.
        slots: S, of each GPU.

    Returns:
        Shape (L, M, S).
    """
    layers = len(shares)
    order = _heaviest_first(shares, counts)
    sizes = np.take_along_axis(shares, order, axis=1)
    rows = np.arange(layers)
    found = np.full((layers, gpus, slots), EMPTY)
    load, used = np.zeros((layers, gpus)), np.zeros((layers, gpus), np.int64)
    last = np.full((layers, gpus), EMPTY)  # replicas of an expert come one after another
    for place_in_order in range(gpus * slots):
        expert = order[:, place_in_order]
        room = np.where(last == expert[:, None], np.inf, load)
        gpu = room.argmin(axis=1)
        for row in np.flatnonzero(np.isinf(room[rows, gpu])):
            gpu[row] = _make_room(found[row], used[row], load[row], expert[row], shares[row])
        found[rows, gpu, used[rows, gpu]] = expert
        last[rows, gpu] = expert
        used[rows, gpu] += 1
        load[rows, gpu] += sizes[:, place_in_order]
        full = used[rows, gpu] == slots
        load[rows[full], gpu[full]] = np.inf
    return found


def _make_room(found: IntArray, used: IntArray, load: FloatArray, expert: int, shares: FloatArray) -> int:
    """Free a slot on a GPU without `expert`, as all GPUs with free slots have it, and return that GPU.

    A GPU that is full and lacks the expert has one that the GPU with a free slot lacks: it goes there.
    """
    slots = found.shape[1]
    roomy = int(used.argmin())
    lacking = np.flatnonzero(~(found == expert).any(axis=1))
    gpu = int(lacking[shares[found[lacking]].sum(axis=1).argmin()])
    slot = next(slot for slot in np.argsort(shares[found[gpu]], kind="stable") if found[gpu, slot] not in found[roomy])
    found[roomy, used[roomy]] = found[gpu, slot]
    used[roomy] += 1
    used[gpu] -= 1
    found[gpu, slot] = found[gpu, used[gpu]]
    for changed in (roomy, gpu):
        there = found[changed, : used[changed]]
        load[changed] = np.inf if used[changed] == slots else shares[there].sum()
    return gpu


def _heaviest_first(shares: FloatArray, counts: IntArray) -> IntArray:
    """Replicas, each as its expert, shape (L, P)."""
    order = np.argsort(-shares, axis=1, kind="stable")
    repeats = np.take_along_axis(counts, order, axis=1)
    return np.stack([np.repeat(experts, times) for experts, times in zip(order, repeats, strict=True)])


def place_by_node(loads: FloatArray, gpus: int, slots: int, *, groups: int, nodes: int) -> IntArray:
    """Experts of every slot, each group of experts on one node.

    Args:
        loads: Shape (L, E); experts of a group follow one another.
        gpus: M; GPUs of a node follow one another.
        slots: S, of each GPU.
        groups: Of equal size, as many on each node.
        nodes: Of equal size.

    Returns:
        Shape (L, M, S).
    """
    layers, experts = loads.shape
    if experts % groups or groups % nodes or gpus % nodes:
        raise ValueError(f"{experts} experts, {groups} groups, {gpus} GPUs and {nodes} nodes do not divide one another")
    size = experts // groups
    by_group = loads.reshape(layers, groups, size).sum(axis=2)
    packed = pack(by_group, np.ones((layers, groups), np.int64), nodes, groups // nodes)
    there = (packed[..., None] * size + np.arange(size)).reshape(layers * nodes, -1)  # experts of each node
    of_layer = np.repeat(np.arange(layers), nodes)[:, None]
    within = place(loads[of_layer, there], gpus // nodes, slots)
    padded = np.concatenate([there, np.full((len(there), 1), EMPTY)], axis=1)
    return np.take_along_axis(padded[:, None, :], within, axis=2).reshape(layers, gpus, slots)
