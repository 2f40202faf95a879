"""Plans for pods with GPUs: to the planner's terms and back."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from time import process_time

import numpy as np

from foresail.cli.rescheduling.answer import Answer
from foresail.cli.rescheduling.document import IntArray
from foresail.cli.rescheduling.pods import PodInstance
from foresail.cli.rescheduling.verification.claim import Move
from foresail.cli.rescheduling.wanted import Wanted
from foresail.policies.rescheduling.drain import whole_free_nodes
from foresail.policies.rescheduling.expected_fragmentation import ExpectedFragmentation
from foresail.policies.rescheduling.gpu_board import PodMove
from foresail.policies.rescheduling.gpu_plan import UNORDERED, PodPlan, least_fragmentation, most_whole_nodes
from foresail.policies.rescheduling.pods import PodInstance as Pods
from foresail.policies.rescheduling.pods import PodMix
from foresail.policies.rescheduling.waves import Limits


def solve_pods(instance: PodInstance, wanted: Wanted) -> Answer:
    """Plan."""
    begin = process_time()
    pods = to_pods(instance)
    wrong = pods.overcommitment()
    plan = PodPlan((), (), None, certified=False) if wrong else _plan(pods, wanted)
    seconds = process_time() - begin
    measure = ExpectedFragmentation(pods.mix)
    before, after = _measures(pods, measure, ()), _measures(pods, measure, plan.moves)
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
        message=f"No plan: {wrong}." if wrong else _message(plan, wanted, before, after),
        refused=wrong is not None,
    )


def to_pods(instance: PodInstance) -> Pods:
    """In the planner's terms."""
    most = max(instance.node_gpus.tolist(), default=1)
    held = np.zeros((len(instance.pods), max(most, 1)), np.int64)
    for pod, cards in enumerate(instance.cards):
        held[pod, list(cards)] = instance.asks.milli[pod]
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
        held_milli=held,
        movable=instance.movable,
        mix=PodMix(types.cpu, types.memory, types.gpus, types.milli, instance.shares),
        workloads=instance.workloads,
    )


def _plan(pods: Pods, wanted: Wanted) -> PodPlan:
    limits = Limits(wanted.limits.parallel, wanted.limits.max_in, wanted.limits.max_out)
    way = most_whole_nodes if wanted.objective == "whole-nodes" else least_fragmentation
    return way(pods, wanted.moves, limits, process_time, wanted.seconds, wanted.seed)


def _skipped(pods: Pods, plan: PodPlan) -> tuple[tuple[str, str], ...]:
    reasons = pods.skipped() | dict.fromkeys(plan.unordered, UNORDERED)
    return tuple((pods.pods[pod], reasons[pod]) for pod in sorted(reasons))


def _measures(pods: Pods, measure: ExpectedFragmentation, moves: tuple[PodMove, ...]) -> dict[str, float]:
    host = pods.pod_node.copy()
    for move in moves:
        host[move.pod] = move.node
    whole = int(whole_free_nodes(pods, host).sum())
    return {"fragmented_gpus": _fragmented(pods, measure, moves), "whole_free_nodes": whole}


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


def _move(instance: PodInstance, move: PodMove) -> Move:
    cards = tuple(np.flatnonzero(move.taken).tolist())
    return Move(instance.pods[move.pod], instance.nodes[move.node], cards=cards)


def _message(plan: PodPlan, wanted: Wanted, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    moves, waves = len(plan.moves), len(plan.waves)
    counted = f"{moves} move{'' if moves == 1 else 's'} in {waves} wave{'' if waves == 1 else 's'}"
    known = plan.bound is not None and isfinite(plan.bound)
    if wanted.objective == "whole-nodes":
        told = f"take whole free nodes of 8 GPUs from {before['whole_free_nodes']:g} to {after['whole_free_nodes']:g}"
        better = f"{plan.bound:g} whole nodes at most" if known else ""
    else:
        rates = f"from {before['fragmented_gpus']:.2f} to {after['fragmented_gpus']:.2f}"
        told = f"take expected fragmentation {rates} GPUs"
        better = f"{plan.bound:.2f} GPUs in fragments at least" if known else ""
    done = f"{counted} {told}" if moves else "Nothing is moved"
    if plan.certified:
        return f"{done}; no plan of as many moves does better."
    return f"{done}; a better plan would have {better}." if better else f"{done}; nothing is proven of better plans."
