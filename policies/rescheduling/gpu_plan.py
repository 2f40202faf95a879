"""A plan for GPU pods: as little expected fragmentation as N moves can leave, or as many whole free nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI
from foresail.policies.rescheduling.drain import drain
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodMove
from foresail.policies.rescheduling.gpu_search import Clock, search
from foresail.policies.rescheduling.pods import PodInstance
from foresail.policies.rescheduling.waves import Flow, Limits, pack

UNORDERED: Final = "was to move, and in no order is there room for it: units would have to change places at once"
_ROUNDING: Final = 1e-6  # cards


@dataclass(frozen=True, slots=True, eq=False)
class PodPlan:
    """Moves that are safe in their order, and in their waves.

    Args:
        moves: In order.
        waves: Places in `moves`.
        bound: The least F in cards, or the most whole free nodes, that so many moves can leave; None: not known.
        certified: Whether no plan is better.
        unordered: Pods that were to move as well, and for whose moves no order was found.
    """

    moves: tuple[PodMove, ...]
    waves: tuple[tuple[int, ...], ...]
    bound: float | None
    certified: bool
    unordered: tuple[int, ...] = ()


def least_fragmentation(
    instance: PodInstance, moves: int, limits: Limits, clock: Clock, seconds: float, seed: int = 0
) -> PodPlan:
    """At most so many moves that leave as little expected fragmentation as can be."""
    found = search(instance, ExpectedFragmentation(instance.mix), moves, clock, seconds, seed)
    before = fragmented_cards(instance)
    after = before - found.gain / WHOLE_CARD_MILLI
    bound = before - found.most / WHOLE_CARD_MILLI
    waves, certified = in_waves(instance, found.moves, limits), after <= bound + _ROUNDING
    # Where no plan is better, those would have gained nothing.
    return PodPlan(found.moves, waves, bound, certified, () if certified else found.unordered)


def most_whole_nodes(
    instance: PodInstance, moves: int, limits: Limits, clock: Clock, seconds: float, seed: int = 0
) -> PodPlan:
    """At most so many moves that leave as many nodes of eight free cards as can be."""
    begun = clock()
    measure = ExpectedFragmentation(instance.mix)
    found = drain(instance, measure, moves, lambda: clock() - begun < seconds, np.random.default_rng(seed))
    waves = in_waves(instance, found.moves, limits)
    return PodPlan(found.moves, waves, float(found.most), certified=found.whole == found.most)


def fragmented_cards(instance: PodInstance) -> float:
    """F at the start."""
    free = instance.free_cpu_milli, instance.free_memory_mebibytes, instance.free_cards_milli
    return float(ExpectedFragmentation(instance.mix).fragmented_cards(*free).sum())


def in_waves(instance: PodInstance, moves: Sequence[PodMove], limits: Limits) -> tuple[tuple[int, ...], ...]:
    """Places in `moves` by wave: in each, all destinations are held before any source is given up."""
    cpu, memory, cards = instance.free_cpu_milli, instance.free_memory_mebibytes, instance.free_cards_milli
    flows = []
    for move in moves:
        beside = [instance.pod_cpu_milli[move.pod], instance.pod_memory_mebibytes[move.pod]]
        gives, takes = (np.append(beside, held) for held in (instance.held_milli[move.pod], move.taken))
        workload = instance.workloads[move.pod] if instance.workloads else ""
        flows.append(Flow(move.pod, int(instance.pod_node[move.pod]), move.node, gives, takes, workload))
    return tuple(map(tuple, pack(np.column_stack((cpu, memory, cards)), flows, limits)))
