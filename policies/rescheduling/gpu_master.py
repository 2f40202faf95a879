"""The master program: a pattern for each node at most, as many leavers as comers of each shape, N moves in all.

What a pattern gains is less a price for each move, which its leavers pay.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.highs import Solver
from foresail.policies.programs.linear import LinearProgram
from foresail.policies.rescheduling.gpu_board import PodBoard
from foresail.policies.rescheduling.gpu_pricing import Prices
from foresail.policies.rescheduling.gpu_states import NOBODY, Nodes, States

_UNIT: Final = 1000.0  # of worth, in the program: HiGHS's tolerances suit numbers about 1


@dataclass(frozen=True, slots=True)
class Pattern:
    """Pods that leave a node and shapes that come to it.

    Args:
        node: Row.
        leavers: Pods.
        comers: Shapes, each with the card that it takes (-1: none, or several whole ones), in the order they take them.
        gain: Of the node's worth.
    """

    node: int
    leavers: tuple[int, ...]
    comers: tuple[tuple[int, int], ...]
    gain: float


class Master:
    """Patterns and their program; patterns are added, and the number of moves may change, between solves."""

    def __init__(self, board: PodBoard, nodes: Nodes, moves: int, price: float) -> None:
        self._kind, self._nodes, self._price = board.kind, nodes, price
        self._shapes, self._hosts = len(board.shapes.cards), len(board.place_host)
        self._moves = moves
        self.patterns: list[Pattern] = []
        self._entries: list[tuple[list[int], list[float]]] = []
        self._known: set[tuple[object, ...]] = set()
        self._relaxed = Solver(self._frame(), relaxed=True)

    def add(self, states: States, gains: FloatArray) -> int:
        """Add the patterns of states that are new; says how many."""
        before = len(self.patterns)
        for state in range(len(states)):
            self._add(self._pattern(states, state, float(gains[state])))
        return len(self.patterns) - before

    def relax(self) -> tuple[float, Prices]:
        """What fractions of patterns gain at most, less the price, and prices at which no known pattern earns more."""
        solution = self._relaxed.solve()
        prices = np.maximum(-solution.row_prices * _UNIT, 0.0)
        place, node = prices[: self._shapes], prices[self._shapes : -1]
        return -solution.objective * _UNIT, Prices(place, node, float(prices[-1]) + self._price)

    def choose(self, prices: Prices, within: float, seconds: float) -> list[Pattern]:
        """The best whole patterns among those that miss their node's price by no more than `within`."""
        near = [row for row, pattern in enumerate(self.patterns) if self._missed(pattern, prices) <= within]
        program = self._frame()
        columns = program.add_columns(
            len(near), cost=[-self._net(self.patterns[row]) / _UNIT for row in near], upper=1.0, whole=True
        )
        for column, row in zip(columns, near, strict=True):
            program.put(*_entry(self._entries[row], int(column)))
        found = Solver(program, relative_gap=1e-5, thorough=True).solve(seconds).x
        return (
            []
            if found is None
            else [self.patterns[row] for row, taken in zip(near, found[1:], strict=True) if taken > 0]
        )

    def _frame(self) -> LinearProgram:
        """Rows for shapes, nodes and moves; one column that is always nothing, so that there is one."""
        program = LinearProgram()
        program.add_rows(self._shapes, upper=0.0)
        program.add_rows(self._hosts, upper=1.0)
        program.add_rows(1, upper=float(self._moves))
        program.add_columns(1, upper=0.0)
        return program

    def _add(self, pattern: Pattern) -> None:
        balance = Counter(self._kind[list(pattern.leavers)].tolist())
        balance.subtract(Counter(shape for shape, _ in pattern.comers))
        entries = {shape: float(count) for shape, count in balance.items() if count}
        entries[self._shapes + pattern.node] = 1.0
        if pattern.leavers:
            entries[self._shapes + self._hosts] = float(len(pattern.leavers))
        key = (tuple(sorted(entries.items())), round(pattern.gain, 3))
        if key in self._known:
            return
        self._known.add(key)
        self.patterns.append(pattern)
        self._entries.append((list(entries), list(entries.values())))
        self._relaxed.add_column(-self._net(pattern) / _UNIT, np.array(list(entries)), np.array(list(entries.values())))

    def _net(self, pattern: Pattern) -> float:
        return pattern.gain - self._price * len(pattern.leavers)

    def _pattern(self, states: States, state: int, gain: float) -> Pattern:
        row, bits = int(states.row[state]), int(states.leavers[state])
        leavers = [
            int(pod) for bit, pod in enumerate(self._nodes.leavers[row].tolist()) if pod >= 0 and bits >> bit & 1
        ]
        pairs = zip(states.comers[state].tolist(), states.cards[state].tolist(), strict=True)
        return Pattern(row, tuple(leavers), tuple(pair for pair in pairs if pair[0] != NOBODY), gain)

    def _missed(self, pattern: Pattern, prices: Prices) -> float:
        paid = sum(prices.place[self._kind[pod]] + prices.move for pod in pattern.leavers)
        earned = pattern.gain - paid + sum(prices.place[shape] for shape, _ in pattern.comers)
        return float(prices.node[pattern.node] - earned)


def _entry(entries: tuple[list[int], list[float]], column: int) -> tuple[list[int], int, list[float]]:
    return entries[0], column, entries[1]
