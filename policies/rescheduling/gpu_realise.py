"""From patterns to pods that move, in an order in which each finds its cards free: make before break."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.gpu_master import Pattern


def assign(board: PodBoard, patterns: Iterable[Pattern]) -> list[PodMove]:
    """Give each leaver a place that a pattern keeps for its shape on another node; leavers without one stay."""
    places: dict[int, list[tuple[int, IntArray]]] = defaultdict(list)
    chosen = list(patterns)
    for pattern in chosen:
        for shape, taken in _places(board, pattern):
            places[shape].append((pattern.node, taken))
    moves = []
    for pattern in chosen:
        for pod in pattern.leavers:
            room = places[int(board.kind[pod])]
            other = next((place for place in room if place[0] != pattern.node), None)
            if other is not None:
                room[:] = [place for place in room if place is not other]
                moves.append(PodMove(pod, *other))
    return moves


def perform(board: PodBoard, moves: Iterable[PodMove]) -> list[PodMove]:
    """Make moves one after another, whichever is possible and gains the most; returns those made, in order.

    Where none is possible, one whose node has room on other cards goes there; what is left then is not moved, and is
    kept as unordered on the board.
    """
    todo, made = list(moves), []
    while todo:
        move = _next(board, todo)
        if move is None:
            break
        todo = [other for other in todo if other.pod != move.pod]
        board.put(move.pod, move.node, move.taken)
        made.append(move)
    board.unordered = tuple(move.pod for move in todo)
    return made


def _next(board: PodBoard, todo: list[PodMove]) -> PodMove | None:
    possible = [move for move in todo if board.fits(move.pod, move.node, move.taken)]
    if not possible:
        room = [move for move in todo if board.arriving[board.kind[move.pod], move.node] > -np.inf]
        possible = [PodMove(move.pod, move.node, board.best_cards(move.pod, move.node)) for move in room]
    return max(
        possible,
        key=lambda move: board.leaving[move.pod] + board.arriving[board.kind[move.pod], move.node],
        default=None,
    )


def _places(board: PodBoard, pattern: Pattern) -> list[tuple[int, IntArray]]:
    """Cards that a pattern keeps for each comer, as they are taken one after another."""
    free = board.free[pattern.node] + board.held[list(pattern.leavers)].sum(axis=0)
    found = []
    for shape, card in pattern.comers:
        taken, cards = np.zeros_like(free), board.shapes.cards[shape]
        where = [card] if cards == 1 else np.flatnonzero(free == WHOLE_CARD_MILLI)[:cards]
        taken[where if cards else []] = board.shapes.share_milli[shape]
        free = free - taken
        found.append((shape, taken))
    return found
