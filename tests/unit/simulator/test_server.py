from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from foresail.simulator.live import Live, LiveSettings
from foresail.simulator.pods import PodState
from foresail.simulator.replay import RaceSettings
from foresail.simulator.server import Server, main, make_settings, parse_arguments, play_from
from foresail.simulator.trace import RateTrace

NOW = 1_700_000_000.0


def make_trace() -> RateTrace:
    rows = np.ones(100)
    return RateTrace(600.0, 12 * rows, 700 * rows, 230 * rows, rows)


@pytest.fixture
def live() -> Live:
    live = Live(make_trace(), LiveSettings(RaceSettings(play_from_seconds=30_000.0)), now=NOW)
    live.sync([PodState(name, name, NOW - 60, NOW - 10, deleting=False) for name in ("chat-a", "chat-b")], NOW)
    live.advance(NOW)
    live.advance(NOW + 30.0)
    return live


async def test_prometheus_finds_a_page_per_ready_pod(live: Live) -> None:
    app = Server(live, namespace="demo", model="llama").app()
    async with TestClient(TestServer(app)) as client:
        groups = await (await client.get("/sd")).json()
        assert [group["labels"]["pod"] for group in groups] == ["chat-a", "chat-b"]
        for group in groups:
            labels = group["labels"]
            assert set(labels) == {"namespace", "pod", "__metrics_path__"}
            assert group["targets"] == [f"{client.host}:{client.port}"]
            answer = await client.get(labels["__metrics_path__"])
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            names = {family.name for family in text_string_to_metric_families(await answer.text())}
            assert "vllm:num_requests_running" in names


async def test_a_pod_that_is_not_there_has_no_page(live: Live) -> None:
    async with TestClient(TestServer(Server(live, namespace="demo", model="llama").app())) as client:
        assert (await client.get("/metrics/demo/chat-z")).status == 404
        assert (await client.get("/metrics/other/chat-a")).status == 404


async def test_summary_and_state_are_json_and_say_simulated(live: Live) -> None:
    async with TestClient(TestServer(Server(live, namespace="demo", model="llama").app())) as client:
        summary = await (await client.get("/summary")).json()
        state = await (await client.get("/state")).json()
    assert summary["simulated"] is state["simulated"] is True
    assert len(summary["policies"]) == 4
    assert state["replicas"] == {"ready": 2, "starting": 0, "draining": 0}


def test_flags_become_settings() -> None:
    flags = parse_arguments(
        ["--selector", "app=chat", "--trace", "t.csv", "--speed", "10", "--tpot-milliseconds", "40", "--seed", "7"]
    )
    settings = make_settings(flags, 600.0)
    assert (settings.race.speed, settings.race.seed, settings.race.play_from_seconds) == (10.0, 7, 600.0)
    assert settings.race.limits == (2.0, 0.04)


def test_playing_starts_where_it_is_told_else_where_the_file_beside_says_else_late(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    assert play_from(path, make_trace(), None) == 80 * 600.0
    path.with_suffix(".json").write_text(json.dumps({"play_from_seconds": 1200}))
    assert play_from(path, make_trace(), None) == 1200.0
    assert play_from(path, make_trace(), 60.0) == 60.0


def test_a_trace_that_cannot_be_read_is_told_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--selector", "app=chat", "--trace", str(tmp_path / "none.csv")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "none.csv" in told.err
