from __future__ import annotations

import pytest

from benchmarks.readiness import asked_since, first_crossing, leads
from foresail.simulator.replay import RaceSettings, TimelineRow

SETTINGS = RaceSettings(0.0, duration_seconds=300.0, startup_seconds=45.0, initial_replicas=2, start=1000.0)


def make_timeline(*desired: int) -> list[TimelineRow]:
    return [TimelineRow(1000.0 + 15.0 * (n + 1), 0.0, count, 2, 0, 0) for n, count in enumerate(desired)]


def need(seconds: float) -> float:
    """One replica, and one more every hundred seconds."""
    return 1.0 + seconds / 100.0


def test_the_first_crossing_is_the_first_instant_at_which_more_is_needed() -> None:
    assert first_crossing(need, 2, duration_seconds=300.0) == 101.0
    assert first_crossing(need, 9, duration_seconds=300.0) is None


def test_a_replica_asked_for_early_is_ready_before_it_is_needed() -> None:
    timeline = make_timeline(2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4)
    assert leads(timeline, need, SETTINGS) == {2: pytest.approx(101 - 30 - 45), 3: pytest.approx(201 - 120 - 45)}


def test_a_replica_asked_for_late_has_a_negative_lead_and_one_never_asked_for_has_none() -> None:
    timeline = make_timeline(*[2] * 6, *[3] * 14)
    assert leads(timeline, need, SETTINGS) == {2: pytest.approx(101 - 105 - 45), 3: None}


def test_what_was_given_back_before_it_was_needed_does_not_count() -> None:
    assert asked_since(make_timeline(3, 2, 2, 3, 3), 3, before=1070.0) == 1060.0


def test_what_is_given_back_after_it_was_needed_counts() -> None:
    assert asked_since(make_timeline(2, 3, 3, 2, 2), 3, before=1050.0) == 1030.0
