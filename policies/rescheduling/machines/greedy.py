"""The move that completes most slots, again and again: a first plan, first patterns, and what fills a plan up."""

from __future__ import annotations

from typing import Final

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.machines.board import Board, Step

LOOKED_AT: Final = 40  # VMs a move, those that would gain most first
# Slots: of moves that complete as many, the one that leaves fewer fragments; the smallest.
_REST: Final = 1e-3
_SIZE: Final = 1e-6
_LEAST: Final = 1e-9


def descend(board: Board, moves: int, price: float = 0.0) -> Board:
    """Move until there are so many moves, or none gains more than its price; VMs that have moved stay."""
    leaving = _Leaving(board)
    while len(board.steps) < moves:
        score = leaving.gain + _REST * np.maximum(leaving.gone, 0) - _SIZE * board.part_cpu
        order = _first(np.where(leaving.able & (leaving.gain > price), score, -1.0))
        step = next(filter(None, (_step(board, vm, leaving.gain[vm] - price) for vm in order)), None)
        if step is None:
            break
        leaving.move(step)
    return board


def tidy(board: Board, moves: int) -> Board:
    """Move whoever takes most fragments along to where it fills most, until a pair gains nothing: filter and score."""
    leaving = _Leaving(board)
    while len(board.steps) < moves:
        gone = np.where(leaving.able, leaving.gone, -1.0)
        order = np.argsort(-gone, kind="stable")[:LOOKED_AT].tolist()
        step = next(filter(None, (_filling(board, vm, gone[vm]) for vm in order if leaving.able[vm])), None)
        if step is None:
            break
        leaving.move(step)
    return board


class _Leaving:
    """What is gained by each VM's leaving, kept up to date.

    Attributes:
        able: (V,) whether it may still move.
        gain: (V,) what it completes.
        gone: (V,) CPU in fragments that goes.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self.able = board.able()
        self.gain, self.gone = np.zeros(len(self.able), np.int64), np.zeros(len(self.able))
        self._look(np.arange(len(self.able)))

    def move(self, step: Step) -> None:
        """Move, and look again at who is on the two machines."""
        source = self._board.machine[step.vm]
        self._board.move(step)
        self.able[step.vm] = False
        self._look(np.flatnonzero((self._board.machine == source) | (self._board.machine == step.machine)))

    def _look(self, vms: IntArray) -> None:
        board, worth = self._board, self._board.cluster.node_worth
        cpu, memory = board.cpu[board.machine[vms]], board.memory[board.machine[vms]]
        on, taken = board.on[vms], board.part_cpu[vms, None] * board.on[vms]
        gain = worth(cpu + taken, memory + board.part_memory[vms, None] * on) - worth(cpu, memory)
        self.gain[vms] = gain.sum(axis=1)
        self.gone[vms] = (gain * board.cluster.worth_cpu - taken).sum(axis=1)


def _loss(board: Board, vm: int) -> tuple[IntArray, FloatArray]:
    """What its arrival costs, and CPU in fragments that it leaves: (N, 2), or (N, 1) for a double one."""
    cpu, memory = board.cpu - board.part_cpu[vm], board.memory - board.part_memory[vm]
    left = board.cluster.node_worth(cpu, memory)
    loss, rest = board.cluster.node_worth(board.cpu, board.memory) - left, cpu - left * board.cluster.worth_cpu
    if board.cluster.double[vm]:
        return loss.sum(axis=1, keepdims=True), rest.sum(axis=1, keepdims=True)
    return loss, rest


def _first(score: FloatArray) -> list[int]:
    order = np.argsort(-score, kind="stable")[:LOOKED_AT]
    return [vm for vm in order.tolist() if score[vm] > 0.0]


def _step(board: Board, vm: int, gain: float) -> Step | None:
    """Where its arrival costs least, when that is less than its leaving gains."""
    room = board.places(vm)
    if not room.any():
        return None
    loss, rest = _loss(board, vm)
    flat = int(np.where(room, loss + _REST * rest, np.inf).argmin())
    return board.step(vm, flat) if gain > loss.flat[flat] else None


def _filling(board: Board, vm: int, gone: float) -> Step | None:
    """Where it fills most fragments, when both together gain."""
    room = board.places(vm)
    if not room.any():
        return None
    takes = board.part_cpu[vm] * (2 if board.cluster.double[vm] else 1)
    fills = takes - _loss(board, vm)[0] * board.cluster.worth_cpu
    flat = int(np.where(room, fills, -np.inf).argmax())
    return board.step(vm, flat) if gone + fills.flat[flat] > _LEAST else None
