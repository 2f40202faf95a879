"""The best N moves: patterns by column generation, made whole, carried out, filled up, and a bound on all of them.

While a plan may not be the best and there is time, it is taken back in part and made anew; the better one is kept.

The bound is Lagrangian: at any prices of shapes and of a move, no N moves are worth more than N times the price of a
move and, for each machine, the most that a pattern of it is worth. It knows CPU and memory, but neither order nor who
must be apart, and so holds with them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.machines.board import Board, Step
from foresail.policies.rescheduling.machines.columns import Columns, tractable
from foresail.policies.rescheduling.machines.realise import perform
from foresail.policies.rescheduling.machines.roaming import improved
from foresail.policies.rescheduling.machines.task import ROUNDING, Task

_COLUMNS: Final = 0.6  # part of the time until which patterns are sought
_WHOLE: Final = 0.8  # until which whole ones are, and plans are taken back in part and made anew
_LEAST_SECONDS: Final = 0.2
_CHOICES: Final = 3  # of whole patterns that are as good, while some of them are left out
_ORDERS: Final = 6  # in which each is tried to be carried out


class Found(NamedTuple):
    """Moves, in order; what they are worth; the most that any are; and VMs whose moves found no order."""

    steps: list[Step]
    worth: float
    bound: float
    unordered: frozenset[int]


class _Timer:
    def __init__(self, effort: Effort) -> None:
        self._clock, self._begun, self._seconds = effort.clock, effort.clock(), effort.seconds

    def left(self, part: float) -> float:
        """Seconds until so much of the time is spent."""
        return part * self._seconds - (self._clock() - self._begun)


def search(task: Task, effort: Effort) -> Found:
    """The best moves that are found in the time."""
    timer, start = _Timer(effort), float(task.cluster.start)
    if not task.moves or not task.cluster.movable.any() or len(task.cluster.cpu) < 2:
        return Found([], start, start, frozenset())
    best, bound, unordered = task.first(task.moves), task.most, frozenset[int]()
    if tractable(task.cluster):
        best, bound, unordered = _by_columns(task, best, timer, effort.seed)
    if task.is_open(best, bound) and not task.cluster.whole and timer.left(_WHOLE) > 0.0:
        rng = np.random.default_rng((effort.seed, _CHOICES * _ORDERS))
        other = improved(best, task.moves, rng, lambda: timer.left(_WHOLE) > 0.0, task.price)
        best = task.better(task.filled(other), best)
    best = task.thrifty(best)
    net = task.net(best)
    return Found(best.steps, net, max(bound, net), unordered if task.is_open(best, bound) else frozenset())


def _by_columns(task: Task, best: Board, timer: _Timer, seed: int) -> tuple[Board, float, frozenset[int]]:
    """The better of `best` and whole patterns; what no plan is worth more than; VMs that find no order.

    First with as few patterns and moves as may do; where that fails and there is time, with all that are of use.
    """
    columns, unordered = Columns(task, task.first(2 * task.moves).steps), frozenset[int]()

    def within() -> bool:
        return timer.left(_COLUMNS) > 0.0

    columns.generate(within, every=False)
    columns.spare(within)
    if task.is_open(best, columns.bound):
        best, unordered = _whole(task, columns, best, timer, seed)
    if task.is_open(best, columns.bound) and within():
        columns.generate(within, every=True)
        best, unordered = _whole(task, columns, best, timer, seed)
    # A bound below a plan would be none.
    bound = columns.bound if columns.bound >= task.net(best) - ROUNDING else task.most
    return best, min(bound, task.most), unordered


def _whole(task: Task, columns: Columns, best: Board, timer: _Timer, seed: int) -> tuple[Board, frozenset[int]]:
    """The better of `best` and the best whole patterns that can be carried out, and VMs that then find no order."""
    gain, unordered = task.reachable(columns.bound) - task.cluster.start, frozenset[int]()
    for attempt in range(_CHOICES * _ORDERS):
        rng = np.random.default_rng((seed, attempt))
        if attempt % _ORDERS == 0:
            chosen = columns.master.choose(max(timer.left(_WHOLE), _LEAST_SECONDS), gain, task.step, rng)
        board = Board(task.cluster)
        dropped = perform(board, chosen, task.moves, rng)
        board = task.filled(task.thrifty(board))
        if task.better(board, best) is board:
            best, unordered = board, frozenset(dropped) - {step.vm for step in board.steps}
        if not dropped or not task.is_open(best, columns.bound) or timer.left(_WHOLE) < 0.0:
            break
    return best, unordered
