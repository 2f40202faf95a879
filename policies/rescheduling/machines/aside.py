"""An extra step: a VM that is not in the plan goes aside, so that one that waits for its room can come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from foresail.domain.timeseries import BoolArray
from foresail.policies.programs.linear import IntArray
from foresail.policies.rescheduling.machines.board import Board, Step

Place = tuple[int, int]  # machine, NUMA node: -1 for both


def room_maker(
    board: Board, waiting: Mapping[int, Sequence[int]], comers: Mapping[int, Sequence[Place]]
) -> Step | None:
    """A VM that goes where nobody is to come and nothing is lost, and leaves room for one of those who wait.

    Args:
        board: As it stands.
        waiting: VMs that are to move, by shape.
        comers: Places that are kept for them, by shape.
    """
    able = board.able()
    able[[vm for vms in waiting.values() for vm in vms]] = False
    kept = _kept(board, comers)
    for kind, vms in waiting.items():
        for machine, node in dict.fromkeys(comers[kind]):
            if any(machine != board.machine[vm] and not board.meets(vm, machine) for vm in vms):
                there = np.flatnonzero(able & (board.machine == machine))
                step = _first(board, there[_frees(board, there, vms[0], (machine, node))].tolist(), kept)
                if step is not None:
                    return step
    return None


def _frees(board: Board, vms: IntArray, comer: int, place: Place) -> BoolArray:
    """(M,) whether there is room for one that comes to a place once each of M VMs has gone."""
    nodes = slice(None) if place[1] < 0 else slice(place[1], place[1] + 1)
    enough = [
        free[place[0], nodes] + part[vms, None] * board.on[vms][:, nodes] >= part[comer]
        for free, part in ((board.cpu, board.part_cpu), (board.memory, board.part_memory))
    ]
    return np.asarray((enough[0] & enough[1]).all(axis=1))


def _first(board: Board, vms: Iterable[int], kept: tuple[IntArray, IntArray]) -> Step | None:
    """The first VM that finds a place where it costs nothing, beside what is kept for others."""
    cpu, memory = board.cpu - kept[0], board.memory - kept[1]
    worth = board.cluster.node_worth(cpu, memory)
    for vm in vms:
        left = cpu - board.part_cpu[vm], memory - board.part_memory[vm]
        free = (left[0] >= 0) & (left[1] >= 0) & (board.cluster.node_worth(*left) == worth)
        room = board.places(vm) & (free.all(axis=1, keepdims=True) if board.cluster.double[vm] else free)
        if room.any():
            return board.step(vm, int(room.argmax()))
    return None


def _kept(board: Board, comers: Mapping[int, Sequence[Place]]) -> tuple[IntArray, IntArray]:
    """(N, 2) CPU and memory that are kept for those who are still to come."""
    kinds, kept = board.cluster.shapes[0], np.zeros((2, *board.cpu.shape), np.int64)
    for kind, places in comers.items():
        for machine, node in places:
            nodes, halves = (slice(None), 2) if node < 0 else (node, 1)
            kept[0, machine, nodes] += kinds[kind, 0] // halves
            kept[1, machine, nodes] += kinds[kind, 1] // halves
    return kept[0], kept[1]
