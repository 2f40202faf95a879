"""Required replicas: the forecast's demand as work, path by path, never as quantiles of single indicators.

    required of variant v on path s = feedback · (1/κ of s) · max over t of (input_s(t) · p_v + output_s(t) · d_v)

with what waits in queue added to the tokens of every instant (`backlog.py`), over the span that a decision of now can
still change: from the measured lead time until one decision later. Samples of the learned capacity multiply the paths,
which thickens the tail by what is not known about the replicas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from foresail.domain.forecast import Forecast
from foresail.domain.memory import CapacityBelief
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Demand, Unknown
from foresail.domain.timeseries import INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, FloatArray
from foresail.policies.scaling.backlog import NOTHING
from foresail.policies.scaling.learning import scale_samples

MOST_BEYOND = math.log(1e6)  # as good as nothing was seen


class Reach(NamedTuple):
    """What a decision can change: `now` in seconds since the epoch, lead time, and the time until the next decision."""

    now: float
    lead_time_seconds: float
    cycle_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """Replicas required if one variant served alone; V variants, S paths.

    Args:
        ahead: Peak between lead time and one decision later, shape (V, S).
        until: Peak between now and one decision after the lead time, shape (V, S).
        now: For the demand of now, shape (V,).
        proven: Likewise, if each replica serves no more than it was seen to, shape (V,).
        peak_rps: Requests per second at its peak ahead, shape (S,).
        may_lower: Whether a step down may rest on it (it comes from a forecast, not from the demand of now alone).
    """

    ahead: FloatArray
    until: FloatArray
    now: FloatArray
    proven: FloatArray
    peak_rps: FloatArray
    may_lower: bool = True


def check_forecast(forecast: Forecast | Unknown, now: float) -> Forecast | Unknown:
    """The forecast if a number may rest on it, else why not."""
    if isinstance(forecast, Unknown):
        return forecast
    if not {REQUESTS, INPUT_TOKENS, OUTPUT_TOKENS} <= set(forecast.indicators):
        return Unknown(Reason.FORECAST_UNKNOWN, "the forecast lacks requests or tokens; forecast all demand indicators")
    if not np.isfinite(forecast.samples).all():
        return Unknown(Reason.FORECAST_UNKNOWN, "the forecast is not finite; look at the forecaster's log")
    if forecast.origin + forecast.horizon_seconds < now:
        age = now - forecast.origin
        return Unknown(
            Reason.FORECAST_UNKNOWN, f"the forecast is {age:.0f} s old and looked less far; restart the forecaster"
        )
    return forecast


def needs_of_forecast(
    forecast: Forecast,
    beliefs: Sequence[CapacityBelief],
    demand: Demand | None,
    *,
    reach: Reach,
    factor: float,
    queued: Demand = NOTHING,
) -> Needs:
    """Required replicas of each variant on each path.

    Args:
        forecast: Checked.
        beliefs: One per variant.
        demand: Arrivals now, None while they are unknown.
        reach: What a decision of now can change.
        factor: What feedback on attainment multiplies with.
        queued: What waits, as a demand.
    """
    ready = reach.now + reach.lead_time_seconds
    end = ready + reach.cycle_seconds
    span = forecast.between(reach.now, end)
    rows = forecast.between(ready, end).shape[1]
    columns = [forecast.indicators.index(name) for name in (INPUT_TOKENS, OUTPUT_TOKENS)]
    work = (np.maximum(span[:, :, columns], 0.0) + _tokens(queued)) @ _seconds(beliefs)
    scales = factor * np.stack([scale_samples(belief, span.shape[0], stream=v) for v, belief in enumerate(beliefs)])
    rates = span[:, -rows:, forecast.indicators.index(REQUESTS)]
    return Needs(
        ahead=work[:, -rows:, :].max(axis=1).T * scales,
        until=work.max(axis=1).T * scales,
        now=_needs_now(beliefs, demand, queued, factor),
        proven=_needs_now(beliefs, demand, queued, factor) * _unproven(beliefs),
        peak_rps=np.maximum(rates.max(axis=1), 0.0),
    )


def needs_of_demand(
    beliefs: Sequence[CapacityBelief], demand: Demand, *, factor: float, queued: Demand = NOTHING
) -> Needs:
    """Required replicas as if the demand of now stayed: good enough to add replicas, never to take some away."""
    now = _needs_now(beliefs, demand, queued, factor)
    alone = now[:, None]
    return Needs(alone, alone, now, now, np.array([demand.requests_per_second]), may_lower=False)


def _seconds(beliefs: Sequence[CapacityBelief]) -> FloatArray:
    """Seconds of one replica per token before learning, shape (2, V)."""
    return np.array([[b.seconds_per_input_token, b.seconds_per_output_token] for b in beliefs]).T


def _unproven(beliefs: Sequence[CapacityBelief]) -> FloatArray:
    """How many times the most that each replica was seen to serve it is believed to sustain; 1 before any was seen."""
    seen = [belief.log_mean - belief.log_most if math.isfinite(belief.log_most) else 0.0 for belief in beliefs]
    return np.asarray(np.exp(np.clip(seen, 0.0, MOST_BEYOND)), dtype=np.float64)


def _tokens(demand: Demand) -> FloatArray:
    """Input and output tokens per second, shape (2,)."""
    return np.array([demand.input_tokens_per_second, demand.output_tokens_per_second])


def _needs_now(beliefs: Sequence[CapacityBelief], demand: Demand | None, queued: Demand, factor: float) -> FloatArray:
    if demand is None:
        return np.zeros(len(beliefs))
    tokens = _tokens(demand) + _tokens(queued)
    scales = np.array([math.exp(-belief.log_mean) for belief in beliefs])
    return np.asarray(factor * scales * (tokens @ _seconds(beliefs)), dtype=np.float64)
