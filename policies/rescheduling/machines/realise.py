"""From patterns to VMs that move, in an order in which each fits while it still holds its source."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from foresail.policies.rescheduling.machines.aside import Place, room_maker
from foresail.policies.rescheduling.machines.board import Board, Step
from foresail.policies.rescheduling.machines.master import Choice, Pattern


def perform(board: Board, choice: Choice, moves: int, rng: np.random.Generator) -> list[int]:
    """Carry out patterns as far as they go; of moves that are as good, chance picks. Returns VMs that are left out.

    Where VMs wait for one another's room, others make some, while there may be so many moves.
    """
    leavers, comers = _leavers(board, choice.patterns), _comers(choice, rng)
    kinds = board.cluster.shapes[0]
    order = sorted(leavers, key=lambda kind: -int(kinds[kind, 0]))
    while True:
        # The largest first, as they are the hardest to place.
        found = next((one for kind in order if (one := _best(board, leavers[kind], comers[kind], rng))), None)
        if found is not None:
            kind, (vm, place) = int(board.cluster.shapes[1][found[0]]), found
            board.move(Step(vm, *place))
            leavers[kind].remove(vm)
            comers[kind].remove(place)
            continue
        waiting = {kind: leavers[kind] for kind in order if leavers[kind]}
        left = [vm for vms in waiting.values() for vm in vms]
        step = room_maker(board, waiting, comers) if len(board.steps) + len(left) < moves else None
        if step is None:
            return left
        board.move(step)


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


def _leavers(board: Board, patterns: list[Pattern]) -> dict[int, list[int]]:
    """VMs that leave, by shape: of those of one shape on a NUMA node the ones with fewest that they may not meet."""
    shape, near = board.cluster.shapes[1], board.cluster.neighbors
    seats: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for vm in np.flatnonzero(shape >= 0).tolist():
        seats[int(board.machine[vm]), int(board.node[vm]) % 3, int(shape[vm])].append(vm)
    found: dict[int, list[int]] = defaultdict(list)
    for pattern in patterns:
        for where, kind, count in pattern.leave:
            vms = sorted(seats[pattern.machine, where, kind], key=lambda vm: len(near.get(vm, ())))
            found[kind] += vms[:count]
    return found


def _comers(choice: Choice, rng: np.random.Generator) -> dict[int, list[Place]]:
    """Places that are kept for VMs, by shape."""
    found: dict[int, list[Place]] = defaultdict(list)
    for pattern in choice.patterns:
        for where, kind, count in pattern.come:
            found[kind] += [(pattern.machine, -1 if where == 2 else where)] * count
    for (of, [to]), times in choice.handed:  # of the largest first, so that what is handed over may be again
        for _ in range(min(times, len(found[of]))):
            found[to].append(found[of].pop(int(rng.integers(len(found[of])))))
    return found
