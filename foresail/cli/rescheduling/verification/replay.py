"""Replays moves one by one and wave by wave, each destination being held before its source is given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.past import AT_ONCE, Rest
from foresail.cli.rescheduling.verification.claim import Claim, Move
from foresail.cli.rescheduling.verification.fault import Fault, Kind
from foresail.cli.rescheduling.verification.room import Room, State


@dataclass(frozen=True, slots=True)
class Limits:
    """What a wave, and the whole plan, may have.

    Args:
        parallel: Moves of a wave.
        max_in: Of them into one node.
        max_out: Of them out of one node.
        moves: Of the plan; None: any number.
        rest: What units must have behind them.
        price_per_move: What each move must earn; None: what the plan says that it does.
    """

    parallel: int = 5
    max_in: int = 2
    max_out: int = 2
    moves: int | None = None
    rest: Rest = AT_ONCE
    price_per_move: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """A move that can be made, right or wrong: what it names is there."""

    place: int
    unit: int
    node: int
    seat: IntArray


def replay(room: Room, claim: Claim, limits: Limits) -> tuple[list[Fault], IntArray]:
    """Faults of a plan, and what is free at its end, shape (N, R); what cannot be made at all is left out."""
    faults: list[Fault] = []
    if limits.moves is not None and len(claim.moves) > limits.moves:
        faults.append(Fault(Kind.LIMIT, f"{len(claim.moves)} moves where {limits.moves} are allowed"))
    steps, found = _resolve(room, claim.moves)
    faults += found
    state = State(room)
    faults += _one_by_one(room, state, claim.moves, steps.values())
    if claim.waves is not None:
        faults += _check_places(claim.waves, len(claim.moves))
        faults += _by_waves(room, claim, steps, limits)
    return faults, state.free


def _resolve(room: Room, moves: Sequence[Move]) -> tuple[dict[int, _Step], list[Fault]]:
    """Moves by place, with what each holds; and what is wrong with a move wherever units are."""
    unit_of = {name: place for place, name in enumerate(room.units)}
    node_of = {name: place for place, name in enumerate(room.nodes)}
    steps, faults, seen = {}, [], set()
    for place, move in enumerate(moves):
        unit, node = unit_of.get(move.unit), node_of.get(move.to)
        if unit is None or node is None:
            kind, what = (Kind.UNIT, f"unit {move.unit}") if unit is None else (Kind.NODE, f"node {move.to}")
            faults.append(Fault(kind, f"there is no {what}", place))
            continue
        if not room.movable[unit]:
            faults.append(Fault(Kind.PINNED, f"{move.unit} is not movable", place))
        if unit in seen:
            faults.append(Fault(Kind.TWICE, f"{move.unit} is moved twice", place))
        seen.add(unit)
        seat = room.seat(unit, node, move)
        if isinstance(seat, tuple):
            faults.append(Fault(*seat, place))
        else:
            steps[place] = _Step(place, unit, node, seat)
    return steps, faults


def _one_by_one(room: Room, state: State, moves: Sequence[Move], steps: Iterable[_Step]) -> Iterator[Fault]:
    for step in steps:
        if state.homes[step.unit] == step.node:
            yield Fault(Kind.SAME, f"{moves[step.place].unit} is on {moves[step.place].to} already", step.place)
            continue
        yield from _held(room, state, step, None)
        state.leave(step.unit, step.node, step.seat)


def _by_waves(room: Room, claim: Claim, steps: dict[int, _Step], limits: Limits) -> Iterator[Fault]:
    state = State(room)
    for wave, places in enumerate(claim.waves or ()):
        if len(places) > limits.parallel:
            yield Fault(Kind.PARALLEL, f"{len(places)} moves at once where {limits.parallel} are allowed", wave=wave)
        ready = _ready(state, [steps[place] for place in places if place in steps])
        yield from _check_flows(room, state, ready, (wave, limits))
        yield from _check_workloads(room, ready, wave)
        for step in ready:
            yield from _held(room, state, step, wave)
        for step in ready:
            state.leave(step.unit, step.node, step.seat)


def _ready(state: State, steps: Sequence[_Step]) -> list[_Step]:
    """Steps that lead elsewhere, the first of each unit."""
    first: dict[int, _Step] = {}
    for step in steps:
        if state.homes[step.unit] != step.node:
            first.setdefault(step.unit, step)
    return list(first.values())


def _held(room: Room, state: State, step: _Step, wave: int | None) -> Iterator[Fault]:
    """Hold the destination; what stands against it."""
    unit, node = room.units[step.unit], room.nodes[step.node]
    short = state.short(step.node, step.seat)
    if short:
        message = f"{unit} does not fit on {node} while it still holds its source: too little {', '.join(short)}"
        yield Fault(Kind.ROOM, message, step.place, wave)
    if state.has_company(step.unit, step.node):
        yield Fault(Kind.APART, f"{unit} meets one on {node} that it must be apart from", step.place, wave)
    state.hold(step.unit, step.node, step.seat)


def _check_flows(room: Room, state: State, steps: Sequence[_Step], rules: tuple[int, Limits]) -> Iterator[Fault]:
    wave, limits = rules
    into = Counter(step.node for step in steps)
    out = Counter(state.homes[step.unit] for step in steps)
    for kind, counted, most, way in ((Kind.IN, into, limits.max_in, "into"), (Kind.OUT, out, limits.max_out, "out of")):
        for node, count in counted.items():
            if count > most:
                message = f"{count} moves at once {way} {room.nodes[node]} where {most} are allowed"
                yield Fault(kind, message, wave=wave)


def _check_workloads(room: Room, steps: Sequence[_Step], wave: int) -> Iterator[Fault]:
    away = Counter(room.workloads[step.unit] for step in steps if room.workloads)
    for workload, count in away.items():
        if workload and count > 1:
            yield Fault(Kind.WORKLOAD, f"{count} units of {workload} are moved at once where 1 is allowed", wave=wave)


def _check_places(waves: Sequence[Sequence[int]], moves: int) -> Iterator[Fault]:
    """Each move is in one wave."""
    there = Counter(place for wave in waves for place in wave)
    for place, count in sorted(there.items()):
        if not 0 <= place < moves:
            yield Fault(Kind.WAVES, f"a wave names move {place}, of {moves}")
        elif count > 1:
            yield Fault(Kind.WAVES, f"move {place} is in {count} waves", place)
    for place in range(moves):
        if place not in there:
            yield Fault(Kind.WAVES, f"move {place} is in no wave", place)
