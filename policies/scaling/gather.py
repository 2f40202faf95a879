"""Gathering a case: joining spec, observation, memory, forecast and inventory of one workload."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from foresail.domain.accelerator import Accelerator
from foresail.domain.forecast import Forecast
from foresail.domain.memory import CapacityBelief, WorkloadMemory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Demand, FleetSnapshot, Replicas, Unknown, WorkloadObservation
from foresail.domain.workload import Mode, Role
from foresail.policies.allocation.nodes.stock import Stock
from foresail.policies.scaling import words
from foresail.policies.scaling.backlog import backlog_of
from foresail.policies.scaling.bayes import cheapest_first
from foresail.policies.scaling.capacity import LEARNED, Work
from foresail.policies.scaling.case import STUCK_SECONDS, Case, Seat
from foresail.policies.scaling.choices import weigh_by_role
from foresail.policies.scaling.feedback import factor_of
from foresail.policies.scaling.lead_time import lead_time_seconds
from foresail.policies.scaling.learning import is_usable, start_belief, work_of
from foresail.policies.scaling.prices import UNIT, Prices
from foresail.policies.scaling.recall import recall
from foresail.policies.scaling.required import Needs, Reach, check_forecast, needs_of_demand, needs_of_forecast

# Stands for a variant without replicas whose capacity is unknown: it never carries anything.
_PLACEHOLDER = Work(1.0, 1.0, LEARNED)


def gather(
    snapshot: FleetSnapshot,
    observation: WorkloadObservation,
    forecast: Forecast | Unknown,
    memory: WorkloadMemory | None,
    prices: Prices,
) -> Case:
    """Gather everything that the rules may look at, but for what others leave in the pools."""
    observation = _with_finite_demand(observation)
    remembered = recall(observation, memory, now=snapshot.now, accelerators=snapshot.accelerators)
    lead = lead_time_seconds(observation, remembered)
    seats = _seats(observation, remembered, snapshot.accelerators, prices, lead)
    named = frozenset(variant.accelerator for variant in observation.workload.variants if variant.accelerator)
    missing = named - snapshot.accelerators.keys()
    forecast = check_forecast(forecast, snapshot.now)
    queued = backlog_of(observation, lead_time_seconds=lead)
    reach = Reach(snapshot.now, lead, snapshot.cycle_seconds)
    needs = _capacity_problem(observation, seats, missing, snapshot.profile_problems) or _needs(
        observation, forecast, seats, remembered, queued, reach
    )
    current = [seat.current for seat in seats]
    order = tuple(range(len(seats)))
    if isinstance(needs, Needs) and len(seats) > 1:
        order = cheapest_first(needs.ahead, [seat.usd_per_hour for seat in seats], current)
    case = Case(
        now=snapshot.now,
        cycle_seconds=snapshot.cycle_seconds,
        leader_since=snapshot.leader_since,
        observation=observation,
        memory=remembered,
        forecast=forecast,
        seats=seats,
        order=order,
        roles=_roles(seats, order),
        needs=needs,
        lead_time_seconds=lead,
        profiles_missing=missing,
        profile_notes=_profile_notes(snapshot, named),
        queued=queued,
        no_swaps=_no_swaps(snapshot, seats, needs),
    )
    if not isinstance(needs, Needs) or observation.workload.mode is Mode.OFF:
        return case
    return replace(case, offers=weigh_by_role(case, needs, prices, capped=False))


def _no_swaps(snapshot: FleetSnapshot, seats: Sequence[Seat], needs: Needs | Unknown) -> str:
    """Why no variant may give to another, empty where it may: a mix that rests on half of the facts is no better."""
    if len(seats) < 2:
        return ""
    if snapshot.pools is None:
        return "free GPUs were not counted"
    return "there is no forecast" if isinstance(needs, Needs) and not needs.may_lower else ""


def within(case: Case, stock: Stock) -> Case:
    """The case with what is left in the pools."""
    seats = tuple(replace(seat, most=stock.room(seat.taker, seat.current)) for seat in case.seats)
    return replace(case, seats=seats, stock=stock, inventory_known=all(seat.most is not None for seat in seats))


def _profile_notes(snapshot: FleetSnapshot, named: frozenset[str]) -> tuple[tuple[Reason, str], ...]:
    """What is to be mended in the profiles that a workload's variants name."""
    problems = [snapshot.profile_problems[name] for name in sorted(named & snapshot.profile_problems.keys())]
    pools = [pool for name, pool in sorted((snapshot.pools or {}).items()) if name in named and pool.overlaps]
    twins = dict.fromkeys(tuple(sorted((pool.accelerator, *pool.overlaps))) for pool in pools)
    overlaps = [
        f"AcceleratorProfiles {' and '.join(names)} select some of the same GPUs, which are counted once: have their "
        "spec.nodeSelector select different nodes"
        for names in twins
    ]
    return (
        *((Reason.PROFILE_INVALID, problem) for problem in problems),
        *((Reason.PROFILES_OVERLAP, sentence) for sentence in overlaps),
    )


