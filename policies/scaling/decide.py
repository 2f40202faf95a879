"""Deciding for one workload: propose, guard, explain, remember."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from foresail.domain.decision import Decision, Step, VariantDecision
from foresail.domain.memory import WorkloadMemory
from foresail.domain.reason import Reason
from foresail.domain.workload import Mode
from foresail.policies.scaling import words
from foresail.policies.scaling.case import Case, Counts, active_rival
from foresail.policies.scaling.conditions import judge_conditions
from foresail.policies.scaling.feedback import update_feedback
from foresail.policies.scaling.guards import apply_guards
from foresail.policies.scaling.outlook import capacities, describe_outlook
from foresail.policies.scaling.prices import Prices
from foresail.policies.scaling.proposal import Proposal, propose
from foresail.policies.scaling.recall import learned_of, remember, renew
from foresail.policies.scaling.said import Said, gist
from foresail.policies.scaling.schedule import open_schedule
from foresail.policies.scaling.weights import weights_of

# What a person wrote down is told even where a later rule cuts it.
COMMANDS = frozenset({Reason.FALLBACK_STATIC, Reason.FALLBACK_LAST_FORECAST, Reason.SCHEDULE_FLOOR, Reason.OVERRIDE})

HELD_SHARE = 0.8  # wanting less than this of what runs, a window or policy holds the rest, not the ordinary noise


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
    message = sentence(case, before, after, steps)
    steps = steps if case.seats else ()  # without a target no rule touched a number
    said = Said(
        generation=case.workload.generation,
        before=before,
        after=after,
        desired=tuple((variant.name, variant.desired) for variant in variants),
        reason=reason,
        gist=gist(message),
    )
    memory = renew(memory, said, case.now)
    decision = Decision(
        id=memory.decision_id,
        key=case.workload.key,
        time=memory.decision_time,
        current=before,
        desired=after,
        reason=reason,
        message=message,
        steps=steps,
        variants=variants,
        conditions=judge_conditions(case, proposal, steps),
        outlook=describe_outlook(case, proposal),
        learned=learned_of(memory),
    )
    return Decided(decision, memory)


def sentence(case: Case, before: int, after: int, steps: Sequence[Step]) -> str:
    """The decision in one sentence: the numbers, what they rest on, and the last rule that changed them."""
    key, advisory = case.workload.key, case.workload.mode is Mode.ADVISORY
    why = words.join([step.message for step in _telling(steps)])
    because = f"{why[:1].lower()}{why[1:]}"
    if not case.seats:
        return f"{key} is left as it is: {because}"
    without = _without(case)
    if case.workload.mode is Mode.OFF:
        return f"{key} is left at {after}{without}: {because}"
    if before == after:
        return f"{key} {'would stay' if advisory else 'stays'} at {after}{without}: {because}"
    goes = f"{'would go ' if advisory else ''}{before} → {after} replica{'' if after == 1 else 's'}"
    return f"{key}: {goes}{without}. {why}"


def _telling(steps: Sequence[Step]) -> Sequence[Step]:
    """The first step and the last; in between, the last one that a person commanded, which the last step then cut."""
    commands = [step for step in steps[1:-1] if step.reason in COMMANDS]
    return [*steps[:1], *commands[-1:], *steps[1:][-1:]]


def _without(case: Case) -> str:
    """Which variants the totals leave out."""
    found = {seat.name for seat in case.seats}
    missing = [variant.name for variant in case.workload.variants if variant.name not in found]
    return f" without {', '.join(missing)} (no target is known)" if missing else ""


def _variants(case: Case, desired: Counts) -> tuple[VariantDecision, ...]:
    """One per variant of the spec; those without a target are not acted on."""
    counts = _by_name(case, desired)
    seats = {seat.name: seat for seat in case.seats}
    acts = case.workload.mode is Mode.AUTO and active_rival(case) is None
    weights, known = weights_of(case, desired), capacities(case)
    return tuple(
        VariantDecision(
            name=variant.name,
            current=seat.current if (seat := seats.get(variant.name)) else None,
            desired=counts.get(variant.name),
            ready=seat.replicas.ready if seat else None,
            acts=acts and seat is not None,
            target_uid=seat.observation.target_uid if seat else "",
            resource_version=seat.observation.resource_version if seat else "",
            weight=weights.get(variant.name),
            capacity=known.get(variant.name),
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
    capped = wanted >= sum(case.most) or bool(proposal.shortfall) or any(case.reclaimed)
    return update_feedback(
        case, variants, capped=capped, floored=wanted <= floor or wanted < HELD_SHARE * sum(case.current)
    )
