"""Conditions of one workload: each says in a sentence how it stands and, where something is wrong, how to mend it."""

from __future__ import annotations

from collections.abc import Sequence

from foresail.domain.decision import Condition, Step
from foresail.domain.forecast import Forecast
from foresail.domain.reason import Reason
from foresail.domain.snapshot import FIELD_MANAGER, Unknown
from foresail.domain.workload import Mode
from foresail.policies.scaling import words
from foresail.policies.scaling.case import Case, active_rival, overruled_hand
from foresail.policies.scaling.commands import given_clause, hand_clause, rival_sentence
from foresail.policies.scaling.proposal import Proposal
from foresail.policies.scaling.restraints import stuck_sentence


def judge_conditions(case: Case, proposal: Proposal, steps: Sequence[Step]) -> tuple[Condition, ...]:
    """All seven conditions, the summary first; `steps` led to what was decided."""
    others = (
        metrics_available(case),
        target_resolved(case),
        capacity_available(case, proposal),
        forecast_calibrated(case),
        conflict(case),
        overridden(case, steps),
    )
    return (ready(case, others), *others)


def ready(case: Case, others: tuple[Condition, ...]) -> Condition:
    """Whether the numbers rest on everything they should rest on."""
    # Causes before their consequences: without a target nothing is measured.
    needed = {"TargetResolved": "True", "MetricsAvailable": "True", "Conflict": "False"}
    by_type = {condition.type: condition for condition in others}
    wrong = next((by_type[name] for name, status in needed.items() if by_type[name].status != status), None)
    if case.workload.mode is Mode.OFF:
        return _condition("Ready", "False", Reason.MODE_OFF, "Mode is Off")
    if wrong is not None:
        status = "Unknown" if wrong.reason == Reason.METRICS_WARMING_UP else "False"
        return Condition("Ready", status, wrong.reason, wrong.message)
    if isinstance(case.needs, Unknown):
        if case.profiles_missing:
            return _condition("Ready", "False", Reason.ACCELERATOR_NOT_FOUND, _missing_profiles(case))
        return _condition("Ready", "False", Reason.CAPACITY_UNKNOWN, case.needs.message)
    if case.workload.mode is Mode.ADVISORY:
        return _condition("Ready", "True", Reason.ADVISING, "Decisions are shown and not carried out")
    return _condition("Ready", "True", Reason.DECIDING, "Decisions are carried out")


def metrics_available(case: Case) -> Condition:
    """Whether demand is known, zero included."""
    demand = case.observation.demand
    if not isinstance(demand, Unknown):
        return _condition("MetricsAvailable", "True", Reason.METRICS_FRESH, "Demand is known")
    if not case.seats:  # nobody knows its pods, whatever else is wrong
        missing = target_resolved(case)
        return Condition("MetricsAvailable", "False", missing.reason, f"Demand is not measured: {missing.message}")
    # Without a replica there is nothing to measure, and new ones have no samples yet, which is no fault.
    no_fault = demand.reason == Reason.METRICS_WARMING_UP or sum(case.current) == 0
    status = "Unknown" if no_fault else "False"
    return _condition("MetricsAvailable", status, demand.reason, f"Demand is unknown: {demand.message}")


def target_resolved(case: Case) -> Condition:
    """Whether every variant's target was found."""
    problem = next((v.problem for v in case.observation.variants if v.replicas is None and v.problem), None)
    if problem is not None:
        return _condition("TargetResolved", "False", problem.reason, problem.message)
    if len(case.seats) < len(case.workload.variants):
        missing = {v.name for v in case.workload.variants} - {seat.name for seat in case.seats}
        return _condition(
            "TargetResolved", "False", Reason.TARGET_NOT_FOUND, f"No target of {', '.join(sorted(missing))} was found"
        )
    return _condition("TargetResolved", "True", Reason.TARGET_FOUND, "Every target was found")


def capacity_available(case: Case, proposal: Proposal) -> Condition:
    """Whether the cluster has what is wanted, and what is to be mended in the profiles that say what it has."""
    found = _has_capacity(case, proposal)
    if not case.profile_notes:
        return found
    reason = case.profile_notes[0][0] if found.reason == Reason.CAPACITY_SUFFICIENT else found.reason
    notes = [note for _, note in case.profile_notes if note not in found.message]
    return _condition(found.type, found.status, reason, " ".join([found.message, *(f"{note}." for note in notes)]))


def _has_capacity(case: Case, proposal: Proposal) -> Condition:
    if not case.seats:
        return _condition(
            "CapacityAvailable", "Unknown", Reason.TARGET_NOT_FOUND, "No target was found to want GPUs for"
        )
    stuck = next((seat for seat in case.seats if seat.stuck), None)
    if stuck is not None:
        return _condition("CapacityAvailable", "False", Reason.REPLICAS_STUCK, _capital(stuck_sentence(case, stuck)))
    lack = _lack(case, proposal)
    if lack is not None:
        return _condition("CapacityAvailable", "False", *lack)
    if case.profiles_missing:
        return _condition("CapacityAvailable", "Unknown", Reason.ACCELERATOR_NOT_FOUND, _missing_profiles(case))
    if not case.inventory_known:
        return _condition("CapacityAvailable", "Unknown", Reason.INVENTORY_UNKNOWN, _uncounted(case))
    return _condition("CapacityAvailable", "True", Reason.CAPACITY_SUFFICIENT, "The pools have room for what is wanted")


