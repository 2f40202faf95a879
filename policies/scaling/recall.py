"""Memory: what is taken up at the start of a cycle and what is put down at its end, pruned and bounded."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from foresail.domain.accelerator import Accelerator
from foresail.domain.decision import VariantDecision
from foresail.domain.memory import CapacityBelief, Change, Learned, Recommendation, WorkloadMemory
from foresail.domain.snapshot import FIELD_MANAGER, Demand, VariantObservation, WorkloadObservation
from foresail.domain.workload import Behavior, ScalingRules, Variant
from foresail.policies.scaling.capacity import Work, prior_work
from foresail.policies.scaling.case import Case, edit_key
from foresail.policies.scaling.lead_time import merge_startups
from foresail.policies.scaling.learning import is_usable, learn, start_belief, work_of
from foresail.policies.scaling.said import Said

REMEMBERED = 2000  # an hour's window at the shortest sensible cycle, several variants
SAME_WORK = 1e-6  # as a share: what is read back from an object was rounded


def recall(
    observation: WorkloadObservation,
    memory: WorkloadMemory | None,
    *,
    now: float,
    accelerators: Mapping[str, Accelerator],
) -> WorkloadMemory:
    """What is remembered of a workload, this cycle's signals included.

    Another UID starts afresh. Where nothing is remembered, after a restart or a change of leader, what the object says
    that was learned is taken up: without it a profile that claims too much would halve a healthy fleet.
    """
    if memory is None:
        memory = _take_up(observation)
    elif memory.uid != observation.workload.uid:
        memory = WorkloadMemory(uid=observation.workload.uid)
    memory = _forget(memory, observation, now)
    known = isinstance(observation.demand, Demand)
    return replace(
        memory,
        recommendations=memory.recommendations + _first_recommendations(memory, observation, now),
        capacity=_learn(memory, observation, accelerators),
        startup_seconds={
            v.name: merge_startups(memory.startup_seconds.get(v.name, ()), v.startup_seconds)
            for v in observation.variants
        },
        target_uids={
            v.name: v.target_uid or memory.target_uids.get(v.name, "")
            for v in observation.variants
            if v.replicas is not None or v.name in memory.target_uids
        },
        known_since=_since(memory.known_since, now) if known else None,
        unknown_since=None if known else _since(memory.unknown_since, now),
        edits_seen=_edits_seen(memory, observation, now),
    )


def _take_up(observation: WorkloadObservation) -> WorkloadMemory:
    learned = observation.learned or Learned()
    return WorkloadMemory(observation.workload.uid, log_feedback=learned.log_feedback, capacity=learned.capacity)


def learned_of(memory: WorkloadMemory) -> Learned:
    """What of a memory the object should say, for a leader that remembers nothing."""
    usable = {name: belief for name, belief in memory.capacity.items() if is_usable(belief)}
    return Learned(memory.log_feedback, MappingProxyType(usable))


def _since(before: float | None, now: float) -> float:
    """A duration goes on, unless it never began or the clock was set back behind its beginning."""
    return now if before is None or before > now else before


def _forget(memory: WorkloadMemory, observation: WorkloadObservation, now: float) -> WorkloadMemory:
    """Drop what is too old, from the future, or of a variant that is gone.

    A target that was made anew has no proposals and no changes behind it, but it runs the same model on the same
    accelerator: what its replicas sustain and how long they take to start still hold.
    """
    named = {v.name for v in observation.variants}
    kept = {v.name for v in observation.variants if not _is_replaced(v, memory)}
    behavior = observation.workload.behavior
    longest_window = max(
        behavior.scale_up.stabilization_window_seconds, behavior.scale_down.stabilization_window_seconds
    )
    longest_period = _longest_period(behavior)
    return replace(
        memory,
        recommendations=tuple(
            r for r in memory.recommendations if r.variant in kept and now - longest_window < r.time <= now
        )[-REMEMBERED:],
        changes=tuple(c for c in memory.changes if c.variant in kept and now - longest_period < c.time <= now)[
            -REMEMBERED:
        ],
        capacity={name: belief for name, belief in memory.capacity.items() if name in named},
        startup_seconds={name: seconds for name, seconds in memory.startup_seconds.items() if name in named},
        last_required={name: count for name, count in memory.last_required.items() if name in named},
    )


def _longest_period(behavior: Behavior) -> int:
    directions: tuple[ScalingRules, ...] = (behavior.scale_up, behavior.scale_down)
    return max((policy.period_seconds for rules in directions for policy in rules.policies), default=0)


def _first_recommendations(
    memory: WorkloadMemory, observation: WorkloadObservation, now: float
) -> tuple[Recommendation, ...]:
    """What a target has when it is first seen is its first recommendation, as with the HPA."""
    return tuple(
        Recommendation(now, v.name, v.replicas.current)
        for v in observation.variants
        if v.replicas is not None and (v.name not in memory.target_uids or _is_replaced(v, memory))
    )


def _is_replaced(variant: VariantObservation, memory: WorkloadMemory) -> bool:
    """Whether the target is another object than the one remembered."""
    before = memory.target_uids.get(variant.name, "")
    return bool(variant.target_uid and before and variant.target_uid != before)


def _learn(
    memory: WorkloadMemory, observation: WorkloadObservation, accelerators: Mapping[str, Accelerator]
) -> Mapping[str, CapacityBelief]:
    observed = {v.name: v for v in observation.variants}
    beliefs = {
        variant.name: belief
        for variant in observation.workload.variants
        if variant.name in observed
        and (belief := _belief_of(variant, observed[variant.name], observation, memory, accelerators)) is not None
    }
    return MappingProxyType(beliefs)


def _belief_of(
    variant: Variant,
    observed: VariantObservation,
    observation: WorkloadObservation,
    memory: WorkloadMemory,
    accelerators: Mapping[str, Accelerator],
) -> CapacityBelief | None:
    before = memory.capacity.get(variant.name)
    accelerator = accelerators.get(variant.accelerator) if variant.accelerator else None
    work = prior_work(variant, accelerator, observation, held=work_of(before) if before else None)
    if work is None:
        return None
    belief = start_belief(work) if before is None else _rebase(before, work)
    return learn(belief, observed)


def _rebase(belief: CapacityBelief, work: Work) -> CapacityBelief:
    """The belief relative to this prior: another prior starts afresh."""
    former = work_of(belief)
    seconds = (
        (former.seconds_per_input_token, work.seconds_per_input_token),
        (former.seconds_per_output_token, work.seconds_per_output_token),
    )
    if former.source != work.source or not all(math.isclose(*pair, rel_tol=SAME_WORK) for pair in seconds):
        return start_belief(work)
    return replace(
        belief,
        seconds_per_input_token=work.seconds_per_input_token,
        seconds_per_output_token=work.seconds_per_output_token,
    )


def _edits_seen(memory: WorkloadMemory, observation: WorkloadObservation, now: float) -> Mapping[str, float]:
    keys = [
        edit_key(v.name, rival)
        for v in observation.variants
        for rival in v.rivals
        if rival.kind == FIELD_MANAGER and rival.time is None
    ]
    return {key: min(memory.edits_seen.get(key, now), now) for key in keys}


def remember(
    case: Case,
    decisions: tuple[VariantDecision, ...],
    *,
    proposed: Mapping[str, int] | None,
    log_feedback: float,
) -> WorkloadMemory:
    """What to carry into the next cycle.

    Args:
        case: This cycle's; its memory holds the signals already.
        decisions: By variant.
        proposed: Replicas by variant before any guard; None when nothing could be said.
        log_feedback: For the next cycle.
    """
    memory = case.memory
    recommendations = tuple(Recommendation(case.now, name, count) for name, count in (proposed or {}).items())
    changes = tuple(
        Change(case.now, d.name, d.desired - d.current)
        for d in decisions
        if d.acts and d.desired is not None and d.current is not None and d.desired != d.current
    )
    return replace(
        memory,
        recommendations=memory.recommendations + recommendations,
        changes=memory.changes + changes,
        last_required=memory.last_required if proposed is None else MappingProxyType(dict(proposed)),
        log_feedback=log_feedback if math.isfinite(log_feedback) else 0.0,
    )


def renew(memory: WorkloadMemory, said: Said, now: float) -> WorkloadMemory:
    """With a new identity when something else is said; an unchanged decision keeps its own."""
    if memory.decision_said == said and memory.decision_id:
        return memory
    text = "|".join(map(str, (memory.uid, now, *said)))
    identity = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return replace(memory, decision_id=identity, decision_time=now, decision_said=said)
