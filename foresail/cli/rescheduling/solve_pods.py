"""Plans for pods with GPUs: to the planner's terms and back."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from time import process_time

import numpy as np

from foresail.cli.rescheduling.answer import Answer
from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.pods import PodInstance
from foresail.cli.rescheduling.sentence import price_told, sentence
from foresail.cli.rescheduling.verification.claim import Move
from foresail.cli.rescheduling.wanted import Wanted
from foresail.policies.allocation.nodes.node import WHOLE_CARD_MILLI
from foresail.policies.rescheduling.drain import whole_free_nodes
from foresail.policies.rescheduling.effort import Effort
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodMove
from foresail.policies.rescheduling.gpu_plan import (
    PodPlan,
    fewest_moves,
    least_fragmentation,
    most_whole_nodes,
)
from foresail.policies.rescheduling.pods import PodInstance as Pods
from foresail.policies.rescheduling.pods import PodMix, held_by
from foresail.policies.rescheduling.waves import UNORDERED, Limits

ROUNDING = 1e-9


def solve_pods(instance: PodInstance, wanted: Wanted) -> Answer:
    """Plan."""
    begin = process_time()
    pods = to_pods(instance)
    wrong = pods.overcommitment()
    plan = PodPlan((), (), None, certified=False) if wrong else _plan(pods, wanted)
    seconds = process_time() - begin
    measure = ExpectedFragmentation(pods.mix)
    before, after = _measures(pods, measure, ()), _measures(pods, measure, plan.moves)
    rates = _rate(pods, before), _rate(pods, after)
    return Answer(
        instance=instance,
        objective=wanted.objective,
        moves=tuple(_move(instance, move) for move in plan.moves),
        waves=plan.waves,
        before=before,
        after=after,
        bound=plan.bound if plan.bound is None or isfinite(plan.bound) else None,
        certified=bool(plan.certified),
        skipped=_skipped(pods, plan),
        cpu_seconds=seconds,
        message=f"No plan: {wrong}." if wrong else _message(plan, wanted, (before, after), rates),
        refused=wrong is not None or _missed(wanted, rates),
    )


def to_pods(instance: PodInstance) -> Pods:
    """In the planner's terms."""
    asks, types = instance.asks, instance.types
    return Pods(
        nodes=instance.nodes,
        node_cpu_milli=instance.node_cpu,
        node_memory_mebibytes=instance.node_memory,
        node_cards=instance.node_gpus,
        node_model=instance.models,
        pods=instance.pods,
        pod_cpu_milli=asks.cpu,
        pod_memory_mebibytes=asks.memory,
        pod_cards=asks.gpus,
        pod_share_milli=asks.milli,
        pod_models=instance.specs,
        pod_node=instance.node,
        held_milli=held_by(instance.cards, asks.milli, instance.node_gpus),
        movable=instance.movable,
        mix=PodMix(types.cpu, types.memory, types.gpus, types.milli, instance.shares),
        workloads=instance.workloads,
    )


def _plan(pods: Pods, wanted: Wanted) -> PodPlan:
    limits = Limits(wanted.limits.parallel, wanted.limits.max_in, wanted.limits.max_out)
    effort = Effort(process_time, wanted.seconds, wanted.seed)
    if wanted.objective == "fewest-moves" and wanted.goal is not None:
        return fewest_moves(pods, wanted.moves, wanted.goal, limits, effort)
    way = most_whole_nodes if wanted.objective == "whole-nodes" else least_fragmentation
    return way(pods, wanted.moves, limits, effort, wanted.price_per_move)


def _skipped(pods: Pods, plan: PodPlan) -> tuple[tuple[str, str], ...]:
    reasons = pods.skipped() | dict.fromkeys(plan.unordered, UNORDERED)
    return tuple((pods.pods[pod], reasons[pod]) for pod in sorted(reasons))


def _measures(pods: Pods, measure: ExpectedFragmentation, moves: tuple[PodMove, ...]) -> dict[str, float]:
    host = pods.pod_node.copy()
    for move in moves:
        host[move.pod] = move.node
    whole = int(whole_free_nodes(pods, host).sum())
    return {"fragmented_gpus": _fragmented(pods, measure, moves), "whole_free_nodes": whole}


def _rate(pods: Pods, measures: Mapping[str, float]) -> float:
    """Part of the free cards that is in fragments."""
    free = int(pods.free_cards_milli.sum()) / WHOLE_CARD_MILLI
    return measures["fragmented_gpus"] / free if free else 0.0


def _fragmented(pods: Pods, measure: ExpectedFragmentation, moves: tuple[PodMove, ...]) -> float:
    cpu, memory, cards = (
        free.copy() for free in (pods.free_cpu_milli, pods.free_memory_mebibytes, pods.free_cards_milli)
    )
    for move in moves:
        rows: tuple[tuple[int, int, IntArray], ...] = (
            (int(pods.pod_node[move.pod]), 1, pods.held_milli[move.pod]),
            (move.node, -1, move.taken),
        )
        for node, sign, held in rows:
            cpu[node] += sign * pods.pod_cpu_milli[move.pod]
            memory[node] += sign * pods.pod_memory_mebibytes[move.pod]
            cards[node] += sign * held
    return float(measure.fragmented_cards(cpu, memory, cards).sum())


def _missed(wanted: Wanted, rates: tuple[float, float]) -> bool:
    return wanted.goal is not None and rates[1] > wanted.goal + ROUNDING


def _move(instance: PodInstance, move: PodMove) -> Move:
    cards = tuple(np.flatnonzero(move.taken).tolist())
    return Move(instance.pods[move.pod], instance.nodes[move.node], cards=cards)


def _message(
    plan: PodPlan, wanted: Wanted, measures: tuple[Mapping[str, float], Mapping[str, float]], rates: tuple[float, float]
) -> str:
    before, after = measures
    if wanted.objective == "whole-nodes":
        told = f"whole free nodes of 8 GPUs from {before['whole_free_nodes']:g} to {after['whole_free_nodes']:g}"
        better = f"{{:g}} whole nodes at most{price_told(wanted, 'less')}"
    elif wanted.objective == "fewest-moves":
        told = f"expected fragmentation from {100 * rates[0]:.2f} % to {100 * rates[1]:.2f} % of the free GPUs"
        better = "{:g} moves at least"
    else:
        fragments = f"from {before['fragmented_gpus']:.2f} to {after['fragmented_gpus']:.2f}"
        told = f"expected fragmentation {fragments} GPUs"
        better = f"{{:.2f}} GPUs in fragments at least{price_told(wanted, 'with it')}"
    counts, missed = (len(plan.moves), len(plan.waves)), _missed(wanted, rates)
    return sentence(wanted, counts, told, better, bound=plan.bound, certified=bool(plan.certified), missed=missed)
