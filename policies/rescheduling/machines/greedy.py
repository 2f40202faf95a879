"""The move that completes most slots, again and again: a first plan, first patterns, and what fills a plan up."""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.machines.board import Board, Step

LOOKED_AT = 40  # VMs a move, those that would gain most first
_REST, _SIZE = 1e-3, 1e-6  # slots: of moves that complete as many, the one that leaves fewer fragments; the smallest


def descend(board: Board, moves: int) -> Board:
    """Move until there are so many moves, or none gains a slot; VMs that have moved stay."""
    able = board.cluster.movable.copy()
    able[[step.vm for step in board.steps]] = False
    while len(board.steps) < moves:
        gain = _gain(board)
        score = np.where(able & (gain >= 1.0), gain - _SIZE * board.part_cpu, -1.0)
        step = next(filter(None, (_step(board, vm, gain[vm]) for vm in _first(score))), None)
        if step is None:
            break
        board.move(step)
        able[step.vm] = False
    return board


def _gain(board: Board) -> FloatArray:
    """(V,) slots that each VM's leaving completes, and a little for fragments that go with it."""
    slot = board.cluster.slot_cpu
    free = board.cpu[board.machine]
    after = free + board.part_cpu[:, None] * board.on
    rest = (free % slot - after % slot).sum(axis=1)
    return np.asarray((after // slot - free // slot).sum(axis=1) + _REST * np.maximum(rest, 0))


def _first(score: FloatArray) -> list[int]:
    order = np.argsort(-score, kind="stable")[:LOOKED_AT]
    return [vm for vm in order.tolist() if score[vm] > 0.0]


def _step(board: Board, vm: int, gain: float) -> Step | None:
    """Where its arrival costs least, when that is less than its leaving gains."""
    slot, part, room = board.cluster.slot_cpu, board.part_cpu[vm], board.places(vm)
    loss = board.cpu // slot - (board.cpu - part) // slot
    cost = loss + _REST * ((board.cpu - part) % slot)
    if board.cluster.double[vm]:
        cost, loss = cost.sum(axis=1, keepdims=True), loss.sum(axis=1, keepdims=True)
    flat = int(np.where(room, cost, np.inf).argmin()) if room.size else 0
    if not room.any() or int(gain) <= loss.flat[flat]:
        return None
    return Step(vm, flat, -1) if board.cluster.double[vm] else Step(vm, *divmod(flat, 2))


def tidy(board: Board, moves: int) -> Board:
    """Move whoever takes most fragments along to where it fills most, until a pair gains nothing: filter and score."""
    able = board.cluster.movable.copy()
    able[[step.vm for step in board.steps]] = False
    while len(board.steps) < moves:
        gain = np.where(able, _fragments_gone(board), -1)
        found = (_filling(board, vm, int(gain[vm])) for vm in np.argsort(-gain, kind="stable")[:LOOKED_AT].tolist())
        step = next((one for one in found if one is not None and able[one.vm]), None)
        if step is None:
            break
        board.move(step)
        able[step.vm] = False
    return board


def _fragments_gone(board: Board) -> IntArray:
    """(V,) CPU in fragments that each VM's leaving takes away from its machine."""
    slot, free = board.cluster.slot_cpu, board.cpu[board.machine]
    after = free + board.part_cpu[:, None] * board.on
    return np.asarray((free % slot - after % slot).sum(axis=1))


def _filling(board: Board, vm: int, gain: int) -> Step | None:
    """Where it fills most fragments, when both together gain."""
    slot, part, room = board.cluster.slot_cpu, board.part_cpu[vm], board.places(vm)
    fills = board.cpu % slot - (board.cpu - part) % slot
    if board.cluster.double[vm]:
        fills = fills.sum(axis=1, keepdims=True)
    flat = int(np.where(room, fills, -(10**9)).argmax()) if room.size else 0
    if not room.any() or gain + fills.flat[flat] <= 0:
        return None
    return Step(vm, flat, -1) if board.cluster.double[vm] else Step(vm, *divmod(flat, 2))
