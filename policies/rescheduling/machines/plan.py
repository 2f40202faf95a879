"""A plan for virtual machines: as many free slots as N moves can leave, or as few moves as reach a fragment rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from foresail.policies.rescheduling.machines.board import Step
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.search import Found, search
from foresail.policies.rescheduling.waves import Flow, Limits, pack

PINNED = "pinned: marked as not movable"
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """Moves that are safe in their order, and in their waves.

    Args:
        steps: In order.
        waves: Places in `steps`.
        bound: The most slots that so many moves can leave, or the fewest moves that reach the goal; None: not known.
        certified: Whether no plan is better.
        reached: Whether the goal is reached; True without one.
    """

    steps: tuple[Step, ...]
    waves: tuple[tuple[int, ...], ...]
    bound: float | None
    certified: bool
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Effort:
    """What a plan may take.

    Args:
        clock: CPU seconds.
        seconds: For the search.
        seed: Of everything random.
    """

    clock: Callable[[], float]
    seconds: float
    seed: int = 0


def most_slots(cluster: Machines, moves: int, limits: Limits, effort: Effort) -> MachinePlan:
    """At most so many moves that leave as many slots as can be."""
    found = search(cluster, moves, effort.clock, effort.seconds, effort.seed)
    most = floor(found.bound + _ROUNDING)
    return _plan(cluster, found, limits, float(most), certified=found.slots == most)


def fewest_moves(cluster: Machines, moves: int, goal: float, limits: Limits, effort: Effort) -> MachinePlan:
    """As few moves as bring the fragment rate to a goal, at most so many; else as low as so many moves bring it."""
    free = int(cluster.free_cpu.sum())
    wanted = ceil((1.0 - goal) * free / cluster.slot_cpu - _ROUNDING)
    until = effort.clock() + effort.seconds

    def tried(count: int, parts: int) -> Found:
        left = max(until - effort.clock(), 0.0)
        return search(cluster, count, effort.clock, left / parts, effort.seed)

    best, least = tried(moves, 2), 0
    if floor(best.bound + _ROUNDING) < wanted or best.slots < wanted:
        return _plan(cluster, best, limits, None, certified=False, reached=best.slots >= wanted)
    high = len(best.steps)
    low = 0
    while low < high:
        middle = (low + high) // 2
        found = tried(middle, 3)
        if floor(found.bound + _ROUNDING) < wanted:
            least = max(least, middle + 1)
        if found.slots >= wanted:
            best, high = found, min(middle, len(found.steps))
        else:
            low = middle + 1
    return _plan(cluster, best, limits, float(least), certified=len(best.steps) == least)


def contradiction(cluster: Machines, machines: tuple[str, ...], vms: tuple[str, ...]) -> str | None:
    """What of the start cannot be: a machine that is over-committed, VMs together that must be apart; None: nothing."""
    for what, free in (("CPU", cluster.free_cpu), ("memory", cluster.free_memory)):
        for row, numa in zip(*(free < 0).nonzero(), strict=True):
            units = ", ".join(vms[vm] for vm in ((cluster.machine == row) & cluster.on[:, numa]).nonzero()[0].tolist())
            over = f"{-free[row, numa]} more {what} than NUMA node {numa} has is held by {units}"
            return f"machine {machines[row]} is over-committed: {over}"
    for group in cluster.apart:
        there: dict[int, int] = {}
        for vm in group:
            other = there.setdefault(int(cluster.machine[vm]), vm)
            if other != vm:
                return f"{vms[other]} and {vms[vm]} must be apart and are both on {machines[cluster.machine[vm]]}"
    return None


def _plan(
    cluster: Machines, found: Found, limits: Limits, bound: float | None, *, certified: bool, reached: bool = True
) -> MachinePlan:
    waves = pack(
        np.hstack((cluster.free_cpu, cluster.free_memory)),
        [_flow(cluster, step) for step in found.steps],
        limits,
        homes=cluster.machine.tolist(),
        neighbors=cluster.neighbors,
    )
    return MachinePlan(tuple(found.steps), tuple(map(tuple, waves)), bound, certified, reached)


def _flow(cluster: Machines, step: Step) -> Flow:
    cpu, memory = (int(part[step.vm]) for part in cluster.parts)
    gives, takes = cluster.on[step.vm], np.array([step.node in (-1, numa) for numa in (0, 1)])
    size = np.array([cpu, cpu, memory, memory], np.int64)
    source = int(cluster.machine[step.vm])
    workload = cluster.workloads[step.vm] if cluster.workloads else ""
    return Flow(step.vm, source, step.machine, size * np.tile(gives, 2), size * np.tile(takes, 2), workload)
