"""A plan that is carried out as it was made, against one made anew before every wave, while VMs come and go."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from time import process_time

import numpy as np

from benchmarks.rescheduling.instances import machines, recorded
from benchmarks.rescheduling.living import Living
from benchmarks.rescheduling.planned import Row
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.solve import solve
from foresail.cli.rescheduling.solve_machines import to_cluster
from foresail.cli.rescheduling.verification.claim import Move
from foresail.cli.rescheduling.wanted import SECONDS, Wanted
from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.plan import MachinePlan, best_moves
from foresail.policies.rescheduling.machines.task import Task
from foresail.policies.rescheduling.replan import Left, next_machine_wave
from foresail.policies.rescheduling.waves import Limits

MOVES, WAVE_SECONDS, CHANGES_PER_MINUTE = 50, 45.0, 40.0
WAVES = 10  # 50 moves, five at a time; a plan that needs more gets its time


def measure_rolling(folder: Path, seeds: int) -> Row:
    """Final fragment rates by way, means over the seeds, for each instance."""
    instances = [("high, seed 0", machines("high", 0)), *recorded(folder, ("medium-H-0", "medium-H-1"))]
    rows = []
    for name, instance in instances:
        static = _waves(instance, MOVES)
        runs = [_run(instance, static, seed) for seed in range(seeds)]
        rates = {way: [run[way] for run in runs] for way in ("nothing", "static", "anew")}
        seconds = max(run["cpu_seconds"] for run in runs)
        means = {way: fmean(found) for way, found in rates.items()}
        moves = {way: fmean(run[f"{way}_moves"] for run in runs) for way in ("static", "anew")}
        rows.append({"instance": name, **means, "runs": rates, "moves": moves, "most_cpu_seconds": seconds})
    return {"rows": rows, "seeds": seeds}


def _run(instance: VmInstance, static: list[list[Move]], seed: int) -> Row:
    """All ways, with others who come and go by the same seed."""
    count = max(WAVES, len(static))
    idle, fixed, anew = (Living(instance, np.random.default_rng(seed)) for _ in range(3))
    left, made, seconds = MOVES, 0, 0.0
    moved: set[str] = set()
    for wave in range(count):
        made += len(fixed.run(static[wave])) if wave < len(static) else 0
        if left:
            begun = process_time()
            done = anew.run(_next(anew.instance(), left, moved))
            seconds = max(seconds, process_time() - begun)
            moved.update(done)
            left -= len(done)
        for living in (idle, fixed, anew):
            living.pass_time(WAVE_SECONDS, CHANGES_PER_MINUTE)
    return {
        "nothing": idle.fragment_rate(),
        "static": fixed.fragment_rate(),
        "anew": anew.fragment_rate(),
        "static_moves": made,
        "anew_moves": MOVES - left,
        "cpu_seconds": seconds,
    }


def _next(now: VmInstance, left: int, moved: set[str]) -> list[Move]:
    rows = [row for row, vm in enumerate(now.vms) if vm in moved]
    found = next_machine_wave(to_cluster(now), Left(left, rows), _plan)
    return [Move(now.vms[vm], now.machines[machine], node) for vm, machine, node in found.wave]


def _plan(cluster: Machines, moves: int) -> MachinePlan:
    return best_moves(Task(cluster, moves), Limits(), Effort(process_time, SECONDS))


def _waves(instance: VmInstance, moves: int) -> list[list[Move]]:
    answer = solve(instance, Wanted(moves))
    return [[answer.moves[place] for place in wave] for wave in answer.waves]
