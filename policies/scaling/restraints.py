"""Guards that restrain a proposal: none of them moves it beyond the current replicas.

Each is monotone: of two proposals, the greater one never ends below the other.
"""

from __future__ import annotations

from typing import NamedTuple

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import ScalingRules, SelectPolicy
from foresail.policies.scaling import words
from foresail.policies.scaling.case import STUCK_SECONDS, Case, Counts, Seat, last_edit
from foresail.policies.scaling.required import Needs
from foresail.policies.scaling.stabilization import limit_change, stabilize_count
from foresail.policies.scaling.verdict import Verdict


def hold_on_unknown(case: Case, counts: Counts) -> Verdict | None:
    """Take nothing away while demand, capacity or forecast is unknown: missing is not zero."""
    held = _at_least_current(case, counts)
    if not case.demand_known:
        return Verdict(held, Reason.DEMAND_UNKNOWN, "nothing is taken away while demand is unknown")
    if isinstance(case.needs, Unknown):
        return Verdict(held, Reason(case.needs.reason), "nothing is taken away while required replicas are unknown")
    if isinstance(case.needs, Needs) and not case.needs.may_lower:
        return Verdict(held, Reason.FORECAST_UNKNOWN, "nothing is taken away without a forecast")
    return None


def ignore_small_changes(case: Case, counts: Counts) -> Verdict | None:
    """Leave changes within the tolerance that `behavior` sets undone, as the HPA does."""
    behavior = case.workload.behavior

    def keep(seat: Seat, count: int) -> int:
        tolerance = (behavior.scale_up if count > seat.current else behavior.scale_down).tolerance
        return seat.current if abs(count - seat.current) <= tolerance * seat.current else count

    kept = tuple(keep(seat, count) for seat, count in zip(case.seats, counts, strict=True))
    return Verdict(kept, Reason.WITHIN_TOLERANCE, "the change is within the tolerance that behavior sets")


class _Break(NamedTuple):
    since: float | None
    reason: Reason
    what: str


def wait_after_break(case: Case, counts: Counts) -> Verdict | None:
    """Take nothing away in a stabilization window after demand became known, a change of leader, or a hand's edit."""
    window = case.stabilization_seconds
    breaks = (
        _Break(case.memory.known_since, Reason.METRICS_JUST_KNOWN, "demand has been known only since {}"),
        _Break(case.leader_since, Reason.LEADER_CHANGED, "this process has led only since {}"),
        _Break(last_edit(case), Reason.EDITED_BY_HAND, "somebody else set the replicas at {}"),
    )
    for since, reason, what in breaks:
        if since is not None and case.now - since < window:
            begun = words.instant(min(since, case.now))
            because = f"{what.format(begun)}, nothing is taken away within {window:.0f} s of that"
            return Verdict(_at_least_current(case, counts), reason, because)
    return None


def stabilize(case: Case, counts: Counts) -> Verdict | None:
    """Bring the proposal within what was proposed during the HPA's stabilization windows."""
    behavior = case.workload.behavior
    stable = tuple(
        stabilize_count(
            count,
            seat.current,
            [r for r in case.memory.recommendations if r.variant == seat.name],
            behavior,
            now=case.now,
        )
        for seat, count in zip(case.seats, counts, strict=True)
    )
    more = sum(stable) >= sum(counts)
    window = (behavior.scale_down if more else behavior.scale_up).stabilization_window_seconds
    because = f"within the last {window} s {'more' if more else 'fewer'} were wanted"
    return Verdict(stable, Reason.STABILIZED, because)


def hold_stuck(case: Case, counts: Counts) -> Verdict | None:
    """Add nothing to a variant whose last replicas cannot start."""
    stuck = [seat for seat in case.seats if seat.stuck]
    if not stuck:
        return None
    held = tuple(
        min(count, seat.current) if seat.stuck else count for seat, count in zip(case.seats, counts, strict=True)
    )
    return Verdict(held, Reason.REPLICAS_STUCK, stuck_sentence(case, stuck[0]))


def stuck_sentence(case: Case, seat: Seat) -> str:
    """What is known of replicas that do not start: of those without a node, if there are any, else of the others."""
    replicas = seat.replicas
    pending = sum(age > STUCK_SECONDS for age in replicas.pending_seconds)
    count, state, ages = pending, "been pending", replicas.pending_seconds
    if not pending:
        count, state, ages = seat.stuck, "not been ready", replicas.starting_seconds
    since = words.instant(case.now - max(ages, default=0.0))
    why = f" ({words.clause(replicas.pending_message)})" if pending and replicas.pending_message else ""
    return f"{words.replicas(count)} of {seat.name} {'has' if count == 1 else 'have'} {state} since {since}{why}"


def limit_steps(case: Case, counts: Counts) -> Verdict | None:
    """Limit the change to what the HPA's scaling policies allow within their periods."""
    behavior = case.workload.behavior
    limited = tuple(
        limit_change(
            count,
            seat.current,
            [c for c in case.memory.changes if c.variant == seat.name],
            behavior,
            now=case.now,
        )
        for seat, count in zip(case.seats, counts, strict=True)
    )
    up = sum(limited) < sum(counts)
    rules = behavior.scale_up if up else behavior.scale_down
    if rules.select_policy is SelectPolicy.DISABLED:
        return Verdict(limited, Reason.SCALING_DISABLED, f"behavior disables scaling {'up' if up else 'down'}")
    return Verdict(limited, Reason.STEP_LIMITED, _limit_sentence(abs(sum(limited) - sum(case.current)), rules, up=up))


def _limit_sentence(allowed: int, rules: ScalingRules, *, up: bool) -> str:
    verb = "added" if up else "taken away"
    if allowed == 0:
        period = max((policy.period_seconds for policy in rules.policies), default=0)
        return f"no more replicas are {verb} within {period} s"
    return f"at most {allowed} replica{'s are' if allowed > 1 else ' is'} {verb} at once"


def _at_least_current(case: Case, counts: Counts) -> Counts:
    return tuple(max(count, current) for count, current in zip(counts, case.current, strict=True))
