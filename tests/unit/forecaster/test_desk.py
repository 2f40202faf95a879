"""The service over HTTP, asked by the operator's own client: what one says, the other understands."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import uvicorn

from foresail.domain.errors import ForecastError
from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import DEMAND_INDICATORS, Window
from foresail.forecaster import desk as desk_module
from foresail.forecaster.app import create_app
from foresail.forecaster.desk import Desk
from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.register import Register
from foresail.forecaster.shelf import Shelf
from foresail.forecasting.demand.serve import ForecastRequest
from foresail.operator.forecaster import ForecasterClient
from foresail.operator.wire import Question
from tests.builders import NOW, make_workload
from tests.unit.forecaster.artifacts import (
    KEY,
    WHY,
    FakeModel,
    make_body,
    make_card,
    make_flow_forecast,
    make_question,
    write_artifact,
)
from tests.unit.operator.fakes import HandClock


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class House:
    """A desk with a shelf of fake models, and its API on a port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shelf = Shelf(folder / "kept", FakeModel)
        self.metrics = ForecasterMetrics()
        folder.joinpath("kept").mkdir()
        self.register = Register.open(folder / "kept" / "workloads.json", 21_600.0)
        self.desk = Desk(self.shelf, self.register, self.metrics, clock=lambda: NOW)
        self.desk.missing, self.desk.loaded = "", True
        self.problem = ""
        self.store: str | None = None

    def put(self, **card: Any) -> FakeModel:
        served = self.shelf.put(KEY, write_artifact(self.folder / "fresh", make_card(**card)), NOW)
        self.metrics.note_served(KEY, served)
        assert isinstance(served.model, FakeModel)
        return served.model

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        store = None if self.store is None else lambda: self.store or ""
        app = create_app(self.desk, self.metrics, max_bytes=2**20, problem=lambda: self.problem, store=store)
        server = _Server(uvicorn.Config(app, log_config=None, lifespan="off", access_log=False))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving
                self.desk.close()

    async def ask(self, request: ForecastRequest | None = None) -> Forecast | Unknown:
        """Ask as the operator does."""
        async with self.open() as url, ForecasterClient(url, HandClock(), deadline_seconds=10.0) as client:
            return (await client.ask({KEY: Question(make_workload(), request or make_request())}))[KEY]

    async def send(self, path: str, body: bytes | None = None) -> tuple[int, Any]:
        async with self.open() as url, aiohttp.ClientSession() as session:
            method = "GET" if body is None else "POST"
            async with session.request(method, url + path, data=None if body is None else io.BytesIO(body)) as response:
                text = await response.text()
                return response.status, json.loads(text) if text.startswith("{") else text


def make_request(**changes: Any) -> ForecastRequest:
    values = np.full((240, 3), 20.0) * np.array([1.0, 1000.0, 250.0])
    observed = np.ones((240, 3), dtype=np.bool_)
    observed[5] = False
    window = Window(DEMAND_INDICATORS, 15.0, NOW, values, observed)
    return ForecastRequest(replace(window, **changes), None, 210.0)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_the_operator_understands_a_forecast(house: House) -> None:
    model = house.put()
    forecast = await house.ask()
    assert isinstance(forecast, Forecast)
    assert (forecast.source, forecast.reason, forecast.calibrated, forecast.origin) == ("flow", WHY, None, NOW)
    assert forecast.samples.shape == (50, 14, 3)
    assert forecast.samples[1, 0].tolist() == [20.0, 20_000.0, 5_000.0]
    (asked,) = model.asked
    assert np.array_equal(asked.recent.observed, make_request().recent.observed)
    assert asked.history is not None
    assert asked.history.step_seconds == 300.0


@pytest.mark.parametrize(
    ("card", "request_", "why"),
    [
        ({"serves": False}, {}, "the flow gained too little"),
        ({"indicators": ("a", "b", "c")}, {}, "trained on other indicators (a, b, c)"),
        ({"step_seconds": 30.0}, {}, "trained on steps of 30 s"),
    ],
)
async def test_a_model_that_does_not_fit_is_not_asked(
    house: House, card: dict[str, Any], request_: dict[str, Any], why: str
) -> None:
    model = house.put(**card)
    answer = await house.ask(make_request(**request_))
    assert isinstance(answer, Unknown)
    assert answer.reason == "ForecastNotServed"
    assert why in answer.message
    assert model.asked == []


REQUEST = make_request()
BAD_ANSWERS = {
    "an error": (ForecastError("no window"), "its model failed (ForecastError: no window)"),
    "a crash of torch": (RuntimeError("mat1 and mat2"), "its model failed (RuntimeError: mat1 and mat2)"),
    "unknown": (Unknown("NoHistory", "3 samples only"), "3 samples only"),
    "its own mixture": (make_flow_forecast(REQUEST, source="mixture"), WHY),
    "NaN": (make_flow_forecast(REQUEST, worst=float("nan")), "not finite, or below zero"),
    "negative": (make_flow_forecast(REQUEST, worst=-1.0), "not finite, or below zero"),
}


