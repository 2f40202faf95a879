"""Deciding for one workload: propose, guard, explain, remember."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from foresail.domain.decision import Decision, Step, VariantDecision
from foresail.domain.memory import WorkloadMemory
from foresail.domain.workload import Mode
from foresail.policies.scaling import words
from foresail.policies.scaling.case import Case, Counts, active_rival
from foresail.policies.scaling.conditions import judge_conditions
from foresail.policies.scaling.feedback import update_feedback
from foresail.policies.scaling.guards import apply_guards
from foresail.policies.scaling.outlook import describe_outlook
from foresail.policies.scaling.prices import Prices
from foresail.policies.scaling.proposal import Proposal, propose
from foresail.policies.scaling.recall import remember, renew
from foresail.policies.scaling.schedule import open_schedule


class Decided(NamedTuple):
    """A decision and what to remember."""

    decision: Decision
    memory: WorkloadMemory


def decide(case: Case, prices: Prices) -> Decided:
    """Decide for one workload."""
    proposal = propose(case, prices)
    desired, guarded = apply_guards(case, proposal.counts)
    steps = (*proposal.steps, *guarded)
    variants = _variants(case, desired)
    memory = remember(
        case,
        variants,
        proposed=_by_name(case, proposal.counts) if proposal.wanted is not None and case.demand_known else None,
        log_feedback=_feedback(case, proposal, variants),
    )
    before, after, reason = sum(case.current), sum(desired), steps[-1].reason
    memory = renew(memory, (before, after, reason), case.now)
    decision = Decision(
        id=memory.decision_id,
        key=case.workload.key,
        time=memory.decision_time,
        current=before,
        desired=after,
        reason=reason,
        message=sentence(case, before, after, steps),
        steps=steps,
        variants=variants,
        conditions=judge_conditions(case, proposal),
        outlook=describe_outlook(case, proposal, desired),
    )
    return Decided(decision, memory)


def sentence(case: Case, before: int, after: int, steps: Sequence[Step]) -> str:
    """The decision in one sentence: the numbers, what they rest on, and the last rule that changed them."""
    key, advisory = case.workload.key, case.workload.mode is Mode.ADVISORY
    told = [steps[0].message] if len(steps) == 1 else [steps[0].message, steps[-1].message]
    why = words.join(told)
    if before == after:
        return f"{key} {'would stay' if advisory else 'stays'} at {after}: {why[:1].lower()}{why[1:]}"
    return f"{key}: {'would go ' if advisory else ''}{before} → {after} replica{'' if after == 1 else 's'}. {why}"


def _variants(case: Case, desired: Counts) -> tuple[VariantDecision, ...]:
    """One per variant of the spec; those without a target are not acted on."""
    counts = _by_name(case, desired)
    seats = {seat.name: seat for seat in case.seats}
    acts = case.workload.mode is Mode.AUTO and active_rival(case) is None
    return tuple(
        VariantDecision(
            name=variant.name,
            current=seat.current if (seat := seats.get(variant.name)) else None,
            desired=counts.get(variant.name),
            ready=seat.replicas.ready if seat else None,
            acts=acts and seat is not None,
            target_uid=seat.observation.target_uid if seat else "",
            resource_version=seat.observation.resource_version if seat else "",
        )
        for variant in case.workload.variants
    )


def _by_name(case: Case, counts: Counts) -> dict[str, int]:
    return {seat.name: count for seat, count in zip(case.seats, counts, strict=True)}


def _feedback(case: Case, proposal: Proposal, variants: tuple[VariantDecision, ...]) -> float:
    if proposal.wanted is None:
        return case.memory.log_feedback
    wanted = sum(proposal.wanted)
    schedule = open_schedule(case.workload.schedules, case.now)
    floor = max(sum(case.least), schedule.min_replicas if schedule else 0)
    capped = wanted >= sum(case.most) or bool(proposal.shortfall)
    return update_feedback(case, variants, capped=capped, floored=wanted <= floor)
