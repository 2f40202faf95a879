"""The cheapest replicas for every window, when all windows are known: one program over them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foresail.domain.allocation import ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.program import SECONDS_PER_HOUR, add_model, most_replicas, traffic_of
from foresail.policies.programs.highs import Solver
from foresail.policies.programs.linear import IntArray, LinearProgram

GAP, SECONDS = 5e-3, 60.0
MORE = 10  # replicas beyond what a window can use: they may be kept for a later one


def foresee(
    model: ModelDemand, windows: Sequence[FloatArray], window_seconds: float, *, seconds: float = SECONDS
) -> tuple[IntArray, float]:
    """Replicas, shape (windows, V), and the USD that no plan can go below; what the first window starts is free."""
    program, replicas = LinearProgram(), []
    starts = [own.usd_per_hour * own.startup_seconds / SECONDS_PER_HOUR for own in model.candidates]
    for demand in windows:
        own = replace(model, demand_rps=demand)
        traffic = traffic_of(own)
        replicas.append(add_model(program, own, traffic, most_replicas(own, traffic, {}) + MORE).replicas)
        if len(replicas) > 1:
            started, rows = program.add_columns(len(starts), cost=starts), program.add_rows(len(starts), lower=0.0)
            program.put(rows, started, 1.0)
            program.put(rows, replicas[-1], -1.0)
            program.put(rows, replicas[-2], 1.0)
    solver, columns = Solver(program, relative_gap=GAP), np.concatenate(replicas)
    solver.set_costs(columns, program.cost[columns] * window_seconds / SECONDS_PER_HOUR)
    found = solver.solve(seconds)
    if found.x is None:
        raise ArithmeticError("no plan for all windows was found in time: allow more seconds")
    return found.x[columns].astype(np.int64).reshape(len(windows), -1), found.bound
