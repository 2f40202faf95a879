"""The forecaster as a process of its own, with a real flow: it serves what is on its shelf while it trains."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import DEMAND_INDICATORS, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.context import FEATURES
from foresail.forecasting.demand.serve import ForecastRequest
from foresail.operator.clock import SystemClock
from foresail.operator.forecaster import ForecasterClient
from foresail.operator.wire import Question
from tests.builders import make_workload
from tests.conftest import wait_for
from tests.fakes.prometheus import FakePrometheus, Fault
from tests.integration.process import FORESAIL
from tests.unit.forecaster.artifacts import WHY, make_card, write_artifact

KEY = WorkloadKey("prod", "chat")
START_SECONDS = 90.0  # torch is read from a slow disk


def put_flow(place: Path) -> Path:
    """The artifact of a flow that was never trained: it changes next to nothing."""
    from foresail.forecasting.neural.encoder import Shape  # noqa: PLC0415 - torch
    from foresail.forecasting.neural.flow import Flow  # noqa: PLC0415
    from foresail.forecasting.neural.model import save_flow  # noqa: PLC0415

    flow, weights = save_flow(Flow(Shape(3, len(FEATURES)), (0, 1, 2), (0, 1, 2), seed=0))
    settings = {"flow": flow, "serves": True, "why": WHY, "horizon_seconds": 210.0, "outcomes": 240.0}
    return write_artifact(place, make_card(settings=settings), weights)


def make_request(now: float) -> ForecastRequest:
    rng = np.random.default_rng(0)
    values = 20.0 * rng.gamma(30.0, 1 / 30.0, (480, 1)) * np.array([1.0, 1000.0, 250.0])
    end = now // 15.0 * 15.0
    return ForecastRequest(Window(DEMAND_INDICATORS, 15.0, end, values, values >= 0), None, 210.0)


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


async def ask(url: str) -> Forecast | Unknown:
    """Ask as the operator does."""
    async with ForecasterClient(url, SystemClock(), deadline_seconds=30.0) as client:
        return (await client.ask({KEY: Question(make_workload(), make_request(time.time()))}))[KEY]


def test_it_serves_while_it_trains_and_ends_within_two_seconds_with_all_it_had(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: make train")
    folder, log = tmp_path / "artifacts", tmp_path / "log"
    artifact = put_flow(folder / "prod" / "chat" / "000000000000001")
    before = {path.name: path.read_bytes() for path in artifact.iterdir()}
    flags = ["forecaster", "--listen", "127.0.0.1:0", "--artifacts", str(folder)]
    with FakePrometheus(fault=Fault.SLOW) as prometheus, log.open("w") as output:
        command = [sys.executable, *FORESAIL, *flags, "--prometheus", prometheus.url]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            found = wait_for(lambda: re.search(r"listening=(\S+)", log.read_text()), seconds=30, what="its address")
            assert found is not None
            url = f"http://{found[1]}"
            wait_for(lambda: get(f"{url}/readyz")[0] == 200, seconds=START_SECONDS, what="its models")

            assert isinstance(asyncio.run(ask(url)), Forecast)
            wait_for(lambda: get(f"{url}/v1/models")[1]["models"][0]["training"], what="a training")
            second = asyncio.run(ask(url))
            assert isinstance(second, Forecast)
            assert (second.source, second.samples.shape) == ("flow", (200, 14, 3))
            assert second.reason == f"{WHY}; with what came since it weighs 100% beside the mixture"
            assert np.isfinite(second.samples).all()

            began = time.monotonic()
            process.terminate()
            assert process.wait(timeout=10) == 0
            assert time.monotonic() - began < 2.0
        finally:
            process.kill()
            process.wait()
    assert {path.name: path.read_bytes() for path in artifact.iterdir()} == before
    (entry,) = json.loads((folder / "workloads.json").read_text())["workloads"]
    assert (entry["failures"], entry["trained_at"]) == (0, None)  # due again, and nobody's failure
    assert "Traceback" not in log.read_text()


def test_without_a_volume_it_gets_everything_back_from_its_store_and_ends_in_time(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: make train")
    pytest.importorskip("fsspec", reason="fsspec is not installed: foresail[objects]")
    store, copy, log = tmp_path / "store", tmp_path / "copy", tmp_path / "log"
    kept = put_flow(store / "prod" / "chat" / "000000000000001")
    flags = ["--listen", "127.0.0.1:0", "--artifacts", f"file://{store}", "--working-copy", str(copy)]
    with FakePrometheus() as prometheus, log.open("w") as output:
        command = [sys.executable, *FORESAIL, "forecaster", *flags, "--prometheus", prometheus.url]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            found = wait_for(lambda: re.search(r"listening=(\S+)", log.read_text()), seconds=30, what="its address")
            assert found is not None
            url = f"http://{found[1]}"
            wait_for(lambda: get(f"{url}/v1/models")[1]["models"], seconds=START_SECONDS, what="what is in the store")
            assert get(f"{url}/healthz") == (200, {"status": "ok", "store": "ok"})
            assert isinstance(asyncio.run(ask(url)), Forecast)

            began = time.monotonic()
            process.terminate()
            assert process.wait(timeout=10) == 0
            assert time.monotonic() - began < 2.0
        finally:
            process.kill()
            process.wait()
    fetched = copy / "prod" / "chat" / kept.name
    assert {path.name: path.read_bytes() for path in fetched.iterdir()} == {
        path.name: path.read_bytes() for path in kept.iterdir()
    }
    assert "Traceback" not in log.read_text()
