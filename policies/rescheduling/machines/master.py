"""The master program of patterns: one for each machine, as many comers as leavers of each shape, N moves in all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.highs import Solver
from foresail.policies.programs.linear import IntArray, LinearProgram
from foresail.policies.rescheduling.machines.pricing import Patterns, Pricing
from foresail.policies.rescheduling.machines.seats import Handover, handovers
from foresail.policies.rescheduling.machines.task import EARLY

Counts = tuple[tuple[int, int, int], ...]  # NUMA node (2: both), shape, number


class Pattern(NamedTuple):
    """Who leaves a machine and who comes, and what is worth more then."""

    machine: int
    leave: Counts
    come: Counts
    gain: float

    @property
    def left(self) -> int:
        """How many leave."""
        return sum(count for _, _, count in self.leave)


class Choice(NamedTuple):
    """Whole patterns, and how often room is handed over to smaller VMs."""

    patterns: list[Pattern]
    handed: list[tuple[Handover, int]]


class Master:
    """Patterns that are known, and the best of them, in fractions or whole: their worth less a price of each move."""

    def __init__(self, pricing: Pricing, moves: int, price: float) -> None:
        self._pricing, self.moves, self._price = pricing, moves, price
        self._known: set[Pattern] = set()
        self._patterns: list[Pattern] = []
        self._handovers = handovers(pricing.kinds)
        self._solver = Solver(self._frame(), relaxed=True)

    def add(self, found: Patterns) -> int:
        """Add those that are new and do something; says how many."""
        before = len(self._patterns)
        gain = found.worth - self._pricing.base[found.machine]
        for row in np.flatnonzero(found.leave.any(axis=(1, 2)) | found.come.any(axis=(1, 2))).tolist():
            leave, come = _counts(found.leave[row]), _counts(found.come[row])
            pattern = Pattern(int(found.machine[row]), leave, come, float(gain[row]))
            if pattern not in self._known:
                self._known.add(pattern)
                self._patterns.append(pattern)
                self._solver.add_column(self._cost(pattern), *self._column(pattern))
        return len(self._patterns) - before

    def limit(self, moves: int) -> None:
        """Let there be at most so many moves."""
        self.moves = moves
        self._solver.set_bounds(np.zeros(1, np.int64), np.zeros(1), np.array([float(moves)]))

    def relax(self) -> tuple[float, FloatArray, float]:
        """What fractions of patterns gain, prices of shapes, and what a move is worth beyond its price."""
        solution = self._solver.solve()
        prices = np.maximum(-solution.row_prices, 0.0)
        return -solution.objective, prices[: self._pricing.shapes], float(prices[self._pricing.shapes])

    def choose(self, seconds: float, gain: float, step: float, rng: np.random.Generator) -> Choice:
        """The best whole patterns; gains are multiples of `step`, and none above `gain` is looked for.

        Of those that are as good, chance picks.
        """
        program, own = self._frame(pairs=False), 1 + len(self._handovers)
        cost = np.array([self._cost(pattern) for pattern in self._patterns])
        blur = EARLY * rng.random(len(cost))
        columns = program.add_columns(len(cost), cost=cost + blur, upper=1.0, whole=True)
        for column, pattern in zip(columns.tolist(), self._patterns, strict=True):
            rows, values = self._column(pattern)
            program.put(rows, column, values)
        [most] = program.add_rows(1, upper=gain)  # nothing better exists, so that the search may end there
        program.put(most, columns, [pattern.gain - self._price * pattern.left for pattern in self._patterns])
        solution = Solver(program, relative_gap=0.4 * step / max(gain, step), thorough=True).solve(seconds)
        if solution.x is None:
            return Choice([], [])
        # Handing over is a flow between whole numbers, and so comes out whole.
        times = np.rint(solution.x[1:own]).astype(int).tolist()
        chosen = [self._patterns[place] for place in np.flatnonzero(solution.x[own:] > 0.5).tolist()]
        handed = [(one, count) for one, count in zip(self._handovers, times, strict=True) if count]
        return Choice(chosen, handed)

    def _cost(self, pattern: Pattern) -> float:
        return (EARLY + self._price) * pattern.left - pattern.gain

    def _column(self, pattern: Pattern) -> tuple[IntArray, FloatArray]:
        """Leavers less comers of each shape, moves, and the machine."""
        net: dict[int, int] = {}
        for sign, counts in ((1, pattern.leave), (-1, pattern.come)):
            for _, shape, count in counts:
                net[shape] = net.get(shape, 0) + sign * count
        moves = self._pricing.shapes
        rows = [*net, moves, moves + 1 + pattern.machine]
        return np.array(rows, np.int64), np.array([*net.values(), pattern.left, 1.0], np.float64)

    def _frame(self, *, pairs: bool = True) -> LinearProgram:
        """Leavers of a shape need comers: Σ leavers ≤ Σ comers; a column of moves that may be made, and handovers.

        Those to pairs make prices better and are no flow, so that they are left out where patterns are whole.
        """
        program = LinearProgram()
        program.add_rows(self._pricing.shapes, upper=0.0)
        [made] = program.add_rows(1, upper=0.0)
        program.add_rows(len(self._pricing.base), upper=1.0)
        program.put(made, program.add_columns(1, upper=float(self.moves)), -1.0)
        for of, to in self._handovers:
            [column] = program.add_columns(1, upper=np.inf if pairs or len(to) == 1 else 0.0)
            rows, counts = np.unique(to, return_counts=True)
            program.put([of, *rows.tolist()], column, [1.0, *(-counts).tolist()])
        return program


def _counts(change: IntArray) -> Counts:
    where, shape = np.nonzero(change)
    return tuple(zip(where.tolist(), shape.tolist(), change[where, shape].tolist(), strict=True))
