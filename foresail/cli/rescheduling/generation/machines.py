"""A cluster of virtual machines: filled best fit, the largest first, then stirred by VMs that leave and come back."""

from __future__ import annotations

from typing import Any

import numpy as np

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.generation.families import (
    NODE_CPU,
    NODE_MEMORY_MIB,
    SLOT_CPU,
    SLOT_MEMORY_MIB,
    Family,
    family,
)
from foresail.cli.rescheduling.generation.wish import Wish
from foresail.domain.timeseries import BoolArray

BATCH = 8  # VMs that leave together
NOISE = 0.35  # of a node's CPU, by which a place that is called the best may be off
GROUP = 5
RACKS = 10


class Machines:
    """Machines and what is free on their NUMA nodes, CPU and memory, shape (N, 2) each."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.cpu = np.full((count, 2), NODE_CPU)
        self.memory = np.full((count, 2), NODE_MEMORY_MIB)
        self._rng = rng

    def place(self, shape: tuple[int, int, bool], *, noise: float, scattered: bool) -> tuple[int, int] | None:
        """Take a place; returns machine and NUMA node, -1 for both of them; None where there is none."""
        cores, memory, double = shape
        parts = 2 if double else 1
        room: BoolArray = (self.cpu >= cores // parts) & (self.memory >= memory // parts)
        # A NUMA node that is nearly full is the best, on a machine that is nearly full.
        whole = self.cpu.sum(axis=1, keepdims=True)
        cost = whole if double else self.cpu + 0.25 * whole
        room = np.asarray(room.all(axis=1, keepdims=True)) if double else room
        if not room.any():
            return None
        jitter = self._rng.random(cost.shape)
        cost = jitter if scattered else cost + noise * parts * NODE_CPU * jitter
        machine, node = divmod(int(np.where(room, cost, np.inf).argmin()), cost.shape[1])
        place = (machine, -1 if double else node)
        self.take(shape, place)
        return place

    def take(self, shape: tuple[int, int, bool], place: tuple[int, int], sign: int = 1) -> None:
        """Take a place, or give it back with sign -1."""
        cores, memory, double = shape
        nodes: Any = [0, 1] if double else place[1]
        self.cpu[place[0], nodes] -= sign * (cores // 2 if double else cores)
        self.memory[place[0], nodes] -= sign * (memory // 2 if double else memory)


def generate_machines(wish: Wish) -> dict[str, Any]:
    """A cluster as JSON has it; VMs that fit nowhere are left out, `meta` says what load came of it."""
    rng = np.random.default_rng(wish.seed)
    kinds = family(wish.family, wish.double)
    machines = Machines(wish.nodes, rng)
    shapes = _population(kinds, wish, rng)
    placed = [(shape, place) for shape in shapes if (place := machines.place(shape, noise=0.0, scattered=False))]
    _stir(machines, placed, wish, rng)
    order = rng.permutation(len(placed))
    return _document(wish, machines, [placed[place] for place in order], rng)


def _population(kinds: Family, wish: Wish, rng: np.random.Generator) -> list[tuple[int, int, bool]]:
    """VMs in the family's proportions, the largest first, those of a size in random order."""
    wanted = wish.load * 2 * NODE_CPU * wish.nodes / float(kinds.weight @ kinds.cores)
    counts = np.floor(kinds.weight * wanted + rng.random(len(kinds.weight))).astype(int)
    which = np.repeat(np.arange(len(counts)), counts)
    which = which[np.lexsort((rng.random(len(which)), -kinds.cores[which]))]
    rows = (kinds.cores[which], kinds.memory_mib[which], kinds.double[which])
    return list(zip(*(row.tolist() for row in rows), strict=True))


def _stir(machines: Machines, placed: list[Any], wish: Wish, rng: np.random.Generator) -> None:
    """Batches leave and come back; one that does not find room stays where it was."""
    for _ in range(int(wish.churn * len(placed) / BATCH)):
        batch = rng.choice(len(placed), min(BATCH, len(placed)), replace=False).tolist()
        before = [placed[one] for one in batch]
        _take(machines, before, -1)
        back = _come_back(machines, [shape for shape, _ in before], wish.scatter, rng)
        if len(back) < len(before):
            _take(machines, back, -1)
            _take(machines, before)
            back = before
        for one, moved in zip(batch, back, strict=True):
            placed[one] = moved


def _come_back(machines: Machines, shapes: list[Any], scatter: float, rng: np.random.Generator) -> list[Any]:
    """Places of all, or of those before the first that finds none."""
    back: list[Any] = []
    for shape in shapes:
        place = machines.place(shape, noise=NOISE, scattered=bool(rng.random() < scatter))
        if place is None:
            break
        back.append((shape, place))
    return back


def _take(machines: Machines, placed: list[Any], sign: int = 1) -> None:
    for shape, place in placed:
        machines.take(shape, place, sign)


def _document(wish: Wish, machines: Machines, placed: list[Any], rng: np.random.Generator) -> dict[str, Any]:
    shapes, places = [shape for shape, _ in placed], [place for _, place in placed]
    count = len(placed)
    home = np.array([machine for machine, _ in places], np.int64)
    movable = (rng.random(count) >= wish.pinned).astype(int).tolist()
    used = 1.0 - machines.cpu.sum() / (2 * NODE_CPU * wish.nodes)
    return {
        "name": f"{wish.family}-{wish.nodes}-{wish.seed}",
        "fragment": {"cpu": SLOT_CPU, "mem": SLOT_MEMORY_MIB},
        "pms": {
            "id": [f"pm-{place}" for place in range(wish.nodes)],
            "cpu": [[NODE_CPU, NODE_CPU]] * wish.nodes,
            "mem": [[NODE_MEMORY_MIB, NODE_MEMORY_MIB]] * wish.nodes,
            "rack": [f"r{place % RACKS}" for place in range(wish.nodes)],
        },
        "vms": {
            "id": [f"vm-{place}" for place in range(count)],
            "cpu": [cores for cores, _, _ in shapes],
            "mem": [memory for _, memory, _ in shapes],
            "double": [int(double) for _, _, double in shapes],
            "pm": home.tolist(),
            "node": [node for _, node in places],
            "movable": movable,
        },
        "anti_affinity": _groups(home, int(wish.affinity * count) // GROUP, rng),
        "meta": {"generator": "foresail reschedule generate", "seed": wish.seed, "load": round(float(used), 4)},
    }


def _groups(home: IntArray, count: int, rng: np.random.Generator) -> list[list[int]]:
    """Groups of VMs that start on different machines, no VM in two of them."""
    groups: list[list[int]] = []
    group: list[int] = []
    for vm in rng.permutation(len(home)).tolist():
        if len(groups) == count:
            break
        if home[vm] not in home[group]:
            group.append(vm)
        if len(group) == GROUP:
            groups.append(group)
            group = []
    return groups
