from __future__ import annotations

import numpy as np
import pytest

from foresail.policies.programs.highs import Solver, SolverError, solve
from foresail.policies.programs.linear import LinearProgram

NAN = float("nan")


def covering(seed: int, columns: int = 200, rows: int = 100) -> LinearProgram:
    """A covering program over whole numbers that takes far longer than any limit below."""
    generator = np.random.default_rng(seed)
    program = LinearProgram()
    x = program.add_columns(columns, cost=generator.uniform(1, 2, columns), upper=9.0, whole=True)
    row = program.add_rows(rows, lower=generator.uniform(20, 100, rows))
    program.put(row[:, None], x[None, :], generator.integers(0, 20, (rows, columns)))
    return program


def two_columns(
    cost: float = 1.0, upper: float = 5.0, least: float = 1.0, entry: float = 1.0, *, whole: bool = False
) -> LinearProgram:
    program = LinearProgram()
    x = program.add_columns(2, cost=[cost, 2.0], upper=upper, whole=whole)
    program.put(program.add_rows(1, lower=least), x, [entry, 1.0])
    return program


def covers(program: LinearProgram, x: np.ndarray) -> bool:
    matrix, (low, _) = program.matrix(), program.row_limits()
    total = np.zeros(program.rows)
    column = np.repeat(np.arange(program.columns), np.diff(matrix.start))
    np.add.at(total, matrix.row, matrix.value * x[column])
    return bool((total >= low - 1e-6).all())


def test_the_best_found_by_the_limit_is_returned_with_a_bound() -> None:
    program = covering(0)
    found = solve(program, seconds=0.2)
    assert not found.proven
    assert found.x is not None
    assert covers(program, found.x)
    assert (found.x == np.rint(found.x)).all()
    assert found.objective == pytest.approx(program.cost @ found.x)
    assert 0.0 < found.bound < found.objective
    # The relaxation is a bound by itself.
    assert found.bound >= Solver(program, relaxed=True).solve().objective - 1e-6


def test_no_time_at_all_is_not_a_proof_that_there_is_nothing() -> None:
    found = solve(covering(0), seconds=0.0)
    assert found.x is None
    assert not found.proven
    assert found.bound <= 0.0


def test_a_limit_counts_from_each_solve() -> None:
    solver = Solver(covering(1))
    solver.solve(0.3)
    better = solver.solve(0.3)
    assert better.x is not None
    assert solver.seconds >= 0.5


@pytest.mark.parametrize("whole", [False, True])
def test_what_cannot_be_is_known_not_to_be(whole: bool) -> None:
    found = solve(two_columns(least=11.0, whole=whole))  # two columns of at most 5
    assert found.x is None
    assert found.proven


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("program", "what"),
    [
        ({"cost": NAN}, "a cost"),
        ({"upper": NAN}, "a limit of a column"),
        ({"least": NAN}, "a limit of a row"),
        ({"entry": NAN}, "an entry"),
        ({"entry": float("inf")}, "an entry"),
    ],
)
def test_what_is_not_a_number_is_refused_and_named(program: dict[str, float], what: str, whole: bool) -> None:
    with pytest.raises(SolverError, match=what):
        solve(two_columns(**program, whole=whole))


@pytest.mark.parametrize("whole", [False, True])
def test_a_solver_without_an_answer_says_so(whole: bool) -> None:
    with pytest.raises(SolverError, match="Unbounded"):
        solve(two_columns(cost=-1.0, upper=float("inf"), whole=whole))


def test_a_program_without_columns_is_one_whose_rows_are_looked_at() -> None:
    assert solve(LinearProgram()).objective == 0.0
    program = LinearProgram()
    program.add_rows(1, upper=0.0)
    assert solve(program).x is not None
    program.add_rows(1, lower=1.0)
    assert solve(program).x is None


def test_the_same_program_has_the_same_solution_to_the_last_bit() -> None:
    first, second = (solve(covering(2, columns=14, rows=6)) for _ in range(2))
    assert first.proven
    assert first.x is not None
    assert second.x is not None
    assert first.x.tobytes() == second.x.tobytes()
    assert (first.objective, first.bound) == (second.objective, second.bound)


def test_it_works_on_one_thread_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    solver = Solver(covering(2, columns=14, rows=6))
    solver.solve()
    assert solver._highs.getOptionValue("threads")[1] == 1
    assert capfd.readouterr() == ("", "")


def test_presolve_and_restarts_stay_off_for_whole_numbers() -> None:
    """With them wrong plans are called optimal (docs/adr/0011)."""
    solver = Solver(covering(0))
    assert solver._highs.getOptionValue("presolve")[1] == "off"
    assert solver._highs.getOptionValue("mip_allow_restart")[1] is False


def test_costs_limits_and_columns_change_between_solves() -> None:
    solver = Solver(two_columns(least=4.0))
    assert solver.solve().objective == pytest.approx(4.0)  # 4 of the first at 1
    solver.set_costs(np.array([0]), np.array([3.0]))
    assert solver.solve().objective == pytest.approx(8.0)  # 4 of the second at 2
    solver.set_bounds(np.array([1]), np.array([0.0]), np.array([1.0]))
    assert solver.solve().objective == pytest.approx(11.0)  # one at 2, three at 3
    solver.add_column(0.5, np.array([0]), np.array([1.0]))
    found = solver.solve()
    assert found.objective == pytest.approx(2.0)  # 4 of the new one
    assert found.row_prices[0] == pytest.approx(0.5)