@pytest.mark.parametrize(("answer", "why"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_what_is_no_forecast_of_a_flow_is_said_and_not_sent(house: House, answer: Any, why: str) -> None:
    house.put().answer = answer
    found = await house.ask()
    assert isinstance(found, Unknown)
    assert why in found.message


async def test_who_has_no_model_is_remembered_and_told(house: House) -> None:
    answer = await house.ask()
    assert isinstance(answer, Unknown)
    assert "it is not trained yet" in answer.message
    entry = house.register.next_due(NOW)
    assert entry is not None
    assert (entry.subject.key, [target.name for target in entry.subject.targets]) == (KEY, ["chat-h100"])
    assert entry.subject.horizon_seconds == 210.0


async def test_why_there_is_no_model_is_told(house: House) -> None:
    house.register.note_all([make_subject_of_question()], NOW)
    house.register.begin(KEY, NOW)
    house.register.fail(KEY, "history: too short")
    answer = await house.ask()
    assert isinstance(answer, Unknown)
    assert "its training failed: history: too short" in answer.message


async def test_who_is_trained_for_the_first_time_is_said_to_be(house: House) -> None:
    house.register.note_all([make_subject_of_question()], NOW)
    house.register.begin(KEY, NOW)
    answer = await house.ask()
    assert isinstance(answer, Unknown)
    assert "it is being trained" in answer.message
    (model,) = house.desk.models()
    assert (model["training"], model["why"], model["failures"]) == (True, "it is being trained", 0)


def make_subject_of_question() -> Any:
    from foresail.forecaster.questions import Questions, to_subject  # noqa: PLC0415

    return to_subject(Questions.model_validate_json(make_body()).workloads[0])


async def test_without_torch_it_answers_and_says_what_is_missing(house: House) -> None:
    house.desk.missing = "torch, pyro"
    answer = await house.ask()
    assert isinstance(answer, Unknown)
    assert "torch, pyro is not installed here; install foresail[train,history]" in answer.message
    status, ready = await house.send("/readyz")
    assert status == 503
    assert "torch" in ready["status"]


async def test_while_models_are_loaded_it_answers_that(house: House) -> None:
    house.desk.loaded = False
    answer = await house.ask()
    assert isinstance(answer, Unknown)
    assert "the models are being loaded" in answer.message
    assert (await house.send("/readyz"))[0] == 503
    assert (await house.send("/healthz"))[0] == 200


async def test_what_there_is_no_time_for_is_said_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put()
    monkeypatch.setattr(desk_module, "DEADLINE_SHARE", 0.0)
    _, answer = await house.send("/v1/forecasts", make_body())
    assert answer["forecasts"][0]["unavailable"] == "there was no time left for it"
    assert answer["forecasts"][0]["again_seconds"] == 0.0


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"", 422, "the body"),
        (b"[]", 422, "the body"),
        (b"{}", 422, "workloads"),
        (make_body(make_question(step_seconds=-1)), 422, "workloads.0.step_seconds"),
        (make_body(make_question(), deadline_seconds=0), 422, "deadline_seconds"),
        (b" " * (2**20 + 1), 413, "send fewer workloads at once"),
    ],
)
async def test_a_request_that_is_not_understood_is_refused(house: House, body: bytes, status: int, word: str) -> None:
    found, answer = await house.send("/v1/forecasts", body)
    assert found == status
    assert word in answer["error"]
    assert house.register.entries == {}


async def test_what_there_is_is_shown(house: House) -> None:
    house.put()
    await house.ask()
    house.desk = Desk(house.shelf, house.register, house.metrics, clock=lambda: NOW)
    _, shown = await house.send("/v1/models")
    (model,) = shown["models"]
    assert (model["namespace"], model["name"], model["serves"], model["why"]) == ("prod", "chat", True, WHY)
    assert model["card"]["scores"]["crps"] == 0.08
    assert model["next_training_at"] == NOW

    _, text = await house.send("/metrics")
    assert 'foresail_forecaster_skill_ratio{name="chat",namespace="prod",than="naive"} 0.5' in text
    assert 'foresail_forecaster_forecasts_total{result="served"} 1.0' in text


async def test_health_is_that_of_the_trainer(house: House) -> None:
    assert (await house.send("/healthz"))[0] == 200
    house.problem = "nothing is trained any more"
    assert await house.send("/healthz") == (503, {"status": "nothing is trained any more"})


async def test_a_store_that_fails_is_told_and_is_no_reason_for_a_restart(house: House) -> None:
    assert "store" not in (await house.send("/v1/models"))[1]
    house.store = ""
    assert await house.send("/healthz") == (200, {"status": "ok", "store": "ok"})
    house.store = "s3://bucket: 503 slow down"
    assert await house.send("/healthz") == (200, {"status": "ok", "store": "s3://bucket: 503 slow down"})
    assert (await house.send("/v1/models"))[1]["store"] == "s3://bucket: 503 slow down"


async def test_what_was_fetched_is_asked_and_shown(house: House) -> None:
    served = await house.desk.adopt(KEY, write_artifact(house.folder / "fresh"), f"{NOW * 1000:015.0f}")
    assert served is not None
    assert isinstance(await house.ask(), Forecast)
    assert 'foresail_forecaster_serves{name="chat",namespace="prod"} 1.0' in (await house.send("/metrics"))[1]


async def test_what_was_forgotten_has_no_series(house: House) -> None:
    house.put()
    await house.desk.remove(KEY)
    assert 'name="chat"' not in (await house.send("/metrics"))[1]
