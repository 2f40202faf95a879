"""Plans for virtual machines: to the planner's terms and back."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from time import process_time

import numpy as np

from foresail.cli.rescheduling.answer import Answer
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.verification.claim import Move
from foresail.cli.rescheduling.wanted import Wanted
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.plan import (
    PINNED,
    Effort,
    MachinePlan,
    contradiction,
    fewest_moves,
    most_slots,
)
from foresail.policies.rescheduling.waves import Limits

ROUNDING = 1e-9


def solve_machines(instance: VmInstance, wanted: Wanted) -> Answer:
    """Plan."""
    begin = process_time()
    cluster = to_cluster(instance)
    wrong = contradiction(cluster, instance.machines, instance.vms)
    plan = MachinePlan((), (), None, certified=False, reached=False) if wrong else _plan(cluster, wanted)
    seconds = process_time() - begin
    before = _measures(instance, cluster.free_cpu)
    after = _measures(instance, _free_after(cluster, plan))
    missed = wanted.goal is not None and after["fragment_rate"] > wanted.goal + ROUNDING
    return Answer(
        instance=instance,
        objective=wanted.objective,
        moves=tuple(Move(instance.vms[vm], instance.machines[machine], node) for vm, machine, node in plan.steps),
        waves=plan.waves,
        before=before,
        after=after,
        bound=plan.bound,
        certified=plan.certified,
        skipped=tuple((instance.vms[vm], PINNED) for vm in np.flatnonzero(~instance.movable).tolist()),
        cpu_seconds=seconds,
        message=f"No plan: {wrong}." if wrong else _message(plan, wanted, before, after),
        refused=wrong is not None or missed,
    )


def to_cluster(instance: VmInstance) -> Machines:
    """In the planner's terms."""
    return Machines(
        slot_cpu=instance.fragment_cpu,
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


def _plan(cluster: Machines, wanted: Wanted) -> MachinePlan:
    limits = Limits(wanted.limits.parallel, wanted.limits.max_in, wanted.limits.max_out)
    effort = Effort(process_time, wanted.seconds, wanted.seed)
    if wanted.objective == "fewest-moves" and wanted.goal is not None:
        return fewest_moves(cluster, wanted.moves, wanted.goal, limits, effort)
    return most_slots(cluster, wanted.moves, limits, effort)


def _free_after(cluster: Machines, plan: MachinePlan) -> np.ndarray:
    free, part = cluster.free_cpu.copy(), cluster.parts[0]
    for vm, machine, node in plan.steps:
        free[cluster.machine[vm], cluster.on[vm]] += part[vm]
        free[machine, slice(None) if node < 0 else node] -= part[vm]
    return free


def _measures(instance: VmInstance, free: np.ndarray) -> dict[str, float]:
    total, slots = int(free.sum()), int((free // instance.fragment_cpu).sum())
    rate = (total - slots * instance.fragment_cpu) / total if total else 0.0
    return {"fragment_rate": rate, "free_slots": slots}


def _message(plan: MachinePlan, wanted: Wanted, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    moves = f"{len(plan.steps)} move{'' if len(plan.steps) == 1 else 's'}"
    waves = f"{len(plan.waves)} wave{'' if len(plan.waves) == 1 else 's'}"
    rates = f"{100 * before['fragment_rate']:.2f} % to {100 * after['fragment_rate']:.2f} %"
    done = f"{moves} in {waves} take the fragment rate from {rates}" if plan.steps else "Nothing is moved"
    if not plan.reached:
        return f"The goal of {wanted.goal:g} is out of reach: {done[0].lower()}{done[1:]}."
    if plan.certified:
        return f"{done}; no plan of {'fewer' if wanted.goal is not None else 'as many'} moves does better."
    if plan.bound is None:
        return f"{done}; nothing is proven of better plans."
    unit = "moves at least" if wanted.objective == "fewest-moves" else "free slots at most"
    return f"{done}; a better plan would have {floor(plan.bound + 1e-6):,} {unit}."
