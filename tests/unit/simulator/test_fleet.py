from __future__ import annotations

import pytest

from foresail.simulator.engine import EngineSettings, Request
from foresail.simulator.fleet import TICK_SECONDS, Fleet
from foresail.simulator.score import Limits

LIMITS = Limits(ttft_seconds=1.0, tpot_seconds=0.05)


def make_fleet(ready: int = 2) -> Fleet:
    fleet = Fleet(EngineSettings(), LIMITS, now=0.0)
    for number in range(ready):
        fleet.add(f"r{number}", ready_at=0.0)
    return fleet


def play(fleet: Fleet, seconds: float, requests: list[Request]) -> None:
    """Advance tick by tick, handing in requests as they arrive."""
    end = fleet.now + seconds
    while fleet.now < end - 1e-9:
        until = fleet.now + TICK_SECONDS
        fleet.advance(until, [r for r in requests if fleet.now <= r.arrival_seconds < until])


def steady(rate: float, seconds: float, start: float = 0.0) -> list[Request]:
    return [Request(start + number / rate, 300, 50) for number in range(round(rate * seconds))]


def expect_balance(fleet: Fleet) -> None:
    score = fleet.score
    assert fleet.received == score.passed + score.late + fleet.queued + fleet.running + score.refused


def test_every_request_is_accounted_for_while_replicas_come_and_go() -> None:
    fleet = make_fleet()
    requests = steady(20, 60)
    for replicas in (2, 5, 1, 3, 0, 2):
        fleet.scale_to(replicas, startup_seconds=3.0)
        play(fleet, 10.0, requests)
        expect_balance(fleet)
    assert fleet.received == 1200


def test_a_new_replica_serves_after_its_start_and_costs_from_its_creation() -> None:
    fleet = make_fleet(1)
    fleet.scale_to(2, startup_seconds=10.0)
    play(fleet, 9.0, [])
    assert (fleet.counts().ready, fleet.counts().starting) == (1, 1)
    play(fleet, 2.0, [])
    assert (fleet.counts().ready, fleet.counts().starting) == (2, 0)
    assert fleet.gpu_seconds == pytest.approx(2 * 11.0)
    assert fleet.startup_seconds[-1] == pytest.approx(10.0)


def test_a_draining_replica_finishes_what_it_has_and_gets_nothing_new() -> None:
    fleet = make_fleet(2)
    requests = steady(20, 10)
    play(fleet, 5.0, requests)
    running = fleet.running
    fleet.scale_to(1, startup_seconds=1.0)
    assert fleet.counts().draining == 1
    assert fleet.running == running
    play(fleet, 20.0, requests)
    assert fleet.counts().draining == 0
    assert fleet.score.refused == 0
    assert fleet.served().finished == fleet.received == 200


def test_the_replica_that_does_not_serve_yet_goes_first() -> None:
    fleet = make_fleet(2)
    fleet.scale_to(3, startup_seconds=60.0)
    fleet.scale_to(2, startup_seconds=60.0)
    assert fleet.counts().ready == 2


def test_without_a_ready_replica_requests_are_refused_and_violated() -> None:
    fleet = make_fleet(0)
    play(fleet, 1.0, steady(10, 1))
    assert fleet.score.refused == fleet.violated == 10
    assert fleet.score.attainment == 0.0


def test_a_new_replica_is_not_given_everything() -> None:
    fleet = make_fleet(4)
    requests = steady(30, 40)
    play(fleet, 20.0, requests)
    fleet.scale_to(5, startup_seconds=0.0)
    before = fleet.received
    play(fleet, 1.0, requests)
    newest = fleet.ready()[-1].engine
    assert 0 < newest.tally.received < (fleet.received - before) * 0.6


def test_waiting_for_too_long_is_violated_before_it_is_answered() -> None:
    fleet = Fleet(EngineSettings(max_sequences=1), LIMITS, now=0.0)
    fleet.add("only", ready_at=0.0)
    play(fleet, 2.0, [Request(0.0, 10, 10_000), Request(0.05, 10, 10)])
    assert fleet.queued == 1
    assert fleet.violated == 1
