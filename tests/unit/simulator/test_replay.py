from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from foresail.domain.timeseries import DEMAND_INDICATORS
from foresail.simulator.arrivals import RateArrivals
from foresail.simulator.baselines import HpaRule, StaticCount, work_rate
from foresail.simulator.engine import EngineSettings
from foresail.simulator.observation import Observation
from foresail.simulator.replay import RaceSettings, race, simulate
from foresail.simulator.server import load_rates, play_from
from foresail.simulator.steady import work
from foresail.simulator.trace import RateTrace

TRACE = Path(__file__).parents[3] / "examples" / "data" / "servegen-chat.csv"


def make_trace(rows: int = 40, rate: float = 12.0) -> RateTrace:
    same = np.ones(rows)
    return RateTrace(600.0, rate * same, 700 * same, 230 * same, same)


SHORT = RaceSettings(play_from_seconds=6000.0, duration_seconds=120.0)


def test_all_get_the_same_requests() -> None:
    outcomes = race(make_trace(), {"one": StaticCount(1), "three": StaticCount(3)}, SHORT)
    assert outcomes["one"].requests == outcomes["three"].requests == pytest.approx(12 * 120, rel=0.1)
    # 12 rps need two replicas at 700/230 tokens
    assert outcomes["three"].violated < 0.02 * outcomes["three"].requests < outcomes["one"].violated
    assert outcomes["three"].gpu_seconds == pytest.approx(360.0)


def test_the_same_seed_gives_the_same_outcome() -> None:
    first, second = (simulate(make_trace(), HpaRule(work_rate(EngineSettings())), SHORT) for _ in range(2))
    assert first == second


def test_a_decision_takes_effect_one_start_up_later() -> None:
    seen: list[tuple[int, int, int]] = []

    def policy(now: float, observation: Observation) -> int:
        seen.append((round(now - SHORT.start), observation.replicas.ready, observation.replicas.starting))
        return 5

    simulate(make_trace(), policy, SHORT)
    assert seen[0] == (15, 3, 0)
    assert seen[2] == (45, 3, 2)
    assert seen[3] == (60, 5, 0)  # 15 + 45


def test_a_policy_sees_the_demand_of_the_last_minute_and_the_past() -> None:
    observations: list[Observation] = []

    def policy(now: float, observation: Observation) -> int:
        observations.append(observation)
        return 3

    simulate(make_trace(), policy, SHORT)
    last = observations[-1]
    assert last.demand.requests_per_second == pytest.approx(12.0, rel=0.15)
    assert last.demand.input_tokens_per_second == pytest.approx(12.0 * 700, rel=0.2)
    assert last.served.output_tokens_per_second == pytest.approx(12.0 * 230, rel=0.2)
    assert last.recent.indicators == DEMAND_INDICATORS
    assert last.recent.end == pytest.approx(last.time)
    assert last.history is not None
    assert (len(last.history), last.history.step_seconds, last.history.end) == (10, 30.0, SHORT.start)
    assert 0.0 < last.tpot_seconds < 0.05
    assert last.attainment == pytest.approx(1.0, abs=0.02)


def test_the_timeline_tells_what_was_asked_and_what_was_there() -> None:
    outcome = simulate(make_trace(), StaticCount(3), SHORT)
    assert [row.desired for row in outcome.timeline] == [3] * 7
    assert outcome.replica_changes == 0


def test_the_shipped_series_has_a_ramp_that_a_reactive_rule_meets_too_late() -> None:
    trace = load_rates(TRACE)
    settings = RaceSettings(play_from(TRACE, trace, None), initial_replicas=2)
    first = int(settings.play_from_seconds // trace.step_seconds)

    arrivals = RateArrivals(trace.faster(settings.speed))

    def foresight(now: float, observation: Observation) -> int:
        """What the trace will ask from now to 75 s ahead, and a tenth."""
        trace_now = now - settings.start + settings.play_from_seconds / settings.speed
        ahead = (arrivals.expected(trace_now + seconds) for seconds in range(0, 76, 5))
        return math.ceil(1.1 * max(work(demand, settings.engine) for demand in ahead))

    outcomes = race(trace, {"hpa": HpaRule(work_rate(settings.engine)), "foresight": foresight}, settings)
    assert first == 1925
    assert len(trace) - first >= 40  # twenty minutes at speed 20
    assert outcomes["foresight"].violated * 5 < outcomes["hpa"].violated
    assert outcomes["foresight"].gpu_seconds < 1.15 * outcomes["hpa"].gpu_seconds