def _with_finite_demand(observation: WorkloadObservation) -> WorkloadObservation:
    demand = observation.demand
    if isinstance(demand, Unknown):
        return observation
    values = (demand.requests_per_second, demand.input_tokens_per_second, demand.output_tokens_per_second)
    if all(math.isfinite(value) and value >= 0 for value in values):
        return observation
    problem = Unknown(Reason.METRICS_UNKNOWN, "it is not a finite number; look at the engine's counters")
    return replace(observation, demand=problem)


def _seats(
    observation: WorkloadObservation,
    memory: WorkloadMemory,
    accelerators: Mapping[str, Accelerator],
    prices: Prices,
    lead: float,
) -> tuple[Seat, ...]:
    observed = {variant.name: variant for variant in observation.variants}
    seats = []
    for variant in observation.workload.variants:
        accelerator = accelerators.get(variant.accelerator) if variant.accelerator else None
        price = prices.of_replica(variant, accelerator)
        found = observed.get(variant.name)
        if found is not None and found.replicas is not None:
            work = _usable_work(memory.capacity.get(variant.name))
            stuck = stuck_replicas(found.replicas, lead)
            weight, priced = (UNIT, False) if price is None else (price, True)
            seats.append(Seat(variant, found, found.replicas, weight, work, None, stuck, priced))
    return tuple(seats)


def _usable_work(belief: CapacityBelief | None) -> Work | None:
    return work_of(belief) if belief is not None and is_usable(belief) else None


def stuck_replicas(replicas: Replicas, lead: float) -> int:
    """Those replicas that have been pending, or starting beyond the lead time, for longer than STUCK_SECONDS."""
    pending = sum(age > STUCK_SECONDS for age in replicas.pending_seconds)
    starting = sum(age > STUCK_SECONDS + lead for age in replicas.starting_seconds)
    return min(pending + starting, replicas.current)


def _roles(seats: Sequence[Seat], order: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    by_role = (tuple(v for v in order if seats[v].variant.role is role and seats[v].work is not None) for role in Role)
    return tuple(indexes for indexes in by_role if indexes)


def _needs(
    observation: WorkloadObservation,
    forecast: Forecast | Unknown,
    seats: Sequence[Seat],
    memory: WorkloadMemory,
    queued: Demand,
    reach: Reach,
) -> Needs | Unknown:
    beliefs = [_belief(memory.capacity.get(seat.name), seat) for seat in seats]
    factor = factor_of(memory.log_feedback)
    demand = observation.demand if isinstance(observation.demand, Demand) else None
    if isinstance(forecast, Forecast):
        needs = needs_of_forecast(
            forecast,
            beliefs,
            demand,
            reach=reach,
            factor=factor,
            queued=queued,
        )
        return replace(needs, may_lower=demand is not None)
    return forecast if demand is None else needs_of_demand(beliefs, demand, factor=factor, queued=queued)


def _belief(belief: CapacityBelief | None, seat: Seat) -> CapacityBelief:
    return belief if belief is not None and seat.work is not None else start_belief(_PLACEHOLDER)


def _capacity_problem(
    observation: WorkloadObservation,
    seats: Sequence[Seat],
    missing: frozenset[str],
    problems: Mapping[str, str],
) -> Unknown | None:
    """Why required replicas cannot be told: a variant with replicas, or all of them, has an unknown capacity."""
    unknown = [seat for seat in seats if seat.work is None]
    if not seats or (len(unknown) < len(seats) and all(seat.current == 0 for seat in unknown)):
        return None if seats else Unknown(Reason.TARGET_NOT_FOUND, "no target was found")
    seat = next((seat for seat in unknown if seat.current > 0), unknown[0])
    model = observation.workload.model or observation.model or "its model"
    accelerator = seat.variant.accelerator
    profile = f"AcceleratorProfile {accelerator}" if accelerator else "an AcceleratorProfile"
    if accelerator in missing and accelerator not in problems:
        profile += ", which does not exist yet"
    message = (
        f"What one replica of {seat.name} sustains is unknown: write the capacity of {model} with "
        f"{words.gpus(seat.variant.gpus_per_replica)} into {profile}, or wait until its replicas are busy enough to "
        "show it"
    )
    if accelerator is not None and accelerator in problems:
        message = f"{message}. {problems[accelerator]}"
    return Unknown(Reason.CAPACITY_UNKNOWN, message)
