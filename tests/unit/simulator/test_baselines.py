from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foresail.domain.snapshot import Demand
from foresail.domain.timeseries import DEMAND_INDICATORS, Window
from foresail.simulator.baselines import (
    HpaRule,
    StaticCount,
    in_flight,
    in_flight_target,
    peak_replicas,
    propose,
    work_rate,
)
from foresail.simulator.engine import EngineSettings
from foresail.simulator.fleet import Counts
from foresail.simulator.observation import Observation
from foresail.simulator.trace import RateTrace

NOTHING = Demand(0.0, 0.0, 0.0)


def make_observation(in_flight: float = 0.0, *, ready: int = 2, starting: int = 0) -> Observation:
    empty = np.empty((0, 3))
    return Observation(
        time=0.0,
        demand=NOTHING,
        replicas=Counts(ready, starting, 0),
        waiting=0,
        running=0,
        in_flight_mean=in_flight,
        served=NOTHING,
        tpot_seconds=0.0,
        kv_usage=0.0,
        attainment=None,
        recent=Window(DEMAND_INDICATORS, 15.0, 0.0, empty, empty.astype(np.bool_)),
    )


@pytest.mark.parametrize(
    ("total", "ready", "current", "desired"),
    [
        (40.0, 2, 2, 4),  # ceil(2 · 20/10)
        (21.9, 2, 2, 2),  # within 10 %
        (22.1, 2, 2, 3),
        (10.0, 2, 2, 1),
        (0.0, 2, 2, 0),  # the bounds make it one
        (40.0, 2, 4, 4),  # two start and count as 0: 40/40 is within the tolerance
        (60.0, 2, 4, 6),  # ceil(4 · 60/40)
        (30.0, 2, 4, 4),  # filled with zeros it would turn the direction around
        (4.0, 2, 4, 3),  # two start and count as 10 each: ceil(4 · 24/40)
        (0.0, 0, 3, 3),  # nothing is measured
    ],
)
def test_the_hpas_arithmetic(total: float, ready: int, current: int, desired: int) -> None:
    assert propose(total, target=10.0, ready=ready, current=current) == desired


def test_a_step_up_is_at_most_four_pods_or_double() -> None:
    rule = HpaRule(in_flight, target=1.0, bounds=(1, 50))
    assert rule(0.0, make_observation(100.0, ready=2)) == 6
    assert rule(15.0, make_observation(100.0, ready=6)) == 12


def test_a_step_down_waits_for_the_window_even_from_the_first_sight() -> None:
    rule = HpaRule(in_flight, target=10.0)
    assert rule(0.0, make_observation(10.0, ready=4)) == 4
    assert rule(285.0, make_observation(10.0, ready=4)) == 4
    assert rule(301.0, make_observation(10.0, ready=4)) == 1


def test_the_bounds_hold() -> None:
    rule = HpaRule(in_flight, target=1.0, bounds=(2, 5))
    assert rule(0.0, make_observation(100.0, ready=3)) == 5
    assert rule(400.0, make_observation(0.0, ready=3)) == 2


def test_a_static_count_stays() -> None:
    assert StaticCount(7)(0.0, make_observation(100.0)) == 7


def test_work_rate_sees_tokens_and_not_requests() -> None:
    engine = EngineSettings()
    signal = work_rate(engine)
    # 6.04 rps at 700/230 is the working point of one replica: 0.7 / (700/12,000 + 230 · 0.25 ms).
    light, heavy = Demand(6.04, 6.04 * 700, 6.04 * 230), Demand(6.04, 6.04 * 1400, 6.04 * 460)
    assert signal(replace(make_observation(), demand=light)) == pytest.approx(1.0, rel=0.01)
    assert signal(replace(make_observation(), demand=heavy)) == pytest.approx(2.0, rel=0.01)


def test_the_target_in_flight_is_that_of_a_replica_at_its_working_point() -> None:
    past = RateTrace(600.0, *(np.array([x]) for x in (10.0, 700.0, 230.0, 1.0)))
    # 6.04 rps · 230 tokens · 40 ms
    assert in_flight_target(past, EngineSettings(), utilization=1.0) == pytest.approx(55.6, rel=0.01)
    assert in_flight_target(past, EngineSettings()) < 0.8 * 55.6


def test_the_static_fleet_is_sized_for_the_peak() -> None:
    played = RateTrace(600.0, np.array([6.0, 15.0]), np.full(2, 700.0), np.full(2, 230.0), np.ones(2))
    assert peak_replicas(played, EngineSettings()) == 3  # 15 / 6.04 = 2.5
