"""Machines rid of all their VMs, those with fewest first: a first plan where machines without VMs are what counts."""

from __future__ import annotations

import numpy as np

from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.machines.board import Board, Step


def empty(board: Board, moves: int, price: float = 0.0) -> Board:
    """Empty machines while all their VMs fit elsewhere, within so many moves, and that is worth more than they cost."""
    able = board.able()
    for machine in np.argsort(_vms(board), kind="stable").tolist():
        leaving = np.flatnonzero(board.machine == machine)
        afford = len(leaving) <= moves - len(board.steps) and len(leaving) * price < 1.0
        if leaving.size and afford and able[leaving].all():
            able[_emptied(board, leaving)] = False
    return board


def _emptied(board: Board, leaving: IntArray) -> IntArray:
    """Move all of them, the largest first, to the fullest machines that they fit on; none unless all fit."""
    for done, vm in enumerate(leaving[np.argsort(-board.cluster.vm_cpu[leaving], kind="stable")].tolist()):
        step = _fullest(board, vm)
        if step is None:
            for _ in range(done):
                board.take_back()
            return leaving[:0]
        board.move(step)
    return leaving


def _fullest(board: Board, vm: int) -> Step | None:
    """Where least is free afterwards, of machines that have VMs."""
    room = board.places(vm) & (_vms(board) > 0)[:, None]
    if not room.any():
        return None
    return board.step(vm, int(np.where(room, board.cpu.sum(axis=1, keepdims=True), np.inf).argmin()))


def _vms(board: Board) -> IntArray:
    return np.bincount(board.machine, minlength=len(board.cpu))
