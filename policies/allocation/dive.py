"""A good plan soon: replicas are made whole one variant after the other, the dearest first, each way that costs less.

What is left for the last, cheapest variant to round up is about one of its replicas.
"""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.fleet import FleetProgram
from foresail.policies.programs.highs import Solution, Solver
from foresail.policies.programs.linear import IntArray

WHOLE = 1e-6  # replicas this close to a whole number are one


def dive(fleet: FleetProgram) -> FloatArray | None:
    """A solution of the program with whole replicas, None where the way down ended without one.

    Args:
        fleet: Of any shares, not of slices.
    """
    replicas = np.concatenate([columns.replicas for columns in fleet.columns])
    solver = Solver(fleet.program, relaxed=True)
    found = solver.solve()
    for column in replicas[np.argsort(-fleet.program.cost[replicas], kind="stable")]:
        if found.x is None:
            return None
        found = _make_whole(solver, found, column)
    return None if found.x is None else _rounded(found.x, replicas)


def _make_whole(solver: Solver, found: Solution, column: int) -> Solution:
    """Fix one variant's replicas at the whole number below or above, whichever leads to the lesser cost."""
    at = float(found.x[column]) if found.x is not None else 0.0
    tried = []
    for count in sorted({np.floor(at + WHOLE), np.ceil(at - WHOLE)}):
        _fix(solver, column, count)
        tried.append((solver.solve(), count))
    best, count = min(tried, key=lambda pair: pair[0].objective)
    _fix(solver, column, count)
    return best


def _fix(solver: Solver, column: int, count: float) -> None:
    solver.set_bounds(np.array([column]), np.array([count]), np.array([count]))


def _rounded(x: FloatArray, replicas: IntArray) -> FloatArray:
    whole = x.copy()
    whole[replicas] = np.rint(x[replicas])
    return whole
