"""From patterns to VMs that move, in an order in which each fits while it still holds its source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from foresail.policies.rescheduling.machines.board import Board, Step
from foresail.policies.rescheduling.machines.master import Master

Place = tuple[int, int]  # machine, NUMA node: -1 for both


def perform(board: Board, master: Master, chosen: list[int], rng: np.random.Generator) -> int:
    """Carry out patterns as far as they go; of moves that are as good, chance picks. Says how many are left out."""
    leavers, comers = _leavers(board, master, chosen), _comers(master, chosen)
    kinds = board.cluster.shapes[0]
    order = sorted(leavers, key=lambda kind: -int(kinds[kind, 0]))
    while True:
        # The largest first, as they are the hardest to place.
        found = next((one for kind in order if (one := _best(board, leavers[kind], comers[kind], rng))), None)
        if found is None:
            return sum(map(len, leavers.values()))
        kind, (vm, place) = int(board.cluster.shapes[1][found[0]]), found
        board.move(Step(vm, *place))
        leavers[kind].remove(vm)
        comers[kind].remove(place)


def _best(board: Board, leavers: list[int], comers: list[Place], rng: np.random.Generator) -> tuple[int, Place] | None:
    """Of VMs of one shape and places for them, the VM whose leaving completes most slots, where it fits."""
    open_to = [place for place in dict.fromkeys(comers) if leavers and board.has_room(leavers[0], *place)]
    if not open_to:
        return None
    gains = {vm: board.completed(vm) + 0.5 * float(rng.random()) for vm in leavers}
    for vm in sorted(leavers, key=lambda one: -gains[one]):
        fits = [place for place in open_to if board.fits(vm, *place)]
        if fits:
            return vm, fits[int(rng.integers(len(fits)))]
    return None


def _leavers(board: Board, master: Master, chosen: list[int]) -> dict[int, list[int]]:
    """VMs that leave, by shape: of those of one shape on a NUMA node the ones with fewest that they may not meet."""
    shape, near = board.cluster.shapes[1], board.cluster.neighbors
    seats: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for vm in np.flatnonzero(shape >= 0).tolist():
        seats[int(board.machine[vm]), int(board.node[vm]) % 3, int(shape[vm])].append(vm)
    found: dict[int, list[int]] = defaultdict(list)
    for machine, where, kind, count in _entries(master, master.leave, chosen):
        vms = sorted(seats[machine, where, kind], key=lambda vm: len(near.get(vm, ())))
        found[kind] += vms[:count]
    return found


def _comers(master: Master, chosen: list[int]) -> dict[int, list[Place]]:
    """Places that are kept for VMs, by shape."""
    found: dict[int, list[Place]] = defaultdict(list)
    for machine, where, kind, count in _entries(master, master.come, chosen):
        found[kind] += [(machine, -1 if where == 2 else where)] * count
    return found


def _entries(master: Master, of: list[np.ndarray], chosen: list[int]) -> Iterator[tuple[int, int, int, int]]:
    """Machine, NUMA node (2: both), shape and number."""
    for row in chosen:
        for where, kind in zip(*np.nonzero(of[row]), strict=True):
            yield master.machine[row], int(where), int(kind), int(of[row][where, kind])
