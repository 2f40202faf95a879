"""From patterns to pods that move, in an order in which each finds its cards free: make before break."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.descent import LEAST_GAIN, best_places
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.gpu_master import Pattern
from foresail.policies.rescheduling.pods import PodInstance
from foresail.policies.rescheduling.waves import Flow

_WAYS: Final = 12  # out of a circle, that are tried


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


def perform(board: PodBoard, moves: Iterable[PodMove], most: int = 0) -> list[PodMove]:
    """Make moves one after another, whichever is possible and gains the most; returns those made, in order.

    Where none is possible, what is left waits for room that others of it hold. Then one goes to other cards of its node
    or elsewhere for good, or a pod that was to stay makes room: whatever gains the most with what it makes possible.
    What is left when that gains nothing is not moved, and is kept as unordered on the board.

    Args:
        board: Changed in place.
        moves: Of a pod each.
        most: Moves that may be made in all, where that is more than there are.
    """
    begun, todo = len(board.trail), _made(board, list(moves))
    while todo:
        spare = most - (len(board.trail) - begun) - len(todo)
        left = _made_otherwise(board, todo, spare=spare > 0)
        if left is None:
            break
        todo = left
    board.unordered = tuple(move.pod for move in todo)
    return board.trail[begun:]


def _made(board: PodBoard, todo: list[PodMove]) -> list[PodMove]:
    """Make those that are possible; returns the others."""
    while possible := [move for move in todo if board.fits(move.pod, move.node, move.taken)]:
        move = max(possible, key=lambda one: board.leaving[one.pod] + board.arriving[board.kind[one.pod], one.node])
        todo = _made_with(board, todo, move)
    return todo


def _made_with(board: PodBoard, todo: list[PodMove], move: PodMove) -> list[PodMove]:
    board.put(move.pod, move.node, move.taken)
    return [other for other in todo if other.pod != move.pod]


def _made_otherwise(board: PodBoard, todo: list[PodMove], *, spare: bool) -> list[PodMove] | None:
    """Make one move that was not wanted, and those that it makes possible; returns the others. None: nothing gains.

    Args:
        board: On which nothing of `todo` is possible.
        todo: What is to be made.
        spare: Whether others than those of it may move.
    """
    before, most, best = board.snapshot(), board.worth() + LEAST_GAIN, None
    for move in _others(board, todo, spare=spare)[:_WAYS]:
        _made(board, _made_with(board, todo, move))
        if board.worth() > most:
            most, best = board.worth(), move
        board.restore(before)
    return None if best is None else _made(board, _made_with(board, todo, best))


def _others(board: PodBoard, todo: list[PodMove], *, spare: bool) -> list[PodMove]:
    """Moves to other cards than were wanted, and moves that make room for one that is wanted; the best first."""
    kind = board.kind
    room = [(move.pod, move.node) for move in todo if board.arriving[kind[move.pod], move.node] > -np.inf]
    node, arriving = best_places(board)
    may = ~board.fixed & (board.host == board.origin) & (arriving > -np.inf)
    wanted = {move.pod for move in todo}
    for pod in np.flatnonzero(may & np.isin(board.host, [move.node for move in todo])).tolist():
        here = [move for move in todo if move.node == board.host[pod] and move.pod != pod]
        if (spare or pod in wanted) and any(_fits_without(board, move, pod) for move in here):
            room.append((pod, int(node[pod])))
    room.sort(key=lambda way: -(board.leaving[way[0]] + board.arriving[kind[way[0]], way[1]]))
    return [PodMove(pod, where, board.best_cards(pod, where)) for pod, where in dict.fromkeys(room)]


def _fits_without(board: PodBoard, move: PodMove, pod: int) -> bool:
    """Whether there is room for a move once a pod has left its node."""
    instance, node = board.instance, move.node
    cpu = board.cpu[node] + instance.pod_cpu_milli[pod] >= instance.pod_cpu_milli[move.pod]
    memory = board.memory[node] + instance.pod_memory_mebibytes[pod] >= instance.pod_memory_mebibytes[move.pod]
    return bool(cpu and memory and (board.free[node] + board.held[pod] >= move.taken).all())


def resources(instance: PodInstance) -> IntArray:
    """(N, 2 + C) free CPU, memory and cards at the start."""
    return np.column_stack((instance.free_cpu_milli, instance.free_memory_mebibytes, instance.free_cards_milli))


def worth(measure: ExpectedFragmentation, free: IntArray) -> FloatArray:
    """(R,) what nodes are worth of whose resources so much is free (R, 2 + C)."""
    return measure.worth(free[:, 0], free[:, 1], measure.offers(free[:, 2:]))


def flows(instance: PodInstance, moves: Iterable[PodMove]) -> list[Flow]:
    """Moves as room sees them, straight from where pods are at the start."""
    found = []
    for move in moves:
        beside = [instance.pod_cpu_milli[move.pod], instance.pod_memory_mebibytes[move.pod]]
        gives, takes = (np.append(beside, held) for held in (instance.held_milli[move.pod], move.taken))
        workload = instance.workloads[move.pod] if instance.workloads else ""
        found.append(Flow(move.pod, int(instance.pod_node[move.pod]), move.node, gives, takes, workload))
    return found


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
