"""Feedback: slow, bounded integral control of one factor on required replicas, so that the attainment set is delivered.

    log factor += gain · (share missed / share that may be missed - 1) · traffic now / mean traffic

At rest the mean of the bracket is zero, weighted by requests: the share missed equals the share that may be missed,
whatever the capacity model gets wrong, with nothing tuned. It integrates only what it can mend (anti-windup): not
upwards when no more replicas can be had, not downwards when something else keeps the replicas up (a floor, a window),
not at all when nobody acts or the attainment is unknown.

It mends what is wrong all the time, not what is wrong now: an overload is answered by its own work, arrivals and queue,
within a lead time. So the bracket counts at most as LARGEST_ERROR (more where more is promised than 99 %, as its root).
Without that, 100 s of overload where 99 % was promised doubled the factor, which took seven hours to undo. What the
limit costs was measured where misses come in bursts: 98.7 % instead of 99 % of a wave with noise.
"""

from __future__ import annotations

import math

import numpy as np

from foresail.domain.decision import VariantDecision
from foresail.domain.snapshot import Demand, Known
from foresail.domain.timeseries import REQUESTS, Window
from foresail.policies.scaling.case import Case

# With no request missed the factor falls by a tenth per hour; slower than a start-up and the minutes that attainment
# is measured over, so that it does not answer to its own past.
GAIN_PER_SECOND = 0.1 / 3600
SHORT_LEAD_SECONDS = 120.0  # longer start-ups answer later, so the gain falls in proportion
LOWEST_LOG, HIGHEST_LOG = math.log(0.5), math.log(2.5)
LARGEST_ERROR = 10.0  # so that the factor grows by at most one part in a hundred in 36 seconds
LARGEST_WEIGHT = 3.0


def factor_of(log_feedback: float) -> float:
    """The factor on required replicas."""
    return math.exp(min(max(log_feedback, LOWEST_LOG), HIGHEST_LOG))


def update_feedback(case: Case, decisions: tuple[VariantDecision, ...], *, capped: bool, floored: bool) -> float:
    """The logarithm of the factor for the next cycle.

    Args:
        case: This cycle's.
        decisions: What was decided by variant.
        capped: More replicas were wanted than can be had.
        floored: Fewer replicas were wanted than a floor, a minimum or a person keeps.
    """
    log_feedback, attainment, demand = case.memory.log_feedback, case.observation.attainment, case.observation.demand
    acting = all(decision.acts for decision in decisions) and case.override is None
    if not acting or not isinstance(attainment, Known) or not isinstance(demand, Demand):
        return log_feedback
    if demand.requests_per_second <= 0 or not math.isfinite(attainment.value):
        return log_feedback
    error = attainment_error(attainment.value, case.workload.slo.attainment)
    pending = any(seat.replicas.pending or seat.stuck for seat in case.seats)
    if (error > 0 and (capped or pending)) or (error < 0 and floored):
        return log_feedback
    gain = GAIN_PER_SECOND * case.cycle_seconds * min(SHORT_LEAD_SECONDS / case.lead_time_seconds, 1.0)
    weight = traffic_weight(demand, case.observation.history or case.observation.recent)
    step = gain * min(weight * error, largest_error(case.workload.slo.attainment))
    return min(max(log_feedback + step, LOWEST_LOG), HIGHEST_LOG)


def largest_error(wanted: float) -> float:
    """What one cycle counts at most: with less allowed, an ordinary burst is more times of it."""
    return LARGEST_ERROR * max(math.sqrt(0.01 / max(1.0 - wanted, 1e-3)), 1.0)


def attainment_error(attainment: float, wanted: float) -> float:
    """Share missed over the share that may be missed, minus one: negative when more is kept than promised."""
    allowed = max(1.0 - wanted, 1e-3)
    return (1.0 - min(max(attainment, 0.0), 1.0)) / allowed - 1.0


def traffic_weight(demand: Demand, past: Window | None) -> float:
    """Traffic now over its mean of the past, at most LARGEST_WEIGHT; 1 when the mean is unknown."""
    if past is None:
        return 1.0
    column = past.indicators.index(REQUESTS)
    known = past.observed[:, column]
    mean = float(np.mean(past.values[:, column], where=known)) if known.any() else 0.0
    return min(demand.requests_per_second / mean, LARGEST_WEIGHT) if mean > 0 else 1.0
