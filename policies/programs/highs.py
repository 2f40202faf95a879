"""HiGHS on one thread, fed with arrays.

Presolve and restarts stay off for programs with whole numbers: with them HiGHS 1.10 … 1.16 calls "optimal", at a gap of
zero, what costs up to 8 % more than the optimum in one or two of a hundred fleets (docs/adr/0011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray, LinearProgram

_SAFE = {"presolve": "off", "mip_allow_restart": False}
# Heuristics, symmetry and sub-problems cost more than they find here: without them a model is priced in half the time.
_LEAN = _SAFE | {
    "mip_detect_symmetry": False,
    "mip_heuristic_run_feasibility_jump": False,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
}
_THOROUGH = _SAFE | {"mip_pscost_minreliable": 1}  # a fleet's program is long: it branches soon rather than well
TOLERANCE, TIGHT = 1e-6, 1e-7  # of rows and of whole numbers: HiGHS's own, and a second try's
GAP = 1e-6  # absolute, USD/h: to this an optimum is proven
_FOUND = 2  # HiGHS: kSolutionStatusFeasible
_Status = highspy.HighsModelStatus
_PROVEN = {_Status.kOptimal, _Status.kModelEmpty, _Status.kInfeasible}
_ANSWERS = _PROVEN | {_Status.kTimeLimit}


class SolverError(ArithmeticError):
    """The solver could not make sense of a program."""


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What came of a solve.

    Args:
        x: Shape (columns,), None when nothing was found that holds.
        objective: Of `x`.
        bound: No solution costs less.
        proven: Whether `x` is known to be the best, or to be absent because there is none.
        row_prices: Shape (rows,): what the objective gains per unit of a row's limit; of linear programs only.
        reduced_costs: Shape (columns,): what it gains per unit of a column that is at a limit; likewise.
    """

    x: FloatArray | None
    objective: float
    bound: float
    proven: bool
    row_prices: FloatArray
    reduced_costs: FloatArray


class Solver:
    """A program in HiGHS: costs and limits may change between solves, and columns be added; it starts from the last.

    Args:
        program: Copied when the solver is made.
        relative_gap: At which a search over whole numbers may stop.
        relaxed: Whole numbers need not be whole.
        thorough: A large program is searched, where heuristics pay.

    Raises:
        SolverError: A cost, a limit or an entry is not a number.
    """

    def __init__(
        self, program: LinearProgram, *, relative_gap: float = 0.0, relaxed: bool = False, thorough: bool = False
    ) -> None:
        self._whole = program.whole & (not relaxed)
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        whole = bool(self._whole.any())
        self._set(output_flag=False, threads=1, mip_abs_gap=GAP, mip_rel_gap=relative_gap, random_seed=0)
        self._set(**((_THOROUGH if thorough else _LEAN) if whole else {}))
        self._highs.passModel(_lp(program, whole=whole))
        low, high = program.row_limits()
        self._holds_at_zero = bool((low <= 0.0).all() and (high >= 0.0).all())

    def solve(self, seconds: float | None = None) -> Solution:
        """Solve, within `seconds` of the solver's own time when given.

        Raises:
            SolverError: It gave up for another reason than time.
        """
        self._set(time_limit=highspy.kHighsInf if seconds is None else max(seconds, 0.0))
        status = self._run()
        if status not in _ANSWERS or (status == _Status.kInfeasible and self._whole.any()):
            # A solution that is off by the tolerance may be called an error, and a program that has one infeasible;
            # within a tighter one there is another.
            self._set(mip_feasibility_tolerance=TIGHT)
            self._highs.clearSolver()
            status = self._run()
            self._set(mip_feasibility_tolerance=TOLERANCE)
        if status not in _ANSWERS:
            raise SolverError(f"HiGHS ended with {self._highs.modelStatusToString(status)!r}: no answer to build on")
        return self._read(status)

    def _run(self) -> Any:
        self._highs.run()
        return self._highs.getModelStatus()

    @property
    def seconds(self) -> float:
        """What all solves so far took."""
        return float(self._highs.getRunTime())

    def start(self, columns: IntArray, values: FloatArray) -> None:
        """Begin the next search from a solution with these values, if there is one."""
        self._highs.setSolution(len(columns), columns.astype(np.int32), values)

    def set_costs(self, columns: IntArray, costs: FloatArray) -> None:
        """Give columns other costs."""
        self._highs.changeColsCost(len(columns), columns.astype(np.int32), costs)

    def set_bounds(self, columns: IntArray, lower: FloatArray | IntArray, upper: FloatArray | IntArray) -> None:
        """Give columns other limits."""
        limits = (np.asarray(lower, np.float64), np.asarray(upper, np.float64))
        self._highs.changeColsBounds(len(columns), columns.astype(np.int32), *limits)

    def add_column(self, cost: float, rows: IntArray, values: FloatArray) -> None:
        """Add an unknown of at least 0 with its entries."""
        self._highs.addCol(cost, 0.0, highspy.kHighsInf, len(rows), rows.astype(np.int32), values)

    def _set(self, **options: Any) -> None:
        for name, value in options.items():
            self._highs.setOptionValue(name, value)

    def _read(self, status: Any) -> Solution:
        info, solution = self._highs.getInfo(), self._highs.getSolution()
        ended = status in _PROVEN
        empty = status == _Status.kModelEmpty  # without columns, which HiGHS does not look into
        found = self._holds_at_zero if empty else info.primal_solution_status == _FOUND
        whole = bool(self._whole.any())
        objective = float(info.objective_function_value) if found else float("inf")
        bound = float(info.mip_dual_bound) if whole else objective if ended else -float("inf")
        duals = ([], []) if whole or not found else (solution.row_dual, solution.col_dual)
        prices, reduced = (np.asarray(values, np.float64) for values in duals)
        return Solution(self._rounded(solution.col_value) if found else None, objective, bound, ended, prices, reduced)

    def _rounded(self, values: Any) -> FloatArray:
        x = np.asarray(values, np.float64)
        own = len(self._whole)
        x[:own] = np.where(self._whole, np.rint(x[:own]), x[:own])
        return x


def solve(program: LinearProgram, *, seconds: float | None = None, relative_gap: float = 0.0) -> Solution:
    """Solve a program once."""
    return Solver(program, relative_gap=relative_gap).solve(seconds)


def _check(program: LinearProgram) -> None:
    """HiGHS takes what is not a number for one, and calls the outcome optimal."""
    numbers = {
        "a cost": np.isfinite(program.cost),
        "a limit of a column": ~np.isnan(program.lower + program.upper),
        "a limit of a row": ~np.isnan(np.stack(program.row_limits())),
        "an entry": np.isfinite(program.matrix().value),
    }
    for what, fine in numbers.items():
        if not fine.all():
            raise SolverError(
                f"{what} of the program is not a number: nor is a demand, a capacity, a price or a limit then"
            )


def _lp(program: LinearProgram, *, whole: bool) -> Any:
    _check(program)
    lp, matrix = highspy.HighsLp(), program.matrix()
    lp.num_col_, lp.num_row_ = program.columns, program.rows
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_limits()
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = matrix.start.astype(np.int32)
    lp.a_matrix_.index_ = matrix.row.astype(np.int32)
    lp.a_matrix_.value_ = matrix.value
    if whole:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[flag] for flag in program.whole.astype(int)]
    return lp
