"""Guards that carry out what a person wrote: fallback, schedules, override, bounds, mode; and standing down."""

from __future__ import annotations

from foresail.domain.reason import Reason
from foresail.domain.snapshot import FIELD_MANAGER, Rival
from foresail.domain.workload import FallbackPolicy, Mode
from foresail.policies.scaling import words
from foresail.policies.scaling.case import Case, Counts, active_rival, last_edit, overruled_hand
from foresail.policies.scaling.schedule import open_schedule
from foresail.policies.scaling.spread import lower_to, raise_to
from foresail.policies.scaling.verdict import Verdict


def fall_back(case: Case, counts: Counts) -> Verdict | None:
    """When demand has been unknown for long, raise the replicas as `fallback` says; never below the current ones."""
    fallback, since = case.workload.fallback, case.memory.unknown_since
    # At zero nothing measures demand, and being asleep is no failure.
    if case.demand_known or sum(case.current) == 0 or since is None or case.now - since < fallback.after_seconds:
        return None
    unknown = f"demand has been unknown since {words.instant(since)}"
    match fallback.policy:
        case FallbackPolicy.STATIC:
            static = raise_to(case, _greater(counts, case.current), fallback.replicas or 0)
            because = f"{unknown}, fallback keeps at least {words.replicas(fallback.replicas or 0)}"
            return Verdict(static, Reason.FALLBACK_STATIC, because)
        case FallbackPolicy.LAST_FORECAST:
            last = tuple(case.memory.last_required.get(seat.name, 0) for seat in case.seats)
            raised = _greater(_greater(counts, case.current), last)
            because = f"{unknown}, the last forecast required {words.replicas(sum(last))}"
            return Verdict(raised, Reason.FALLBACK_LAST_FORECAST, because)
        case FallbackPolicy.HOLD:
            return None


def yield_gpus(case: Case, counts: Counts) -> Verdict | None:
    """Give up the replicas whose GPUs a workload of greater priority takes, at once: it has nothing to wait for."""
    if not any(case.reclaimed):
        return None
    given = tuple(
        min(count, max(current - taken, least))
        for count, current, taken, least in zip(counts, case.current, case.reclaimed, case.least, strict=True)
    )
    return Verdict(given, Reason.RECLAIMED, given_clause(case))


def given_clause(case: Case) -> str:
    """Whose GPUs go to whom: of which pool, and from which nodes as far as known."""
    giving = [seat for seat, count in zip(case.seats, case.reclaimed, strict=True) if count]
    pools = ", ".join(sorted({seat.variant.accelerator or "" for seat in giving}))
    where = words.places(sorted({node for seat in giving for node in seat.observation.nodes}))
    return f"the GPUs of {words.replicas(sum(case.reclaimed))} of pool {pools}{where} go to {case.reclaimed_for}"


def keep_schedule(case: Case, counts: Counts) -> Verdict | None:
    """Keep the floor of the open schedule with the highest one; it does not wait for behavior."""
    schedule = open_schedule(case.workload.schedules, case.now)
    if schedule is None:
        return None
    because = (
        f"schedule {schedule.name} keeps at least {words.replicas(schedule.min_replicas)} "
        f"until {schedule.end} {schedule.time_zone}"
    )
    return Verdict(raise_to(case, counts, schedule.min_replicas), Reason.SCHEDULE_FLOOR, because)


def obey_override(case: Case, counts: Counts) -> Verdict | None:
    """Set a person's total while it holds, spread with as little change as possible; what a hand did is put right."""
    override = case.override
    if override is None:
        return None
    spread = lower_to(case, raise_to(case, case.current, override.replicas), override.replicas)
    why = f" ({words.clause(override.reason)})" if override.reason else ""
    because = f"override sets {words.replicas(override.replicas)} until {words.instant(override.until)}{why}"
    hand = overruled_hand(case)
    if hand is not None and spread != case.current:
        because = f"{because}, which overrules a hand: {hand_clause(hand)}"
    return Verdict(spread, Reason.OVERRIDE, because, settles=True)


def keep_bounds(case: Case, counts: Counts) -> Verdict | None:
    """Keep each variant within its minReplicas and maxReplicas: the spec's bounds have the last word."""
    bounded = tuple(
        min(max(count, least), most) for count, least, most in zip(counts, case.least, case.most, strict=True)
    )
    raised = [seat for seat, count, n in zip(case.seats, counts, bounded, strict=True) if n > count]
    lowered = [seat for seat, count, n in zip(case.seats, counts, bounded, strict=True) if n < count]
    if sum(bounded) > sum(counts) or not lowered:
        bounds = ", ".join(f"minReplicas of {seat.name} is {seat.variant.min_replicas}" for seat in raised)
        return Verdict(bounded, Reason.MIN_REPLICAS, bounds)
    bounds = ", ".join(f"maxReplicas of {seat.name} is {seat.variant.max_replicas}" for seat in lowered)
    return Verdict(bounded, Reason.MAX_REPLICAS, bounds)


def stand_down(case: Case, counts: Counts) -> Verdict | None:
    """Leave the replicas alone when the mode is Off or somebody else sets them."""
    if case.workload.mode is Mode.OFF:
        return Verdict(case.current, Reason.MODE_OFF, "mode is Off")
    rival = active_rival(case)
    if rival is None:
        return None
    reason = Reason.EDITED_BY_HAND if rival.kind == FIELD_MANAGER else Reason.CONFLICTING_CONTROLLER
    return Verdict(case.current, reason, rival_sentence(case), settles=True)


def rival_sentence(case: Case) -> str:
    """Who else sets the replicas, and what ends it."""
    rival = active_rival(case)
    if rival is None:
        return ""
    if rival.kind == FIELD_MANAGER:
        end = (case.now if (edited := last_edit(case)) is None else edited) + case.stabilization_seconds
        return f"{hand_clause(rival)}, we stand down until {words.instant(end)}"
    return words.clause(rival.message) or f"{rival.kind} {rival.name} sets them too; remove one of the two"


def hand_clause(hand: Rival) -> str:
    """What a hand did."""
    return words.clause(hand.message) or f"{hand.name} set the replicas"


def _greater(one: Counts, other: Counts) -> Counts:
    return tuple(max(a, b) for a, b in zip(one, other, strict=True))
