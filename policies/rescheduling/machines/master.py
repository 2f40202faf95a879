"""The master program of patterns: one for each machine, as many comers as leavers of each shape, N moves in all."""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.highs import Solver
from foresail.policies.programs.linear import IntArray, LinearProgram
from foresail.policies.rescheduling.machines.pricing import Patterns, Pricing

EARLY = 1e-4  # slots that a move must be worth: of plans with as many slots, the one with fewer moves


class Master:
    """Patterns that are known, and the best of them, in fractions or whole."""

    def __init__(self, pricing: Pricing, moves: int) -> None:
        self._pricing, self._moves = pricing, moves
        self._known: set[bytes] = set()
        self._entries: list[tuple[float, IntArray, FloatArray]] = []
        self._left: list[int] = []
        self.machine: list[int] = []
        self.leave: list[np.ndarray] = []
        self.come: list[np.ndarray] = []
        self.slots: list[int] = []
        machines = np.arange(len(pricing.free))
        nothing = np.zeros_like(pricing.count)
        self._base = pricing.slots(machines, nothing, nothing)
        self._solver = Solver(self._frame(), relaxed=True)

    def add(self, found: Patterns) -> int:
        """Add those that are new and do something; says how many."""
        before = len(self._entries)
        busy = np.flatnonzero(found.leave.any(axis=(1, 2)) | found.come.any(axis=(1, 2)))
        for row in busy.tolist():
            key = np.int64(found.machine[row]).tobytes() + found.leave[row].tobytes() + found.come[row].tobytes()
            if key not in self._known:
                self._known.add(key)
                self._append(found, row)
        return len(self._entries) - before

    def relax(self) -> tuple[float, FloatArray, float]:
        """Slots gained by fractions of patterns, prices of shapes, and the price of a move."""
        solution = self._solver.solve()
        prices = np.maximum(-solution.row_prices, 0.0)
        return -solution.objective, prices[: self._pricing.shapes], float(prices[self._pricing.shapes])

    def choose(self, seconds: float, gain: float) -> list[int]:
        """The best whole patterns; none beyond `gain` slots are looked for."""
        program = self._frame()
        columns = program.add_columns(
            len(self._entries), cost=[cost for cost, _, _ in self._entries], upper=1.0, whole=True
        )
        for column, (_, rows, values) in zip(columns, self._entries, strict=True):
            program.put(rows, column, values)
        [most] = program.add_rows(1, upper=gain)  # nothing better exists, so that the search may end there
        program.put(
            most,
            columns,
            [round(-cost + EARLY * self._left[place]) for place, (cost, _, _) in enumerate(self._entries)],
        )
        solution = Solver(program, relative_gap=0.4 / max(gain, 1.0), thorough=True).solve(seconds)
        return [] if solution.x is None else np.flatnonzero(solution.x[1:] > 0.5).tolist()

    def _append(self, found: Patterns, row: int) -> None:
        machine, leave, come = int(found.machine[row]), found.leave[row], found.come[row]
        net, left = (leave - come).sum(axis=0), int(leave.sum())
        shapes = np.flatnonzero(net)
        rows = [*shapes.tolist(), self._pricing.shapes, self._pricing.shapes + 1 + machine]
        values = [*net[shapes].astype(float).tolist(), float(left), 1.0]
        cost = -float(found.slots[row] - self._base[machine]) + EARLY * left
        entry = (cost, np.array(rows, np.int64), np.array(values))
        self._entries.append(entry)
        self._left.append(left)
        self._solver.add_column(*entry)
        self.machine.append(machine)
        self.leave.append(leave)
        self.come.append(come)
        self.slots.append(int(found.slots[row]))

    def _frame(self) -> LinearProgram:
        """Leavers of a shape need comers: Σ leavers ≤ Σ comers; one column that does nothing."""
        program = LinearProgram()
        program.add_rows(self._pricing.shapes, upper=0.0)
        program.add_rows(1, upper=float(self._moves))
        program.add_rows(len(self._pricing.free), upper=1.0)
        program.add_columns(1, upper=0.0)
        return program
