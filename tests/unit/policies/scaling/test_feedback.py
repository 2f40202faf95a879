from __future__ import annotations

from typing import Any

import pytest

from foresail.domain.snapshot import Known, Unknown
from foresail.domain.workload import Mode, Override, Slo
from foresail.policies.scaling.decide import decide
from foresail.policies.scaling.feedback import (
    HIGHEST_LOG,
    LOWEST_LOG,
    attainment_error,
    factor_of,
    largest_error,
    traffic_weight,
)
from foresail.policies.scaling.prices import Prices
from tests.builders import (
    NOW,
    make_demand,
    make_forecast,
    make_memory,
    make_observation,
    make_pool,
    make_replicas,
    make_variant,
    make_variant_observation,
    make_window,
    make_workload,
)
from tests.unit.policies.cases import make_case


def moved(
    attainment: float | Unknown,
    *,
    log_feedback: float = 0.1,
    rps: float = 24.0,
    workload: dict[str, Any] | None = None,
    observation: dict[str, Any] | None = None,
    **snapshot: Any,
) -> float:
    """How far one cycle moves the logarithm of the factor, with 97 % promised."""
    described = make_workload(**({"slo": Slo(attainment=0.97)} | (workload or {})))
    signal = attainment if isinstance(attainment, Unknown) else Known(attainment)
    observed = make_observation(described, attainment=signal, **(observation or {}))
    memory = make_memory(described, log_feedback=log_feedback).workloads[described.key]
    case = make_case(observed, forecast=make_forecast(rps), memory=memory, **snapshot)
    return decide(case, Prices()).memory.log_feedback - log_feedback


def test_too_many_misses_raise_the_factor_and_too_few_lower_it() -> None:
    assert moved(0.90) > 0 > moved(1.0)
    assert moved(0.97) == pytest.approx(0)


def test_it_is_slow() -> None:
    # At a lead time of 180 s the gain is two thirds: a fifteenth per hour with nothing missed.
    assert moved(1.0) * 240 == pytest.approx(-0.1 * 120 / 180)


def test_an_overload_moves_it_little_however_many_miss() -> None:
    # All missed is 32 times what may be missed; it counts as ten, even with three times the ordinary traffic.
    assert moved(0.0) == pytest.approx(10 * 0.1 * (15 / 3600) * (120 / 180))
    busy = {"demand": 72.0, "recent": make_window([24.0])}
    assert moved(0.0, observation=busy) == moved(0.0)


def test_where_more_is_promised_an_overload_counts_more() -> None:
    assert largest_error(0.9) == largest_error(0.99) == 10
    assert largest_error(0.999) == pytest.approx(10 * 10**0.5)


def test_it_does_not_wind_down_while_something_else_keeps_the_replicas_up() -> None:
    """A slow or forbidden scale-down keeps all requests in time, which says nothing of the factor."""
    idle = {"replicas": 20, "demand": 24.0}
    assert moved(1.0, observation=idle) == 0
    assert moved(0.5, observation=idle) > 0


def test_it_is_frozen_on_unknown_and_without_traffic() -> None:
    assert moved(Unknown("NoTraffic", "")) == 0
    assert moved(0.5, observation={"demand": Unknown("NoSeries", "")}) == 0
    assert moved(0.5, observation={"demand": 0}) == 0
    assert moved(float("nan")) == 0


def test_it_is_frozen_while_nobody_acts() -> None:
    assert moved(0.5, workload={"mode": Mode.ADVISORY}) == 0
    assert moved(0.5, workload={"override": Override(5, NOW + 60, "")}) == 0


def test_it_does_not_wind_up_at_the_most_replicas() -> None:
    few = {"variants": (make_variant(max_replicas=5),)}
    assert moved(0.5, rps=60, workload=few) == 0
    assert moved(1.0, rps=60, workload=few) < 0


def test_it_does_not_wind_up_while_replicas_are_pending() -> None:
    pending = {"replicas": make_replicas(5, ready=4, pending=1, pending_seconds=(20.0,))}
    assert moved(0.5, observation=pending) == 0


def test_it_does_not_wind_up_where_the_pool_ends() -> None:
    assert moved(0.5, rps=60, pools=[make_pool(free=1)]) == 0


def test_it_does_not_wind_down_at_the_fewest_replicas() -> None:
    many = {"variants": (make_variant(min_replicas=8),)}
    assert moved(1.0, workload=many) == 0
    assert moved(0.5, workload=many) > 0


@pytest.mark.parametrize(("start", "attainment"), [(HIGHEST_LOG, 0.0), (LOWEST_LOG, 1.0)])
def test_it_stays_in_bounds(start: float, attainment: float) -> None:
    assert moved(attainment, log_feedback=start, rps=60) == 0
    assert 0.5 <= factor_of(start) <= 2.5


def test_a_miss_counts_by_the_promise() -> None:
    assert attainment_error(0.90, 0.95) == pytest.approx(1.0)
    assert attainment_error(0.98, 0.99) == pytest.approx(1.0)
    assert attainment_error(1.0, 0.99) == -1


def test_misses_weigh_by_traffic() -> None:
    past = make_window([10, None, 30])
    assert traffic_weight(make_demand(40), past) == 2
    assert traffic_weight(make_demand(400), past) == 3
    assert traffic_weight(make_demand(40), None) == traffic_weight(make_demand(40), make_window([None])) == 1


def test_the_factor_moves_the_next_count() -> None:
    observed = make_observation(variants=[make_variant_observation()])
    totals = []
    for log_feedback in (0.0, 0.4):
        memory = make_memory(log_feedback=log_feedback).workloads[observed.workload.key]
        totals.append(decide(make_case(observed, memory=memory), Prices()).decision.desired)
    assert totals[0] < totals[1]
