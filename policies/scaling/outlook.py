"""The numbers behind a decision, for people and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping

from foresail.domain.decision import Capacity, Outlook
from foresail.domain.forecast import Forecast
from foresail.domain.memory import CapacityBelief
from foresail.domain.snapshot import Demand
from foresail.policies.scaling.capacity import LEARNED
from foresail.policies.scaling.case import Case
from foresail.policies.scaling.feedback import factor_of
from foresail.policies.scaling.learning import work_of
from foresail.policies.scaling.proposal import Proposal, quantiles
from foresail.policies.scaling.required import Needs

SHOWN_AROUND = 8  # counts on either side of the cheapest


def describe_outlook(case: Case, proposal: Proposal) -> Outlook:
    """Demand, need, capacity, and what the current replicas cost; None where unknown."""
    demand = case.observation.demand if isinstance(case.observation.demand, Demand) else None
    first = capacities(case).get(case.seats[0].name) if case.seats else None
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
        capacity_rps=None if first is None else first.requests_per_second,
        capacity_source=None if first is None else first.detail,
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


def capacities(case: Case) -> dict[str, Capacity]:
    """What one replica of each variant sustains, of those whose capacity is known."""
    demand = case.observation.demand if isinstance(case.observation.demand, Demand) else None
    known = [seat.name for seat in case.seats if seat.work is not None]
    return {name: _capacity(case.memory.capacity[name], demand) for name in known}


def _capacity(belief: CapacityBelief, demand: Demand | None) -> Capacity:
    busy = 0.0 if demand is None else work_of(belief).of(demand)
    return Capacity(
        source=_source(belief),
        detail=belief.source,
        error_ratio=math.sqrt(belief.log_variance),
        requests_per_second=None
        if demand is None or demand.requests_per_second <= 0 or busy <= 0
        else demand.requests_per_second * math.exp(belief.log_mean) / busy,
    )


def _source(belief: CapacityBelief) -> str:
    """In a word; a prediction's sentence begins with what it was made by (`allocation/profiles/profile.py`)."""
    if belief.observations > 0 or belief.source == LEARNED:
        return "measured"
    words = belief.source.split()
    return next((source for source in ("shipped", "roofline") if source.capitalize() in words), "user")


def _around(losses: Mapping[int, float] | None) -> dict[int, float] | None:
    if not losses:
        return None
    best = min(losses, key=lambda count: losses[count])
    return {count: loss for count, loss in losses.items() if abs(count - best) <= SHOWN_AROUND}
