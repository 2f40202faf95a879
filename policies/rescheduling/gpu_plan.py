"""A plan for GPU pods: least expected fragmentation or most whole free nodes by N moves, or fewest moves to a goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI
from foresail.policies.rescheduling.descent import descend
from foresail.policies.rescheduling.drain import drain
from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodBoard, PodMove
from foresail.policies.rescheduling.gpu_realise import flows, resources, worth
from foresail.policies.rescheduling.gpu_search import Aim, Found, search
from foresail.policies.rescheduling.pods import PodInstance
from foresail.policies.rescheduling.waves import Limits, pack

_ROUNDING: Final = 1e-6  # cards


@dataclass(frozen=True, slots=True, eq=False)
class PodPlan:
    """Moves that are safe in their order, and in their waves.

    Args:
        moves: In order.
        waves: Places in `moves`.
        bound: The least F in cards, or the most whole free nodes, that so many moves can leave, with the price of the
            moves added or taken off; or the fewest moves that reach a goal. None: not known.
        certified: Whether no plan is better.
        unordered: Pods that were to move as well, and for whose moves no order was found.
        reached: Whether the goal is reached; True without one.
    """

    moves: tuple[PodMove, ...]
    waves: tuple[tuple[int, ...], ...]
    bound: float | None
    certified: bool
    unordered: tuple[int, ...] = ()
    reached: bool = True


def least_fragmentation(
    instance: PodInstance, moves: int, limits: Limits, effort: Effort, price: float = 0.0
) -> PodPlan:
    """At most so many moves that leave as little expected fragmentation as can be; each gains its price in cards."""
    aim = Aim(moves, price * WHOLE_CARD_MILLI)
    found = search(instance, ExpectedFragmentation(instance.mix), aim, effort)
    before = fragmented_cards(instance)
    after = before - found.gain / WHOLE_CARD_MILLI + price * len(found.moves)
    bound = min(before - found.most(moves) / WHOLE_CARD_MILLI, after)
    waves, certified = in_waves(instance, found.moves, limits), after <= bound + _ROUNDING
    # Where no plan is better, those would have gained nothing.
    return PodPlan(found.moves, waves, bound, certified, () if certified else found.unordered)


def most_whole_nodes(instance: PodInstance, moves: int, limits: Limits, effort: Effort, price: float = 0.0) -> PodPlan:
    """At most so many moves that leave as many nodes of eight free cards as can be; each gains its price in nodes."""
    begun, rng = effort.clock(), np.random.default_rng(effort.seed)
    measure = ExpectedFragmentation(instance.mix)
    found = drain(instance, measure, moves, lambda: effort.clock() - begun < effort.seconds, rng, price)
    return PodPlan(found.moves, in_waves(instance, found.moves, limits), found.most, found.certified)


def fewest_moves(instance: PodInstance, moves: int, goal: float, limits: Limits, effort: Effort) -> PodPlan:
    """As few moves as bring F to a part of all free cards, at most so many; else as low as so many moves bring it."""
    until, measure = effort.clock() + effort.seconds, ExpectedFragmentation(instance.mix)
    free = float(instance.free_cards_milli.sum())
    wanted = fragmented_cards(instance) * WHOLE_CARD_MILLI - goal * free - _ROUNDING

    def tried(count: int, part: float, *, proven: bool) -> Found:
        left = max(until - effort.clock(), 0.0)
        return search(instance, measure, Aim(count, proven=proven), replace(effort, seconds=part * left))

    best, least = _steepest(instance, measure, moves if wanted > 0 else 0), 0.0
    if best.gain < wanted:
        best = tried(moves, 0.5, proven=False)
    if best.gain < wanted:
        waves = in_waves(instance, best.moves, limits)
        return PodPlan(best.moves, waves, None, certified=False, unordered=best.unordered, reached=False)
    best = _until(instance, measure, best, wanted)
    # The first moves of a plan of more are seldom the best so many: one fewer is tried until that fails.
    while least < len(best.moves):
        found = tried(len(best.moves) - 1, 0.8, proven=True)
        least = max(least, min(found.fewest(wanted), float(len(best.moves))))
        if found.gain < wanted:
            break
        best = _until(instance, measure, found, wanted)
    return PodPlan(best.moves, in_waves(instance, best.moves, limits), least, certified=len(best.moves) == least)


def _steepest(instance: PodInstance, measure: ExpectedFragmentation, moves: int) -> Found:
    """What steepest descent finds, at once."""
    board = PodBoard(instance, measure)
    before = board.worth()
    descend(board, moves)
    return Found(tuple(board.trail), board.worth() - before, ())


def _until(instance: PodInstance, measure: ExpectedFragmentation, found: Found, wanted: float) -> Found:
    """Only as many of the first moves as gain what is wanted."""
    free, gain = resources(instance), 0.0
    for place, flow in enumerate(flows(instance, found.moves)):
        if gain >= wanted:
            return replace(found, moves=found.moves[:place], gain=gain)
        rows = [flow.source, flow.to]
        before = worth(measure, free[rows]).sum()
        free[rows] += [flow.gives, -flow.takes]
        gain += float(worth(measure, free[rows]).sum() - before)
    return found


def fragmented_cards(instance: PodInstance) -> float:
    """F at the start."""
    free = instance.free_cpu_milli, instance.free_memory_mebibytes, instance.free_cards_milli
    return float(ExpectedFragmentation(instance.mix).fragmented_cards(*free).sum())


def in_waves(instance: PodInstance, moves: Sequence[PodMove], limits: Limits) -> tuple[tuple[int, ...], ...]:
    """Places in `moves` by wave: in each, all destinations are held before any source is given up."""
    return tuple(map(tuple, pack(resources(instance), flows(instance, moves), limits)))
