"""Plans for virtual machines: to the planner's terms and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from time import process_time

import numpy as np

from foresail.cli.rescheduling.answer import Answer
from foresail.cli.rescheduling.fragments import Fragment
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.sentence import price_told, sentence
from foresail.cli.rescheduling.verification.claim import Move
from foresail.cli.rescheduling.wanted import Wanted
from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.machines.board import Board
from foresail.policies.rescheduling.machines.cluster import Machines, Slot
from foresail.policies.rescheduling.machines.plan import (
    PINNED,
    MachinePlan,
    best_moves,
    contradiction,
    fewest_moves,
)
from foresail.policies.rescheduling.machines.task import Task
from foresail.policies.rescheduling.waves import UNORDERED, Limits

ROUNDING = 1e-9


def solve_machines(instance: VmInstance, wanted: Wanted) -> Answer:
    """Plan."""
    begin = process_time()
    cluster = to_cluster(instance, whole=wanted.objective == "whole-nodes")
    wrong = contradiction(cluster, instance.machines, instance.vms)
    plan = MachinePlan((), (), None, certified=False, reached=False) if wrong else _plan(instance, cluster, wanted)
    seconds = process_time() - begin
    board = Board(cluster)
    before = _measures(instance, board)
    for step in plan.steps:
        board.move(step)
    after = _measures(instance, board)
    missed = not plan.reached or _misses(wanted, after["fragment_rate"])
    return Answer(
        instance=instance,
        objective=wanted.objective,
        moves=tuple(Move(instance.vms[vm], instance.machines[machine], node) for vm, machine, node in plan.steps),
        waves=plan.waves,
        before=before,
        after=after,
        bound=plan.bound,
        certified=plan.certified,
        skipped=tuple(_skipped(instance, plan)),
        cpu_seconds=seconds,
        message=f"No plan: {wrong}." if wrong else _message(plan, wanted, before, after, missed=missed),
        refused=missed,
    )


def to_cluster(instance: VmInstance, *, whole: bool = False) -> Machines:
    """In the planner's terms: slots are what counts, or whole machines without VMs."""
    return Machines(
        slots=() if whole else _slots(instance.fragments),
        cpu=instance.machine_cpu,
        memory=instance.machine_memory,
        vm_cpu=instance.cpu,
        vm_memory=instance.memory,
        double=instance.double,
        machine=instance.machine,
        node=instance.numa_node,
        movable=instance.movable,
        apart=instance.apart,
        workloads=instance.workloads,
    )


def _slots(fragments: tuple[Fragment, ...]) -> tuple[Slot, ...]:
    """Each counts as much as its share of CPU, in whole numbers."""
    parts = [fragment.share * fragment.cpu for fragment in fragments]
    scale = lcm(*(part.denominator for part in parts))
    weights = [int(part * scale) for part in parts]
    return tuple(
        Slot(fragment.cpu, fragment.memory if fragment.memory_counts else 0, weight // gcd(*weights))
        for fragment, weight in zip(fragments, weights, strict=True)
    )


def _plan(instance: VmInstance, cluster: Machines, wanted: Wanted) -> MachinePlan:
    limits = Limits(wanted.limits.parallel, wanted.limits.max_in, wanted.limits.max_out)
    effort = Effort(process_time, wanted.seconds, wanted.seed)
    if wanted.objective == "fewest-moves" and wanted.goal is not None:
        return fewest_moves(cluster, wanted.moves, wanted.goal, limits, effort)
    unit = _unit(instance, cluster)
    price = float(Fraction(str(wanted.price_per_move)) / unit)
    found = best_moves(Task(cluster, wanted.moves, price), limits, effort)
    return found if found.bound is None else replace(found, bound=float(Fraction(found.bound) * unit))


def _unit(instance: VmInstance, cluster: Machines) -> Fraction:
    """Slots of the first size that one of what counts stands for; machines without VMs count one by one."""
    if cluster.whole:
        return Fraction(1)
    return 1 / sum((Fraction(slot.weight * instance.fragment_cpu, slot.cpu) for slot in cluster.slots), Fraction())


def _measures(instance: VmInstance, board: Board) -> dict[str, float]:
    counted = replace(board.cluster, slots=_slots(instance.fragments))
    total, worth = int(board.cpu.sum()), int(counted.node_worth(board.cpu, board.memory).sum())
    slots = worth * _unit(instance, counted)
    rate = float(max(total - slots * instance.fragment_cpu, Fraction()) / total) if total else 0.0
    found = {"fragment_rate": rate, "free_slots": int(slots) if len(instance.fragments) == 1 else float(slots)}
    return found | ({"whole_free_nodes": board.worth()} if board.cluster.whole else {})


def _misses(wanted: Wanted, rate: float) -> bool:
    """Whether a goal that came with another objective is missed."""
    return wanted.objective != "fewest-moves" and wanted.goal is not None and rate > wanted.goal + ROUNDING


def _skipped(instance: VmInstance, plan: MachinePlan) -> Iterator[tuple[str, str]]:
    for vm in np.flatnonzero(~instance.movable).tolist():
        yield instance.vms[vm], PINNED
    for vm in sorted(plan.unordered):
        yield instance.vms[vm], UNORDERED


def _message(
    plan: MachinePlan, wanted: Wanted, before: Mapping[str, float], after: Mapping[str, float], *, missed: bool
) -> str:
    told = f"the fragment rate from {100 * before['fragment_rate']:.2f} % to {100 * after['fragment_rate']:.2f} %"
    better = f"{{:,.10g}} free slots at most{price_told(wanted, 'less')}"
    if wanted.objective == "whole-nodes":
        told = f"machines without VMs from {before['whole_free_nodes']:g} to {after['whole_free_nodes']:g}"
        better = f"{{:,.10g}} machines without VMs at most{price_told(wanted, 'less')}"
    elif wanted.objective == "fewest-moves":
        better = "{:,.10g} moves at least"
    counts = len(plan.steps), len(plan.waves)
    return sentence(wanted, counts, told, better, bound=plan.bound, certified=plan.certified, missed=missed)
