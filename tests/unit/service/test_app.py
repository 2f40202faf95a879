from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import numpy as np
import pytest
import uvicorn
from prometheus_client import CollectorRegistry, Gauge

from foresail.domain.decision import Capacity, Condition
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import WorkloadKey
from foresail.service.app import create_app
from foresail.service.document import Trace, Write, to_document
from tests.builders import make_forecast, make_observation, make_window
from tests.unit.operator.explain.statuses import KEY, make_decision, nothing_found
from tests.unit.operator.fakes import eventually


class State:
    """A state that the test sets."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        Gauge("foresail_leader", "Leads.", registry=self.registry).set(1)
        self.traces: Mapping[WorkloadKey, Trace] = {}
        self.dead = ""
        self.unready = ""

    def liveness_problem(self) -> str:
        return self.dead

    def readiness_problem(self) -> str:
        return self.unready

    def ages_seconds(self) -> Mapping[str, float]:
        return {"loop": 1.0}


class Service:
    """A state behind a real HTTP server."""

    def __init__(self, state: State, session: aiohttp.ClientSession) -> None:
        self.state = state
        self._session = session

    async def get(self, path: str) -> tuple[int, str]:
        async with self._session.get(path) as response:
            return response.status, await response.text()

    async def json(self, path: str) -> tuple[int, Any]:
        status, text = await self.get(path)
        return status, json.loads(text)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    state = State()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(state), log_config=None, lifespan="off"))
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    await eventually(lambda: server.started)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.getsockname()[1]}") as session:
        yield Service(state, session)
    server.should_exit = True
    await task
    listener.close()


async def test_decisions_have_exact_weights_and_how_routing_stands(service: Service) -> None:
    (variant,) = make_decision().variants
    capacity = Capacity("shipped", "Shipped for h100.", 0.25)
    decision = make_decision(variants=(replace(variant, weight=2 / 3, capacity=capacity), variant))
    routing = Condition("RoutingReady", "True", "WeightsShown", "Weights are shown.")
    service.state.traces = {KEY: Trace(decision, routing=routing)}
    _, answer = await service.json("/api/v1/decisions")
    (document,) = answer["decisions"]
    assert document["variants"][0]["weight"] == 2 / 3
    told = {"source": "shipped", "detail": "Shipped for h100.", "error_ratio": 0.25, "requests_per_second": None}
    assert [entry["capacity"] for entry in document["variants"]] == [told, None]
    assert [entry["type"] for entry in document["conditions"]] == ["Ready", "RoutingReady"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_ok_until_there_is_a_problem_and_says_which(service: Service, path: str) -> None:
    assert await service.json(path) == (200, {"status": "ok", "ages_seconds": {"loop": 1.0}})
    service.state.dead = service.state.unready = "the loop has not turned for 100 s"
    status, answer = await service.json(path)
    assert (status, answer["status"]) == (503, "the loop has not turned for 100 s")


async def test_liveness_and_readiness_are_two_questions(service: Service) -> None:
    service.state.unready = "the first list of pods is not complete"
    assert (await service.get("/healthz"))[0] == 200
    assert (await service.get("/readyz"))[0] == 503


async def test_metrics_are_in_prometheus_text(service: Service) -> None:
    assert "foresail_leader 1.0" in (await service.get("/metrics"))[1]


async def test_decisions_are_told_of_all_or_of_one(service: Service) -> None:
    other = replace(make_decision(), key=WorkloadKey("dev", "chat"))
    service.state.traces = {KEY: Trace(make_decision()), other.key: Trace(other)}
    assert [d["namespace"] for d in (await service.json("/api/v1/decisions"))[1]["decisions"]] == ["dev", "prod"]
    _, answer = await service.json("/api/v1/decisions?namespace=prod&name=chat")
    assert [d["lastDecision"]["id"] for d in answer["decisions"]] == ["d1"]


async def test_a_question_about_an_unknown_object_is_answered_404(service: Service) -> None:
    status, answer = await service.json("/api/v1/decisions?namespace=prod&name=nope")
    assert (status, answer["error"]) == (404, "no decision is known of prod/nope")


@pytest.mark.parametrize("query", ["namespace=UPPER", "name=a%20b", "name=", "nmespace=prod"])
async def test_a_bad_question_is_refused_with_a_sentence(service: Service, query: str) -> None:
    status, answer = await service.json(f"/api/v1/decisions?{query}")
    assert 400 <= status < 500
    assert len(answer["error"].split()) >= 5


async def test_nothing_can_be_written(service: Service) -> None:
    async with service._session.post("/api/v1/decisions") as response:
        assert response.status == 405


def test_a_document_goes_from_sample_to_sentence() -> None:
    window = make_window([20.0, None, 24.0])
    document = to_document(
        Trace(
            make_decision(),
            make_observation(recent=window),
            make_forecast(24.0),
            (Write("h100", 7, "Written", "replicas set from 5 to 7"),),
        )
    )
    assert document["observed"]["demand"]["requests_per_second"] == 24.0
    assert document["observed"]["recent"]["observed"] == 2
    assert document["observed"]["recent"]["last"]["requests_per_second"] == 24.0
    assert document["forecast"]["quantiles"]["requests_per_second"]["0.5"][0] == 24.0
    assert document["outlook"]["lead_time_seconds"] == 180.0
    assert document["lastDecision"]["steps"][0]["rule"] == "forecast"
    assert document["variants"][0]["observed"]["replicas"]["ready"] == 5
    assert document["writes"][0]["outcome"] == "Written"


def test_a_document_of_a_missing_target_has_no_numbers() -> None:
    document = to_document(Trace(nothing_found()))
    last, [variant] = document["lastDecision"], document["variants"]
    assert (last["from"], last["to"], last["steps"], last["reason"]) == (None, None, [], "TargetNotFound")
    assert (variant["current"], variant["desired"]) == (None, None)


def test_a_document_of_the_unknown_is_json_without_nan() -> None:
    unknown = Unknown("MetricsUnknown", "Prometheus does not answer")
    window = make_window([float("nan")])
    observation = make_observation(demand=unknown, attainment=unknown, recent=window)
    document = to_document(Trace(make_decision(), observation, unknown))
    assert json.loads(json.dumps(document, allow_nan=False))["forecast"] == {
        "unknown": "MetricsUnknown",
        "message": "Prometheus does not answer",
    }


def test_a_document_gives_quantiles_of_every_indicator_at_every_step() -> None:
    forecast = make_forecast(np.linspace(10, 20, 4).tolist(), spread=0.2)
    document = to_document(Trace(make_decision(), forecast=forecast))
    quantiles = document["forecast"]["quantiles"]
    assert set(quantiles) == set(forecast.indicators)
    for levels in quantiles.values():
        assert all(low < middle < high for low, middle, high in zip(*levels.values(), strict=True))
