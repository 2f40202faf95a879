"""A plan for virtual machines: the N moves that are worth most, or as few moves as reach a fragment rate."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.machines.board import Board, Step
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.search import Found, search
from foresail.policies.rescheduling.machines.task import ROUNDING, Task, flow
from foresail.policies.rescheduling.waves import Limits, pack

PINNED = "pinned: marked as not movable"


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """Moves that are safe in their order, and in their waves.

    Args:
        steps: In order.
        waves: Places in `steps`.
        bound: What no moves are worth more than, or the fewest that reach the goal; None: not known.
        certified: Whether no plan is better.
        unordered: VMs that a better plan would move, whose moves found no order in which each has room.
        reached: Whether the goal is reached; True without one.
    """

    steps: tuple[Step, ...]
    waves: tuple[tuple[int, ...], ...]
    bound: float | None
    certified: bool
    unordered: frozenset[int] = frozenset()
    reached: bool = True


def best_moves(task: Task, limits: Limits, effort: Effort) -> MachinePlan:
    """The moves that are worth most, less what they cost."""
    found = search(task, effort)
    most = task.reachable(found.bound)
    return _plan(task.cluster, found, limits, most, certified=found.worth >= most - ROUNDING)


def fewest_moves(cluster: Machines, moves: int, goal: float, limits: Limits, effort: Effort) -> MachinePlan:
    """As few moves as bring the fragment rate to a goal, at most so many; else as low as so many moves bring it."""
    wanted = ceil((1.0 - goal) * int(cluster.free_cpu.sum()) / cluster.worth_cpu - ROUNDING)
    until = effort.clock() + effort.seconds

    def tried(count: int, parts: int) -> Found:
        left = max(until - effort.clock(), 0.0)
        return search(Task(cluster, count), Effort(effort.clock, left / parts, effort.seed))

    best, least = tried(moves, 2), 0
    if best.worth < wanted:
        return _plan(cluster, best, limits, None, certified=False, reached=False)
    best = _until_worth(cluster, best, wanted)
    low, high = 0, len(best.steps)
    while low < high and effort.clock() < until:
        middle = (low + high) // 2
        found = tried(middle, 3)
        if found.bound < wanted - ROUNDING:
            least = max(least, middle + 1)
        if found.worth >= wanted:
            best = _until_worth(cluster, found, wanted)
            high = len(best.steps)
        else:
            low = middle + 1
    return _plan(cluster, best, limits, float(least), certified=len(best.steps) == least)


def _until_worth(cluster: Machines, found: Found, wanted: int) -> Found:
    """Without the moves after those with which so much is reached."""
    board = Board(cluster)
    for step in found.steps:
        if board.worth() >= wanted:
            break
        board.move(step)
    return found._replace(steps=board.steps, worth=float(board.worth()), unordered=frozenset())


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
        [flow(cluster, step) for step in found.steps],
        limits,
        homes=cluster.machine.tolist(),
        neighbors=cluster.neighbors,
    )
    return MachinePlan(tuple(found.steps), tuple(map(tuple, waves)), bound, certified, found.unordered, reached)
