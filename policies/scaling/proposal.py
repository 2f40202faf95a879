"""The proposal: the counts of least expected loss before any guard, or the current ones when nothing can be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from foresail.domain.decision import Step
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Demand, Known, Unknown
from foresail.domain.timeseries import FloatArray
from foresail.domain.workload import Mode
from foresail.policies.scaling import words
from foresail.policies.scaling.bayes import ROUNDING, Choice
from foresail.policies.scaling.case import Case, Counts, Seat
from foresail.policies.scaling.choices import reach_of, weigh_by_role
from foresail.policies.scaling.prices import Prices
from foresail.policies.scaling.required import Needs
from foresail.policies.scaling.restraints import stuck_sentence
from foresail.policies.scaling.verdict import Verdict, step_of

WORTH_A_WORD = 0.1  # share of the demand


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What the guards start from.

    Args:
        counts: By variant.
        steps: How they came about, at least one.
        wanted: Counts by variant if GPUs were without end, None when nothing can be said.
        loss_usd_per_hour: Expected loss by total count of the first role's variants; in units where a price is missing.
        shortfall: Why not all that is wanted can be had, empty when it can.
        unserved_replicas: Expected demand that the counts leave unserved, in replicas of the cheapest variant.
    """

    counts: Counts
    steps: tuple[Step, ...]
    wanted: Counts | None = None
    loss_usd_per_hour: dict[int, float] | None = None
    shortfall: str = ""
    unserved_replicas: float = 0.0


def propose(case: Case, prices: Prices) -> Proposal:
    """Propose counts by variant."""
    problem = _problem(case)
    if problem is not None or isinstance(case.needs, Unknown):
        reason, sentence = problem or (Reason.CAPACITY_UNKNOWN, "")
        total = sum(case.current)
        return Proposal(case.current, (Step("propose", total, total, str(reason), sentence),))
    choices = [role.offers.best for role in case.offers]
    wanted = counts_of(case, choices)
    reason, sentence = _explain(case, case.needs, choices)
    first = Step("propose", sum(case.current), sum(wanted), str(reason), sentence)
    proposal = Proposal(wanted, (first,), wanted, case.offers[0].offers.by_total)
    return _within_reach(case, case.needs, prices, proposal)


def _problem(case: Case) -> tuple[Reason, str] | None:
    """Why nothing can be proposed; None when something can."""
    demand = case.observation.demand
    if case.workload.mode is Mode.OFF:
        return Reason.MODE_OFF, "Mode is Off; set mode to Advisory or Auto to have it scaled."
    if not case.seats:
        problem = next((v.problem for v in case.observation.variants if v.problem is not None), None)
        why = words.clause(problem.message) if problem else "none of its targets exists"
        return Reason.TARGET_NOT_FOUND, f"No target was found: {why}."
    # Without a replica nothing measures demand: there the forecast may wake the workload, and only wake it.
    asleep = sum(case.current) == 0 and isinstance(case.needs, Needs)
    if isinstance(demand, Unknown) and not asleep:
        return Reason.METRICS_UNKNOWN, f"Demand is unknown: {words.clause(demand.message)}."
    if isinstance(case.needs, Unknown):
        return Reason(case.needs.reason), f"{words.clause(case.needs.message)}."
    return None


def counts_of(case: Case, choices: Sequence[Choice]) -> Counts:
    """Counts by variant, of choices by role; variants without a role keep theirs."""
    counts = list(case.current)
    for seats, choice in zip(case.roles, choices, strict=True):
        for v, count in zip(seats, choice.counts, strict=True):
            counts[v] = count
    return tuple(counts)


def _within_reach(case: Case, needs: Needs, prices: Prices, proposal: Proposal) -> Proposal:
    """Let other variants take what a pool has no room for, what cannot start, or what others make more of."""
    choices = case.planned
    if choices is not None and not _has_room(case, counts_of(case, choices)):
        choices = None
    if choices is None:
        reaches = [reach_of(case, v) for v in range(len(case.seats))]
        if all(reach is None or count <= reach for reach, count in zip(reaches, proposal.counts, strict=True)):
            return proposal
        choices = tuple(role.offers.best for role in weigh_by_role(case, needs, prices, capped=True))
    counts = list(counts_of(case, choices))
    for v, seat in enumerate(case.seats):
        if seat.stuck:
            # They carry nothing, and yet they stay: they are still wanted and may start after all.
            counts[v] = max(counts[v], min(seat.current, proposal.counts[v]))
    reason, because = _reach_sentence(case, proposal.counts)
    verdict = Verdict(tuple(counts), reason, "; ".join([because, *case.givers]))
    steps = proposal.steps
    if verdict.counts != proposal.counts:
        steps = (*steps, step_of("keep_within_reach", case, proposal.counts, verdict))
    unserved = sum(choice.unserved_replicas for choice in choices)
    short = unserved > sum(role.offers.best.unserved_replicas for role in case.offers) + ROUNDING
    because = verdict.because if short and sum(verdict.counts) < sum(proposal.counts) else ""
    return replace(proposal, counts=verdict.counts, steps=steps, shortfall=because, unserved_replicas=unserved)


