"""Plans made anew after every wave: laws on clusters in which others leave and come between the waves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foresail.policies.rescheduling.gpu_plan import PodPlan
from foresail.policies.rescheduling.machines.board import Board, Step
from foresail.policies.rescheduling.machines.cluster import Machines, Slot
from foresail.policies.rescheduling.machines.plan import MachinePlan, best_moves
from foresail.policies.rescheduling.machines.task import Task
from foresail.policies.rescheduling.pods import PodInstance
from foresail.policies.rescheduling.replan import Left, next_machine_wave, next_pod_wave
from foresail.policies.rescheduling.waves import Limits
from tests.unit.policies.rescheduling.gpu_cases import read_pods
from tests.unit.policies.rescheduling.test_gpu_plan import planned
from tests.unit.policies.rescheduling.test_machines import PATIENT, cluster

LIMITS = Limits(parallel=2, into=1, out=1)


def plan(made: Machines, moves: int) -> MachinePlan:
    return best_moves(Task(made, moves), LIMITS, PATIENT)


def plan_pods(instance: PodInstance, moves: int) -> PodPlan:
    return planned(instance, moves, LIMITS)


def carried_out(now: Machines, wave: tuple[Step, ...]) -> Machines:
    """The cluster after a wave, all of whose destinations must be free before any source is given up."""
    cpu, memory = now.free_cpu.copy(), now.free_memory.copy()
    for vm, machine, node in wave:
        numa = [0, 1] if node < 0 else [node]
        cpu[machine, numa] -= now.parts[0][vm]
        memory[machine, numa] -= now.parts[1][vm]
    assert min(cpu.min(), memory.min()) >= 0
    board = Board(now)
    for step in wave:
        board.move(step)
    return replace(now, machine=board.machine, node=board.node)


def without(now: Machines, vm: int) -> Machines:
    """The cluster when a VM has left: its size is nothing."""
    cpu, memory = now.vm_cpu.copy(), now.vm_memory.copy()
    cpu[vm] = memory[vm] = 0
    movable = now.movable.copy()
    movable[vm] = False
    return replace(now, vm_cpu=cpu, vm_memory=memory, movable=movable)


@pytest.mark.parametrize("seed", range(5))
def test_waves_fit_what_is_true_now_keep_the_budget_and_move_nobody_twice(seed: int) -> None:
    now, moved, left = cluster(seed, machines=8, vms=30), list[int](), 6
    rng, slots = np.random.default_rng(seed), []
    while wave := next_machine_wave(now, Left(left, moved), plan).wave:
        assert len(wave) <= min(LIMITS.parallel, left)
        moved += [step.vm for step in wave]
        left -= len(wave)
        now = carried_out(now, wave)
        slots.append(now.start)
        now = without(now, int(rng.integers(30)))
    assert left >= 0
    assert slots
    assert len(set(moved)) == len(moved)


@pytest.mark.parametrize("seed", range(5))
def test_where_nobody_comes_or_goes_the_end_is_no_worse_than_the_start(seed: int) -> None:
    now, moved = cluster(seed, machines=8, vms=30), list[int]()
    before = now.start
    while wave := next_machine_wave(now, Left(6 - len(moved), moved), plan).wave:
        moved += [step.vm for step in wave]
        now = carried_out(now, wave)
    assert now.start > before


def test_the_plan_behind_the_wave_begins_with_it() -> None:
    made = cluster(3, machines=8, vms=30)
    found = next_machine_wave(made, Left(6), plan)
    assert found.wave == tuple(found.plan.steps[place] for place in found.plan.waves[0])
    assert len(found.plan.waves) > 1


def test_nothing_is_moved_without_a_gain_or_a_budget_or_somebody_who_may() -> None:
    made = cluster(3, machines=8, vms=30)
    whole = replace(made, slots=(Slot(1),))  # all that is free is in slots already
    for now, left in ((whole, Left(6)), (made, Left(0)), (made, Left(6, range(30)))):
        assert next_machine_wave(now, left, plan).wave == ()


def test_pods_that_moved_stay() -> None:
    pods = {"id": ["p", "q"], "cpu": [1, 1], "mem": [1, 1], "num_gpu": [1, 1], "gpu_milli": [500, 500]}
    instance = read_pods(
        {
            "nodes": {"id": ["a", "b"], "cpu": [9, 9], "mem": [9, 9], "gpu": [1, 1], "model": ["", ""]},
            "pods": pods | {"node": [0, 1], "cards": [[0], [0]]},
            "types": {"cpu": [1], "mem": [1], "num_gpu": [1], "gpu_milli": [1000], "share": [1.0]},
        }
    )
    [move] = next_pod_wave(instance, Left(2), plan_pods).wave
    [other] = next_pod_wave(instance, Left(2, [move.pod]), plan_pods).wave
    assert {move.pod, other.pod} == {0, 1}
    assert next_pod_wave(instance, Left(2, [0, 1]), plan_pods).wave == ()
    assert next_pod_wave(instance, Left(0), plan_pods).wave == ()
