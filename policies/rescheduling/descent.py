"""Steepest descent: the one move that gains the most, again and again, over all units and places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.programs.linear import IntArray

LEAST_GAIN = 1e-6  # of a move: less is rounding


class Board(Protocol):
    """Units on hosts, which have places; units of one kind are worth the same wherever they come.

    Attributes:
        kind: (U,) of each unit.
        host: (U,) of each unit now.
        place_host: (L,) host that a place belongs to.
        fixed: (U,) units that do not move.
        leaving: (U,) what is gained when a unit goes from where it is.
        arriving: (K, L) what is gained when one of a kind comes to a place; -inf: it does not fit there.
    """

    kind: IntArray
    host: IntArray
    place_host: IntArray
    fixed: BoolArray
    leaving: FloatArray
    arriving: FloatArray

    def worth(self) -> float:
        """What all is worth as it stands; the more the better."""

    def move(self, unit: int, place: int) -> None:
        """Move a unit to a place on another host."""

    def home(self, unit: int) -> bool:
        """Send a unit back to where it began, if there is room; says whether there was."""


def descend(
    board: Board,
    moves: int,
    *,
    least_gain: float = LEAST_GAIN,
    fixed: BoolArray | None = None,
    again: Callable[[], bool] = lambda: True,
) -> list[tuple[int, int]]:
    """Move what gains the most, up to so many times and no unit twice; returns (unit, place) in order.

    Args:
        board: Changed in place.
        moves: At most.
        least_gain: What a move must gain.
        fixed: (U,) units that do not move; by default those of the board.
        again: Asked before each move whether there is time for it.
    """
    made: list[tuple[int, int]] = []
    still = (board.fixed if fixed is None else fixed).copy()
    while len(made) < moves and again():
        found = steepest(board, still)
        if found is None or found[2] < least_gain:
            break
        board.move(found[0], found[1])
        made.append(found[:2])
        still[found[0]] = True
    return made


def steepest(
    board: Board, fixed: BoolArray, noise: FloatArray | None = None, cost: FloatArray | float = 0.0
) -> tuple[int, int, float] | None:
    """The unit and place that gain the most, and what they gain; None: nothing can move.

    Args:
        board: As it stands.
        fixed: (U,) units that stay.
        noise: (U,) added to the gains when units are compared.
        cost: (U,) of a move of each unit, taken off what it gains.
    """
    place, arriving = best_places(board)
    gain = np.where(fixed, -np.inf, board.leaving + arriving - cost)
    if not gain.size or gain.max() == -np.inf:
        return None
    unit = int(np.argmax(gain if noise is None else gain + noise))
    return unit, int(place[unit]), float(gain[unit])


def best_places(board: Board) -> tuple[IntArray, FloatArray]:
    """(U,) best place of each unit that is not on its own host, and what its arrival there gains."""
    if not board.arriving.size:
        return np.zeros(len(board.kind), np.int64), np.full(len(board.kind), -np.inf)
    kinds = np.arange(len(board.arriving))
    first = board.arriving.argmax(axis=1)
    place, gain = first[board.kind], board.arriving[kinds, first][board.kind]
    own = np.flatnonzero(board.place_host[place] == board.host)
    # A unit is on its kind's best host already: the best of the others, once for each kind and host.
    pairs, which = np.unique(np.column_stack((board.kind[own], board.host[own])), axis=0, return_inverse=True)
    others = np.where(board.place_host == pairs[:, 1:], -np.inf, board.arriving[pairs[:, 0]])
    second = others.argmax(axis=1)
    place[own], gain[own] = second[which.ravel()], others[np.arange(len(pairs)), second][which.ravel()]
    return place, gain
