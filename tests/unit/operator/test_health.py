from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from foresail.operator.explain.metrics import OperatorMetrics
from foresail.operator.health import Health
from foresail.operator.streams import DEFAULT_TIMEOUTS
from tests.unit.operator.fakes import HandClock


def make_health(*, loop_age: float = 1.0, stream_age: float = 1.0, problem: str = "") -> Health:
    loop: Any = SimpleNamespace(age_seconds=lambda: loop_age)
    watch: Any = SimpleNamespace(ages=lambda: {"pods": stream_age}, problem=problem)
    announcer: Any = SimpleNamespace(traces={})
    return Health(
        loop=loop,
        watch=watch,
        announcer=announcer,
        metrics=OperatorMetrics(HandClock()),
        timeouts=DEFAULT_TIMEOUTS,
        cycle_seconds=15.0,
        leading=lambda: True,
    )


def test_a_loop_that_does_not_turn_is_dead() -> None:
    assert make_health(loop_age=100.0).liveness_problem() == ""
    assert "loop has not turned" in make_health(loop_age=121.0).liveness_problem()  # 8 cycles of 15 s


def test_a_stream_that_is_silent_for_two_server_timeouts_is_dead() -> None:
    assert make_health(stream_age=590.0).liveness_problem() == ""
    assert "pods for 601 s" in make_health(stream_age=601.0).liveness_problem()


def test_a_store_that_is_not_like_the_cluster_is_not_ready_but_alive() -> None:
    health = make_health(problem="modeldeployments.foresail.dev are not served")
    assert health.readiness_problem()
    assert not health.liveness_problem()


def test_ages_and_leadership_are_metrics() -> None:
    registry = make_health(stream_age=7.0).registry
    assert registry.get_sample_value("foresail_watch_age_seconds", {"resource": "pods"}) == 7.0
    assert registry.get_sample_value("foresail_leader") == 1.0
