"""Large-neighbourhood search: take back a few moves that touch one another, and descend anew with some chance.

For boards on which single moves mislead: whole patterns of moves are left and found again. It needs no shapes in common
and no relaxation, and so serves where patterns are too many or do not converge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np

from foresail.domain.timeseries import BoolArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.descent import LEAST_GAIN, Board, steepest

_TAKEN_BACK: Final = (2, 10)  # moves at once: at least, and less than
_NOISE: Final = 0.3  # of a gain, when moves are compared
_PATIENCE: Final = 400  # tries in vain after which it ends


class RestorableBoard(Board, Protocol):
    """A board that can be put back to how it stood.

    Attributes:
        origin: (U,) host of each unit at the start.
    """

    origin: IntArray

    def snapshot(self) -> Any:
        """How it stands."""

    def restore(self, snapshot: Any) -> None:
        """Put it back."""


def improve(
    board: RestorableBoard, moves: int, rng: np.random.Generator, again: Callable[[], bool], price: float = 0.0
) -> int:
    """Improve where units are, with at most so many away from where they began; says how often it succeeded.

    The order in which they could get there is not looked at: that is for who carries it out.

    Args:
        board: Changed in place; never worth less afterwards, less the price of who is away.
        moves: Units that may be elsewhere.
        rng: Picks what is taken back, and blurs gains.
        again: Whether there is time for another try.
        price: What each unit must gain that is away.
    """

    def net() -> float:
        return board.worth() - price * float((board.host != board.origin).sum())

    worth, found, vain = net(), 0, 0
    while vain < _PATIENCE and again():
        before = board.snapshot()
        _take_back(board, rng)
        _descend(board, moves, rng, price)
        now = net()
        vain += 1
        if now < worth - LEAST_GAIN:
            board.restore(before)
        elif now > worth + LEAST_GAIN:
            worth, found, vain = now, found + 1, 0
    return found


def _take_back(board: RestorableBoard, rng: np.random.Generator) -> None:
    """Send home some units that are away: one, and those that share a host with it, before and after."""
    away = np.flatnonzero(board.host != board.origin)
    if not away.size:
        return
    first = rng.choice(away)
    hosts = (board.origin[first], board.host[first])
    near = np.isin(board.origin[away], hosts) | np.isin(board.host[away], hosts)
    order = np.argsort(rng.random(len(away)) - near, kind="stable")
    for unit in away[order][: rng.integers(*_TAKEN_BACK)].tolist():
        board.home(unit)


def _descend(board: RestorableBoard, moves: int, rng: np.random.Generator, price: float) -> None:
    """Descend with blurred gains while units may leave; those that are away already may go elsewhere at any time."""
    blur = rng.random() < 0.8
    tired = np.zeros(len(board.host), bool)
    while True:
        away = board.host != board.origin
        still: BoolArray = board.fixed | tired | (~away if away.sum() >= moves else False)
        noise = _NOISE * np.abs(board.leaving) * rng.standard_normal(len(away)) if blur else None
        found = steepest(board, still, noise, price * ~away)
        if found is None or found[2] < LEAST_GAIN:
            return
        tired[found[0]] = True
        board.move(found[0], found[1])
