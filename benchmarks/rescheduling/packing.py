"""How few waves a set of moves may need: a lower bound, and the best of first-fit packings in random orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.verification.claim import Move
from foresail.cli.rescheduling.verification.replay import Limits
from foresail.cli.rescheduling.verification.room import Room, State
from foresail.cli.rescheduling.verification.seats import room_of

PACKINGS = 20
Step = tuple[int, int, np.ndarray]  # unit, node, what it holds there


def least_waves(instance: Instance, moves: Sequence[Move], limits: Limits) -> int:
    """No packing has fewer."""
    home = dict(zip(instance.units, instance.homes.tolist(), strict=True))
    out, into = Counter(home[move.unit] for move in moves), Counter(move.to for move in moves)
    counts = ((len(moves), limits.parallel), (max(out.values(), default=0), limits.max_out))
    return max(-(-count // most) for count, most in (*counts, (max(into.values(), default=0), limits.max_in)))


def first_fit(instance: Instance, moves: Sequence[Move], limits: Limits, seed: int) -> int | None:
    """Fewest waves of packings in random orders; None: none of them came to an end."""
    room, rng = room_of(instance), np.random.default_rng(seed)
    unit_of = {name: place for place, name in enumerate(room.units)}
    node_of = {name: place for place, name in enumerate(room.nodes)}
    steps: list[Step] = []
    for move in moves:
        unit, node = unit_of[move.unit], node_of[move.to]
        seat = room.seat(unit, node, move)
        assert not isinstance(seat, tuple)
        steps.append((unit, node, seat))
    found = [_pack(room, [steps[place] for place in rng.permutation(len(steps))], limits) for _ in range(PACKINGS)]
    return min((waves for waves in found if waves is not None), default=None)


def _pack(room: Room, left: list[Step], limits: Limits) -> int | None:
    state, waves = State(room), 0
    while left:
        wave = _fill(state, left, limits)
        if not wave:
            return None
        for step in wave:
            state.leave(*step)
        taken = {step[0] for step in wave}
        left = [step for step in left if step[0] not in taken]
        waves += 1
    return waves


def _fill(state: State, left: Sequence[Step], limits: Limits) -> list[Step]:
    """The first moves that may run together."""
    wave: list[Step] = []
    out: Counter[int] = Counter()
    into: Counter[int] = Counter()
    for unit, node, seat in left:
        source = state.homes[unit]
        if len(wave) == limits.parallel or out[source] == limits.max_out or into[node] == limits.max_in:
            continue
        if not state.short(node, seat) and not state.has_company(unit, node):
            state.hold(unit, node, seat)
            out[source] += 1
            into[node] += 1
            wave.append((unit, node, seat))
    return wave
