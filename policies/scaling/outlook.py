"""The numbers behind a decision, for people and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping

from foresail.domain.decision import Outlook
from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Demand
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.feedback import factor_of
from foresail.policies.scaling.learning import work_of
from foresail.policies.scaling.proposal import Proposal, quantiles
from foresail.policies.scaling.required import Needs

SHOWN_AROUND = 8  # counts on either side of the cheapest


def describe_outlook(case: Case, proposal: Proposal) -> Outlook:
    """Demand, need, capacity, and what the current replicas cost; None where unknown."""
    demand = case.observation.demand if isinstance(case.observation.demand, Demand) else None
    known = case.needs if isinstance(case.needs, Needs) else None
    demand_median, demand_high = (None, None) if known is None else quantiles(known.peak_rps)
    need_median, need_high = (None, None) if known is None else quantiles(known.ahead[0])
    return Outlook(
        lead_time_seconds=case.lead_time_seconds,
        demand_now_rps=None if demand is None else demand.requests_per_second,
        demand_median_rps=demand_median,
        demand_q95_rps=demand_high,
        required_now=None if known is None or demand is None else float(known.now[0]),
        required_median=need_median,
        required_q95=need_high,
        capacity_rps=capacity_rps(case, demand),
        capacity_source=capacity_source(case),
        feedback_factor=factor_of(case.memory.log_feedback),
        usd_per_hour=running_usd_per_hour(case),
        forecast_source=case.forecast.source if isinstance(case.forecast, Forecast) else None,
        forecast_skill=case.forecast.skill if isinstance(case.forecast, Forecast) else None,
        expected_loss_usd_per_hour=_around(proposal.loss_usd_per_hour) if case.priced else None,
    )


def running_usd_per_hour(case: Case) -> float | None:
    """What the current replicas cost, whatever is decided; None without a target or a price of each variant."""
    if not case.seats or not case.priced:
        return None
    return sum(seat.usd_per_hour * seat.current for seat in case.seats)


def capacity_rps(case: Case, demand: Demand | None) -> float | None:
    """Requests per second that one replica of the first variant sustains at the mix of now."""
    if demand is None or demand.requests_per_second <= 0 or not case.seats or case.seats[0].work is None:
        return None
    belief = case.memory.capacity[case.seats[0].name]
    busy = work_of(belief).of(demand)
    return demand.requests_per_second * math.exp(belief.log_mean) / busy if busy > 0 else None


def capacity_source(case: Case) -> str | None:
    """What the capacity of the first variant rests on: points of its profile, a prediction, or what was learned."""
    return case.memory.capacity[case.seats[0].name].source if case.seats and case.seats[0].work is not None else None


def _around(losses: Mapping[int, float] | None) -> dict[int, float] | None:
    if not losses:
        return None
    best = min(losses, key=lambda count: losses[count])
    return {count: loss for count, loss in losses.items() if abs(count - best) <= SHOWN_AROUND}
