from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.snapshot import Demand
from foresail.simulator.arrivals import RateArrivals
from foresail.simulator.engine import EngineSettings
from foresail.simulator.fleet import TICK_SECONDS, Fleet
from foresail.simulator.score import Limits
from foresail.simulator.steady import Mix, sustained_rps, work, working_point
from foresail.simulator.trace import RateTrace

LIMITS = Limits(ttft_seconds=2.0, tpot_seconds=0.05)


def demand(rate: float) -> Demand:
    return Demand(rate, rate * 700, rate * 230)


def test_at_full_work_tpot_is_that_of_the_working_point() -> None:
    engine = EngineSettings()
    full = demand(1 / work(demand(1.0), engine))
    assert working_point(full, engine).tpot_seconds == pytest.approx(0.040)


def test_more_than_a_replica_can_carry_shows_as_a_full_one() -> None:
    point = working_point(demand(100.0), EngineSettings())
    assert point.running == 256
    assert point.kv_usage == 1.0


def test_the_formula_agrees_with_the_engine() -> None:
    engine = EngineSettings()
    fleet = Fleet(engine, LIMITS, now=0.0)
    fleet.add("only", ready_at=0.0)
    arrivals = RateArrivals(RateTrace(600.0, *(np.array([x]) for x in (4.5, 700.0, 230.0, 1.0))))
    running = []
    for number in range(6000):
        now = number * TICK_SECONDS
        fleet.advance(now + TICK_SECONDS, arrivals.between(now, now + TICK_SECONDS))
        running.append(fleet.running)
    point, served = working_point(demand(4.5), engine), fleet.served()
    assert served.tpot_seconds / served.tpot_count == pytest.approx(point.tpot_seconds, rel=0.05)
    assert np.mean(running) == pytest.approx(point.running, rel=0.12)  # prompts that are being read run too


def test_the_sustained_rate_is_near_the_working_point_and_falls_with_the_promise() -> None:
    engine, request = EngineSettings(), Mix(700.0, 230.0)
    lax, strict = (
        sustained_rps(engine, request, limits=LIMITS, attainment=attainment, arrival_cv=2.0, seconds=120.0)
        for attainment in (0.95, 0.99)
    )
    assert strict < lax
    assert lax == pytest.approx(6.04, rel=0.1)
