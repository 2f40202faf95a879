from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.workload import Slo
from foresail.policies.scaling.pressure import FULL, pressure_of

SLO = Slo(ttft_milliseconds=2000, tpot_milliseconds=50)
KNOWN: dict[str, Any] = {"kv_usage": 0.4, "tpot_seconds": 0.03, "waiting": 0.0, "served_rps": 20.0}


def pressure(**changes: Any) -> float | None:
    return pressure_of(SLO, **(KNOWN | changes))


def test_the_largest_sign_counts() -> None:
    assert pressure() == pytest.approx(0.6)  # 30 ms of 50
    assert pressure(kv_usage=0.9) == pytest.approx(0.9)


def test_a_queue_tells_of_full_replicas_when_it_makes_requests_late() -> None:
    assert pressure(waiting=39.0) == pytest.approx(0.6)  # 1.95 s at 20 a second
    assert pressure(waiting=41.0) == FULL
    assert pressure(waiting=1.0, served_rps=0.0) == FULL  # nothing leaves


def test_a_request_that_waits_for_the_next_iteration_tells_nothing() -> None:
    assert pressure(kv_usage=0.1, tpot_seconds=0.01, waiting=1.0) == pytest.approx(0.2)


def test_without_the_cache_only_full_replicas_are_told() -> None:
    assert pressure(kv_usage=None) is None
    assert pressure(kv_usage=None, waiting=100.0) == FULL
    assert pressure(kv_usage=None, tpot_seconds=0.06) == pytest.approx(1.2)
    assert pressure(kv_usage=None, tpot_seconds=None, waiting=None) is None
    assert pressure(kv_usage=float("nan"), tpot_seconds=float("nan")) is None


shares = st.floats(0, 2) | st.none()


@given(shares, shares, st.floats(0, 1000) | st.none(), st.floats(0, 100) | st.none(), st.floats(0, 1000))
def test_more_waiting_is_never_less_pressure(
    kv: float | None, tpot: float | None, waiting: float | None, served: float | None, more: float
) -> None:
    less = pressure_of(SLO, kv_usage=kv, tpot_seconds=tpot, waiting=waiting, served_rps=served)
    longer = None if waiting is None else waiting + more
    greater = pressure_of(SLO, kv_usage=kv, tpot_seconds=tpot, waiting=longer, served_rps=served)
    assert less is None or (greater is not None and greater >= less)