def _reach_sentence(case: Case, wanted: Counts) -> tuple[Reason, str]:
    for v, seat in enumerate(case.seats):
        reach = reach_of(case, v)
        if reach is None or wanted[v] <= reach:
            continue
        if seat.stuck:
            return Reason.REPLICAS_STUCK, stuck_sentence(case, seat)
        return Reason.POOL_EXHAUSTED, _full_sentence(case, seat, max(reach - seat.current, 0))
    return Reason.POOL_SHARED, "the pools do not have what all want, and the rest is worth more to others"


def _has_room(case: Case, counts: Counts) -> bool:
    """Whether nodes still have what was planned: each workload's part fits alone, all of them together need not."""
    return all(
        seat.most is None or count <= max(seat.most, seat.variant.min_replicas)
        for seat, count in zip(case.seats, counts, strict=True)
    )


def _full_sentence(case: Case, seat: Seat, room: int) -> str:
    """That a pool has room for so many more, and what is short beside GPUs if anything is."""
    beside = case.stock.take(seat.taker, room).why_full(seat.taker)
    has = f"has room for {words.replicas(room)} ({beside})" if beside else f"has free GPUs for {words.replicas(room)}"
    return f"pool {seat.variant.accelerator} {has}"


def _explain(case: Case, needs: Needs, choices: Sequence[Choice]) -> tuple[Reason, str]:
    lead, demand = f"{case.lead_time_seconds:.0f} s", case.observation.demand
    if isinstance(case.forecast, Unknown) and isinstance(demand, Demand):
        now = f"{words.amount(demand.requests_per_second)} rps{_queue(case, demand.requests_per_second)}"
        why = words.clause(case.forecast.message)
        return (
            Reason.DEMAND_NOW,
            f"Without a forecast ({why}) the demand of now, {now}, counts; {_cheapest(case, choices)}.",
        )
    peak = float(needs.peak_rps.max(initial=0.0))
    if peak <= 0 and isinstance(demand, Demand) and demand.requests_per_second <= 0:
        return Reason.NO_TRAFFIC, f"No request arrives and none is expected in {lead}; {_cheapest(case, choices)}."
    median, high = quantiles(needs.peak_rps)
    expected = f"{words.amount(median)} rps (95 %: {words.amount(high)}){_queue(case, median)}"
    return Reason.FORECAST_DEMAND, f"In {lead} demand is expected at {expected}; {_cheapest(case, choices)}."


def _queue(case: Case, demand_rps: float) -> str:
    """What waits, where it is a part of the work that is worth a word."""
    waiting = case.observation.waiting
    if not isinstance(waiting, Known) or case.queued.requests_per_second < WORTH_A_WORD * demand_rps:
        return ""
    return f" and {waiting.value:.0f} requests wait" if waiting.value > 0 else ""


def _cheapest(case: Case, choices: Sequence[Choice]) -> str:
    least = f"expected loss is least with {words.replicas(sum(choice.total for choice in choices))}"
    kept = f", no variant giving to another as {case.no_swaps}" if case.no_swaps else ""
    if not case.priced:
        return f"{least}{kept}"
    loss = sum(choice.loss_usd_per_hour for choice in choices)
    return f"{least} ({words.amount(loss)} USD/h, unserved demand priced in){kept}"


def quantiles(samples: FloatArray) -> tuple[float, float]:
    """Median, and 95 % quantile by rank, of samples of shape (S,)."""
    ordered = np.sort(samples)
    last = len(ordered) - 1
    median = (ordered[last // 2] + ordered[(last + 1) // 2]) / 2
    return float(median), float(ordered[int(np.ceil(0.95 * last))])