def _lack(case: Case, proposal: Proposal) -> tuple[Reason, str] | None:
    """Which GPUs are lacking and why; None when there are enough."""
    if any(case.reclaimed):
        return Reason.RECLAIMED, _capital(given_clause(case))
    if not proposal.shortfall:
        return None
    lacking = f"{words.amount(proposal.unserved_replicas)} replicas' worth of demand is expected to go unserved"
    return Reason.POOL_EXHAUSTED, f"{_capital(proposal.shortfall)}: {lacking}"


def forecast_calibrated(case: Case) -> Condition:
    """Whether the forecasts cover what comes as often as they promise."""
    kind, forecast = "ForecastCalibrated", case.forecast
    if not isinstance(forecast, Forecast):
        return _condition(kind, "Unknown", Reason.FORECAST_UNKNOWN, f"There is no forecast: {forecast.message}")
    instead = f". It is the operator's own: {forecast.fallback}" if forecast.fallback else ""
    if forecast.calibrated is None:
        why = f"Too few {forecast.source} forecasts have met what came to tell{instead}"
        return _condition(kind, "Unknown", Reason.CALIBRATION_PENDING, why)
    if forecast.calibrated:
        why = f"The {forecast.source} forecast covers what comes{instead}"
        return _condition(kind, "True", Reason.CALIBRATED, why)
    why = f"The {forecast.source} forecast covers less than it promises: {forecast.reason}"
    return _condition(kind, "False", Reason.MISCALIBRATED, why)


def conflict(case: Case) -> Condition:
    """Whether somebody else sets the same replicas."""
    rival = active_rival(case)
    others = [rival for seat in case.seats for rival in seat.observation.rivals if rival.kind != FIELD_MANAGER]
    if others and case.workload.mode is not Mode.AUTO:
        leaves = f"Mode is {case.workload.mode}, so the replicas are left to {others[0].kind} {others[0].name}"
        return _condition("Conflict", "False", Reason.NO_CONFLICT, leaves)
    if rival is None:
        return _condition("Conflict", "False", Reason.NO_CONFLICT, _no_conflict(case))
    reason = Reason.EDITED_BY_HAND if rival.kind == FIELD_MANAGER else Reason.CONFLICTING_CONTROLLER
    return _condition("Conflict", "True", reason, rival_sentence(case))


def _no_conflict(case: Case) -> str:
    """Why nobody keeps us from setting the replicas, though there may be others."""
    waiting = [
        rival.message for seat in case.seats for rival in seat.observation.rivals if rival.waits and rival.message
    ]
    hand = overruled_hand(case)
    if hand is not None and case.override is not None:
        return f"{hand_clause(hand)}, but spec.override holds until {words.instant(case.override.until)}"
    return words.clause(waiting[0]) if waiting else "Nobody else sets these replicas"


def overridden(case: Case, steps: Sequence[Step]) -> Condition:
    """Whether a person's number holds, and what became of it."""
    if case.override is not None:
        why = f" ({words.clause(case.override.reason)})" if case.override.reason else ""
        sets = "sets" if case.workload.mode is Mode.AUTO else "would set"
        message = f"Override {sets} {words.replicas(case.override.replicas)}{why}"
        # Whatever came after it had the last word.
        cut = [step.message for step in steps[-1:] if step.reason != Reason.OVERRIDE]
        return _condition("Overridden", "True", Reason.OVERRIDE, words.join([message, *cut]))
    if case.workload.override is not None:
        message = "The override has expired; remove spec.override"
        return _condition("Overridden", "False", Reason.OVERRIDE_EXPIRED, message)
    return _condition("Overridden", "False", Reason.NO_OVERRIDE, "No override is set")


def _uncounted(case: Case) -> str:
    """Why GPUs were not counted, and what mends it."""
    other = next(filter(None, (case.stock.why_uncounted(seat.taker) for seat in case.seats)), "")
    mend = (
        "name an accelerator for every variant, have its nodeSelector match nodes, and let the operator read nodes "
        "and pods"
    )
    return f"Free GPUs were not counted and cap nothing; {other or mend}"


def _missing_profiles(case: Case) -> str:
    """Which profiles to create or to mend, and where they are named."""
    invalid = [note for reason, note in case.profile_notes if reason is Reason.PROFILE_INVALID]
    unheard = [
        f"AcceleratorProfile {variant.accelerator} does not exist; create it or correct spec.variants[{i}].accelerator"
        for i, variant in enumerate(case.workload.variants)
        if variant.accelerator in case.profiles_missing
        and not any(note.startswith(f"AcceleratorProfile {variant.accelerator}:") for note in invalid)
    ]
    return ". ".join([*unheard, *invalid])


def _condition(kind: str, status: str, reason: str, message: str) -> Condition:
    return Condition(kind, status, str(reason), f"{words.clause(message)}.")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
