from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from foresail.simulator.live import Live, LiveSettings
from foresail.simulator.pods import PodState, parse_pod
from foresail.simulator.replay import RaceSettings
from foresail.simulator.trace import RateTrace

NOW = 1_700_000_000.0


def make_live() -> Live:
    rows = np.ones(100)
    trace = RateTrace(600.0, 12 * rows, 700 * rows, 230 * rows, rows)
    return Live(trace, LiveSettings(RaceSettings(play_from_seconds=30_000.0)), now=NOW)


def make_pod(name: str, *, ready: bool = True, deleting: bool = False) -> PodState:
    return PodState(name, f"uid-{name}", NOW - 60.0, NOW - 10.0 if ready else None, deleting)


def test_the_trace_starts_when_the_first_pod_is_ready() -> None:
    live = make_live()
    live.sync([make_pod("chat-a", ready=False)], NOW)
    live.advance(NOW + 10.0)
    assert live.played_seconds() == 0.0
    live.sync([make_pod("chat-a")], NOW + 20.0)
    live.advance(NOW + 20.0)
    live.advance(NOW + 30.05)
    assert live.played_seconds() == pytest.approx(10.0)
    assert live.fleet.received > 0
    assert live.state()["trace_seconds"] == pytest.approx(30_000.0 + 10.0 * 20)


def test_only_ready_and_leaving_pods_answer_a_scrape() -> None:
    live = make_live()
    live.sync([make_pod("a"), make_pod("b"), make_pod("c", ready=False)], NOW)
    live.advance(NOW)
    live.advance(NOW + 5.0)
    assert set(live.exposed()) == {"a", "b"}
    live.sync([make_pod("a"), make_pod("b", deleting=True), make_pod("c", ready=False)], NOW + 5.0)
    assert set(live.exposed()) == {"a", "b"}
    received = live.exposed()["b"].tally.received
    live.advance(NOW + 10.0)
    assert live.exposed()["b"].tally.received == received > 0
    live.sync([make_pod("a")], NOW + 10.0)
    assert set(live.exposed()) == {"a"}


def test_a_pod_that_is_no_longer_ready_gets_nothing_and_comes_back() -> None:
    live = make_live()
    live.sync([make_pod("a"), make_pod("b")], NOW)
    live.advance(NOW)
    live.sync([make_pod("a"), make_pod("b", ready=False)], NOW + 1.0)
    live.advance(NOW + 5.0)
    assert live.fleet.counts().ready == 1
    live.sync([make_pod("a"), make_pod("b")], NOW + 5.0)
    live.advance(NOW + 10.0)
    assert live.fleet.counts().ready == 2


def test_the_shadows_get_the_very_same_requests() -> None:
    live = make_live()
    live.sync([make_pod("a"), make_pod("b"), make_pod("c")], NOW)
    for second in range(120):
        live.advance(NOW + second)
    summary = live.summary()
    assert summary["simulated"] is True
    names = [policy["name"] for policy in summary["policies"]]
    assert names == ["live", "hpa-in-flight", "hpa-work-rate", "static-peak"]
    assert len({policy["requests"] for policy in summary["policies"]}) == 1
    assert summary["policies"][0]["gpu_seconds"] == pytest.approx(3 * live.played_seconds())


def test_replicas_that_come_together_are_one_change() -> None:
    live = make_live()
    live.sync([make_pod("a")], NOW)
    live.advance(NOW)
    live.sync([make_pod("a"), make_pod("b", ready=False)], NOW + 100.0)
    live.sync([make_pod("a"), make_pod("b", ready=False), make_pod("c", ready=False)], NOW + 101.0)
    live.sync([make_pod("a"), make_pod("b"), make_pod("c")], NOW + 145.0)
    assert live.fleet.replica_changes == 1


def test_a_long_pause_of_the_process_is_left_out() -> None:
    live = make_live()
    live.sync([make_pod("a")], NOW)
    live.advance(NOW)
    live.advance(NOW + 3600.0)
    live.advance(NOW + 3601.0)
    assert live.played_seconds() == pytest.approx(1.0, abs=0.2)


def test_pods_are_understood_as_the_api_server_tells_them() -> None:
    body: dict[str, Any] = {
        "metadata": {"name": "chat-a", "uid": "u", "creationTimestamp": "2023-11-14T22:13:20Z"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2023-11-14T22:14:05Z"}],
        },
    }
    assert parse_pod(body) == PodState("chat-a", "u", NOW, NOW + 45.0, deleting=False)
    body["metadata"]["deletionTimestamp"] = "2023-11-14T22:15:00Z"
    body["status"] = {}
    assert parse_pod(body) == PodState("chat-a", "u", NOW, None, deleting=True)
