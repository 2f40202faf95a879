"""A compact program: whole numbers of VMs of each shape on each NUMA node, all at once, on HiGHS.

    max  Σ slots_p    slots_p ≤ free CPU of NUMA node p / slot    Σ_p x_sp = VMs of shape s    x_sp ≤ there_sp + a_sp
         Σ a_sp ≤ moves    CPU and memory of each NUMA node    x_sp ≥ those that are pinned there

It knows no order and no anti-affinity, so that what it finds may not be reachable and its bound is one all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time

import numpy as np

from foresail.cli.rescheduling.machines import VmInstance
from foresail.policies.programs.highs import Solver
from foresail.policies.programs.linear import IntArray, LinearProgram


@dataclass(frozen=True, slots=True)
class Found:
    """What HiGHS says within its limit.

    Args:
        slots: None where it found nothing.
        bound: Most slots.
        proven: Whether it calls that optimal.
        cpu_seconds: Building and solving.
    """

    slots: int | None
    bound: float
    proven: bool
    cpu_seconds: float


def solve_compact(instance: VmInstance, moves: int, seconds: float) -> Found:
    """Solve it within so many seconds of the solver's own time."""
    begin = process_time()
    solver = Solver(_program(instance, moves), thorough=True)
    solver._set(presolve="on")  # noqa: SLF001 - HiGHS as it comes: the rival would be lost without it
    solution = solver.solve(seconds)
    slots = None if solution.x is None else round(-solution.objective)
    return Found(slots, -solution.bound, solution.proven, process_time() - begin)


def _program(instance: VmInstance, moves: int) -> LinearProgram:
    program, count = LinearProgram(), len(instance.machines)
    cpu = program.add_rows(2 * count, upper=instance.machine_cpu.ravel())
    memory = program.add_rows(2 * count, upper=instance.machine_memory.ravel())
    slots = program.add_columns(
        2 * count, cost=-1.0, upper=instance.machine_cpu.max() // instance.fragment_cpu, whole=True
    )
    program.put(cpu, slots, instance.fragment_cpu)
    [budget] = program.add_rows(1, upper=moves)
    shapes = np.stack((instance.cpu, instance.memory, instance.double), axis=1)
    for shape in np.unique(shapes, axis=0):
        _add_shape(program, instance, (shapes == shape).all(axis=1), (cpu, memory, budget))
    return program


def _add_shape(
    program: LinearProgram, instance: VmInstance, which: np.ndarray, rows: tuple[IntArray, IntArray, int]
) -> None:
    cpu, memory, budget = rows
    first = int(np.flatnonzero(which)[0])
    double, count = bool(instance.double[first]), len(instance.machines)
    places = instance.machine if double else 2 * instance.machine + instance.numa_node
    size, parts = (count, 2) if double else (2 * count, 1)
    there = np.bincount(places[which], minlength=size)
    pinned = np.bincount(places[which & ~instance.movable], minlength=size)
    x = program.add_columns(size, lower=pinned, whole=True)
    arrive = program.add_columns(size)
    for part in range(parts):
        on = parts * np.arange(size) + part
        program.put(cpu[on], x, instance.cpu[first] // parts)
        program.put(memory[on], x, instance.memory[first] // parts)
    [all_of_them] = program.add_rows(1, lower=there.sum(), upper=there.sum())
    program.put(all_of_them, x, 1.0)
    kept = program.add_rows(size, upper=there)
    program.put(kept, x, 1.0)
    program.put(kept, arrive, -1.0)
    program.put(budget, arrive, 1.0)
