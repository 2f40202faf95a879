"""The best N moves: patterns by column generation, made whole, carried out, filled up, and a bound on all of them.

While a plan may not be the best and there is time, it is taken back in part and made anew; the better one is kept.

The bound is Lagrangian: at any prices of shapes and of a move, no N moves leave more slots than N times the price of a
move and, for each machine, the most that a pattern of it is worth. It knows neither memory nor order nor who must be
apart, and so holds with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.rescheduling.machines.board import Board, Step
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.greedy import descend, tidy
from foresail.policies.rescheduling.machines.master import EARLY, Master
from foresail.policies.rescheduling.machines.pricing import Patterns, Pricing, pricing_cells
from foresail.policies.rescheduling.machines.realise import perform
from foresail.policies.rescheduling.machines.roaming import improved

Clock = Callable[[], float]  # CPU seconds
_COLUMNS, _WHOLE = 0.6, 0.9  # parts of the time until which patterns and whole ones are sought
_IMPROVED = 0.9  # until which a plan that may not be the best is taken back in part and made anew
_LEAST_SECONDS = 0.2
_NEAR = 0.02  # slots between relaxation and bound: nothing is to be had there
_KEPT = 0.6  # of the best prices so far in those that are tried next: prices that jump about find little
_ROUNDING = 1e-6
_MANY_SHAPES = 15  # whose prices are far off at first: then a grid of them is tried
# Of a slot's worth of CPU beyond a part of a slot that is worth nothing, and of a move.
_WORTHS, _MOVES = ((0.5, 0.0), (0.8, 0.0), (0.9, 0.25), (1.0, 0.35)), (0.3, 0.6)
_MOST_CELLS = 20_000_000  # of what is priced at a time: a gigabyte
_ORDERS = 6  # in which a plan is tried to be carried out, while some of it is left out


class Found(NamedTuple):
    """Moves, in order; slots that are free after them; and the most that so many moves can leave."""

    steps: list[Step]
    slots: int
    bound: float


def search(cluster: Machines, moves: int, clock: Clock, seconds: float, seed: int = 0) -> Found:
    """The best moves that are found within CPU seconds by a clock, at most so many."""
    begun = clock()
    start = cluster.slots(cluster.free_cpu)
    if not moves or not cluster.movable.any():
        return Found([], start, float(start))
    best, bound = (
        _greedy(cluster, moves),
        float(cluster.free_cpu.sum() // cluster.slot_cpu),
    )  # which moves leave as it is
    if pricing_cells(cluster) <= _MOST_CELLS:
        found, columns_bound = _by_columns(cluster, moves, best, lambda: clock() - begun, seconds, seed)
        if columns_bound >= found.slots() - _ROUNDING:  # a bound below a plan would be none
            bound = min(bound, columns_bound)
        best = found
    if best.slots() < int(np.floor(bound + _ROUNDING)):
        rng = np.random.default_rng((seed, _ORDERS))
        board = descend(improved(best, moves, rng, lambda: clock() - begun < _IMPROVED * seconds), moves)
        if _better(board, best):
            best = board
    return Found(best.steps, best.slots(), max(bound, float(best.slots())))


def _by_columns(
    cluster: Machines, moves: int, best: Board, spent: Callable[[], float], seconds: float, seed: int
) -> tuple[Board, float]:
    """The better of `best` and the best whole patterns that can be carried out, and what no plan leaves more than."""
    columns = _Columns(cluster, moves)
    columns.generate(lambda: spent() < _COLUMNS * seconds)
    most = int(np.floor(columns.bound + _ROUNDING))
    if best.slots() < most:
        left = max(_WHOLE * seconds - spent(), _LEAST_SECONDS)
        chosen = columns.master.choose(left, most - cluster.slots(cluster.free_cpu))
        for attempt in range(_ORDERS):
            board = Board(cluster)
            dropped = perform(board, columns.master, chosen, np.random.default_rng((seed, attempt)))
            descend(board, moves)
            if _better(board, best):
                best = board
            if not dropped or best.slots() >= most or spent() > seconds:
                break
    return best, columns.bound


class _Columns:
    def __init__(self, cluster: Machines, moves: int) -> None:
        self._cluster, self._moves = cluster, moves
        self._pricing = Pricing(cluster)
        self.master = Master(self._pricing, moves)
        self.master.add(_seeds(self._pricing, cluster, moves))
        self.bound = float("inf")
        self._best: tuple[FloatArray, float] | None = None
        self._start = cluster.slots(cluster.free_cpu)

    def generate(self, within: Callable[[], bool]) -> None:
        """Add patterns until none is better, or the bound is reached; at least once, so that there is a bound."""
        while True:
            gained, price, move = self.master.relax()
            added = sum(self._price(*point) for point in self._points(price, move))
            closed = self.bound - self._start - gained < _NEAR + EARLY * self._moves
            if not added or closed or not within():
                return

    def _points(self, price: FloatArray, move: float) -> list[tuple[FloatArray, float]]:
        """Prices to try: those of the relaxation, and some between them and the best so far."""
        if self._best is None:  # a core is worth the slot that it is a part of, half of the time
            part = np.minimum(self._pricing.size * (1 + self._pricing.double) / self._pricing.slot, 1.0)
            few = [(0.5 * part, 0.4), (0.45 * part, 0.1)]
            size = self._pricing.size * (1 + self._pricing.double) / self._pricing.slot
            many = [(np.maximum(worth * (size - free), 0.0), each) for worth, free in _WORTHS for each in _MOVES]
            return [(price, move), *(many if self._pricing.shapes > _MANY_SHAPES else few)]
        kept, each = self._best
        return [(_KEPT * kept + (1 - _KEPT) * price, _KEPT * each + (1 - _KEPT) * move), (price, move)]

    def _price(self, price: FloatArray, move: float) -> int:
        worth, found = self._pricing.best(price, move + EARLY)
        most = float(worth.sum()) + (move + EARLY) * self._moves
        if most < self.bound:
            self.bound, self._best = most, (price, move)
        return self.master.add(_repaired(self._pricing, self._cluster, found))


def _greedy(cluster: Machines, moves: int) -> Board:
    """The better of two: slots first, or fragments first."""
    boards = [descend(Board(cluster), moves), descend(tidy(Board(cluster), moves), moves)]
    return max(boards, key=lambda board: (board.slots(), -len(board.steps)))


def _better(board: Board, best: Board) -> bool:
    return (board.slots(), -len(board.steps)) > (best.slots(), -len(best.steps))


def _seeds(pricing: Pricing, cluster: Machines, moves: int) -> Patterns:
    """Patterns of machines along a greedy plan of more moves."""
    shape = cluster.shapes[1]
    leave, come = np.zeros_like(pricing.count), np.zeros_like(pricing.count)
    rows: list[tuple[int, np.ndarray, np.ndarray]] = []
    for step in _greedy(cluster, 2 * moves).steps:
        source = int(cluster.machine[step.vm])
        leave[source, cluster.node[step.vm] % 3, shape[step.vm]] += 1
        come[step.machine, step.node % 3, shape[step.vm]] += 1
        rows += [(place, leave[place].copy(), come[place].copy()) for place in (source, step.machine)]
    machine = np.array([row[0] for row in rows], np.int64)
    left = np.array([row[1] for row in rows], np.int64).reshape(-1, *leave.shape[1:])
    came = np.array([row[2] for row in rows], np.int64).reshape(-1, *leave.shape[1:])
    fits = (pricing.left(machine, left, came) >= 0).all(axis=1)
    return Patterns(machine[fits], left[fits], came[fits], pricing.slots(machine[fits], left[fits], came[fits]))


def _repaired(pricing: Pricing, cluster: Machines, found: Patterns) -> Patterns:
    """Comers are left out until memory holds, those with most memory a core first."""
    come, net = found.come, (found.leave - found.come) @ pricing.memory
    left = cluster.free_memory[found.machine] + net[:, :2] + net[:, 2:]
    for row, numa in zip(*np.nonzero(left < 0), strict=True):
        while left[row, numa] < 0:
            where = int(numa) if come[row, numa].any() else 2
            kind = int(np.where(come[row, where] > 0, pricing.memory / pricing.size, -1.0).argmax())
            come[row, where, kind] -= 1
            left[row, [0, 1] if where == 2 else [numa]] += pricing.memory[kind]
    return Patterns(found.machine, found.leave, come, pricing.slots(found.machine, found.leave, come))
