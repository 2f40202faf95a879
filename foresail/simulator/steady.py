"""The working point of a simulated server in a steady state, by formula, and the rate it sustains, by trial.

With rate λ per replica, n_in, n_out tokens per request and the engine's times a, b, c (base, prompt token, sequence):

    share of time that reads prompts   p = λ · n_in · b
    TPOT                               T = (a + c · batch) / (1 - p)
    batch                              B = λ · n_out · T

so T = a / (1 - λ · (n_in · b + n_out · c)), which stays below a limit L while λ · (n_in · b + n_out · c) < 1 - a / L.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from foresail.domain.snapshot import Demand
from foresail.simulator.arrivals import RateArrivals
from foresail.simulator.engine import Engine, EngineSettings
from foresail.simulator.score import Limits, Score
from foresail.simulator.trace import RateTrace

WORKING_TPOT_SECONDS = 0.040  # where a replica is called fully used: below the limits of 40 to 50 ms that are promised
MOST_WORK = 0.97  # a formula for a steady state has none beyond 1


class Mix(NamedTuple):
    """Mean lengths of a request."""

    input_tokens: float
    output_tokens: float


class WorkingPoint(NamedTuple):
    """What a replica shows in a steady state."""

    tpot_seconds: float
    running: float
    kv_usage: float


def work(demand: Demand, settings: EngineSettings) -> float:
    """Replicas that a demand keeps busy at the working point."""
    seconds = (
        demand.input_tokens_per_second * settings.seconds_per_prompt_token
        + demand.output_tokens_per_second * settings.seconds_per_sequence
    )
    return seconds / (1.0 - settings.base_seconds / WORKING_TPOT_SECONDS)


def working_point(demand: Demand, settings: EngineSettings) -> WorkingPoint:
    """What one replica shows under its demand; under more than it can carry, that of an almost full one."""
    spare = settings.base_seconds / WORKING_TPOT_SECONDS
    used = min(work(demand, settings) * (1.0 - spare), MOST_WORK)
    pace = settings.base_seconds / (1.0 - used)
    running = min(demand.output_tokens_per_second * pace, float(settings.max_sequences))
    rate = max(demand.requests_per_second, 1e-9)
    length = (demand.input_tokens_per_second + demand.output_tokens_per_second / 2) / rate
    return WorkingPoint(pace, running, min(running * length / settings.kv_tokens, 1.0))


def sustained_rps(
    settings: EngineSettings,
    request: Mix,
    *,
    limits: Limits,
    attainment: float,
    arrival_cv: float = 1.0,
    replicas: int = 4,
    seconds: float = 300.0,
) -> float:
    """The rate per replica at which a share of requests still passes, found by bisection on simulated fleets.

    Args:
        settings: Of the engine.
        request: Mean lengths.
        limits: What a request must keep.
        attainment: Share that must pass, 0…1.
        arrival_cv: Of the gaps between arrivals at the whole fleet.
        replicas: Size of the fleet: the same bursts weigh less on a larger one.
        seconds: Length of a trial.
    """
    one = Demand(1.0, request.input_tokens, request.output_tokens)
    low, high = 0.0, 1.5 / work(one, settings)
    for _ in range(8):
        rate = (low + high) / 2
        trace = RateTrace(seconds, *(np.array([x]) for x in (rate * replicas, *request, arrival_cv)))
        passes = _attained(trace, [Engine(settings) for _ in range(replicas)], limits) >= attainment
        low, high = (rate, high) if passes else (low, rate)
    return low


def _attained(trace: RateTrace, engines: list[Engine], limits: Limits) -> float:
    score, arrivals, tick = Score(limits), RateArrivals(trace), 0.1
    for number in range(round(trace.duration_seconds / tick)):
        for request in arrivals.between(number * tick, (number + 1) * tick):
            if not min(engines, key=lambda engine: engine.in_flight).submit(request):
                score.refuse()
        for engine in engines:
            score.judge(engine.advance((number + 1) * tick))
    for engine in engines:
        score.judge(engine.advance(trace.duration_seconds + 30.0))
    return score.attainment or 0.0
