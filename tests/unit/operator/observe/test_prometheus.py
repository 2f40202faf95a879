"""The client against a real HTTP server that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foresail.operator.observe.answers import (
    MalformedAnswerError,
    Matrix,
    Unavailable,
    Vector,
    read_matrix,
    read_vector,
)
from foresail.operator.observe.prometheus import MAX_POINTS, PrometheusClient, QueryReport
from foresail.operator.observe.queries import Queries
from foresail.operator.settings import Settings
from tests.builders import NOW
from tests.fakes.prometheus import FakePrometheus, Fault, PodLoad

QUERIES = Queries()


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with FakePrometheus({("prod", "chat-0"): PodLoad()}, clock=lambda: NOW) as fake:
        yield fake


async def ask(fake: FakePrometheus, **options: Any) -> Vector | Unavailable:
    async with PrometheusClient(fake.url, **options) as client:
        return await client.query(QUERIES.waiting(), NOW)


@pytest.mark.parametrize(
    ("fault", "options", "reason", "word"),
    [
        (Fault.DOWN, {}, "PrometheusUnreachable", "cannot be reached"),
        (Fault.SLOW, {"timeout_seconds": 0.1}, "PrometheusTimeout", "within 0.1 s"),
        (Fault.HUGE, {"max_bytes": 100_000}, "AnswerTooLarge", "more than 100000 bytes"),
        (Fault.FAILING, {}, "PrometheusFailed", "500 out of memory"),
        (Fault.THROTTLED, {}, "PrometheusThrottled", "429"),
        (Fault.REDIRECTING, {}, "PrometheusRedirects", "http://127.0.0.1:1/login"),
        (Fault.MALFORMED, {}, "AnswerMalformed", "is it Prometheus?"),
    ],
)
async def test_a_server_that_misbehaves_is_unavailable_with_a_reason(
    fake: FakePrometheus, fault: Fault, options: dict[str, Any], reason: str, word: str
) -> None:
    fake.fault = fault
    answer = await ask(fake, **options)
    assert isinstance(answer, Unavailable)
    assert answer.reason == reason
    assert fake.url in answer.message
    assert word in answer.message


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with PrometheusClient("http://127.0.0.1:9") as client:
        answer = await client.query("up", NOW)
    assert isinstance(answer, Unavailable)
    assert answer.reason == "PrometheusUnreachable"


async def test_values_come_as_arrays_whatever_they_are(fake: FakePrometheus) -> None:
    for fault, expected in ((Fault.NONE, 0.0), (Fault.NAN, np.nan), (Fault.INF, np.inf)):
        fake.fault = fault
        answer = await ask(fake)
        assert isinstance(answer, Vector)
        np.testing.assert_array_equal(answer.values, [expected])
    fake.fault = Fault.EMPTY
    answer = await ask(fake)
    assert isinstance(answer, Vector)
    assert answer.values.shape == (0,)


async def test_a_server_that_asks_for_patience_is_not_asked_again_at_once(fake: FakePrometheus) -> None:
    fake.fault = Fault.THROTTLED
    async with PrometheusClient(fake.url) as client:
        await client.query(QUERIES.waiting(), NOW)
        fake.fault = Fault.NONE
        answer = await client.query(QUERIES.waiting(), NOW)
    assert isinstance(answer, Unavailable)
    assert answer.reason == "PrometheusThrottled"
    assert len(fake.asked) == 1


async def test_the_token_is_read_anew_for_every_query_and_headers_are_sent(
    fake: FakePrometheus, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    settings = Settings(
        prometheus_url=fake.url, prometheus_bearer_token_file=str(token), prometheus_headers={"X-Scope-OrgID": "me"}
    )
    async with PrometheusClient.from_settings(settings) as client:
        for text in ("one", "two\n"):
            token.write_text(text)
            await client.query(QUERIES.waiting(), NOW)
        token.unlink()
        answer = await client.query(QUERIES.waiting(), NOW)
    assert [headers["Authorization"] for headers in fake.headers] == ["Bearer one", "Bearer two"]
    assert {headers["X-Scope-OrgID"] for headers in fake.headers} == {"me"}
    assert {headers["Accept-Encoding"] for headers in fake.headers} == {"identity"}
    assert isinstance(answer, Unavailable)
    assert answer.reason == "CredentialsUnreadable"


async def test_an_authority_that_cannot_be_read_is_said(fake: FakePrometheus) -> None:
    answer = await ask(fake, ca_file="/nowhere/ca.crt")
    assert isinstance(answer, Unavailable)
    assert answer.reason == "CredentialsUnreadable"


async def test_every_query_is_reported_with_its_name(fake: FakePrometheus) -> None:
    reports: list[QueryReport] = []
    async with PrometheusClient(fake.url, report=reports.append) as client:
        await client.query(QUERIES.waiting(), NOW, name="waiting")
        fake.fault = Fault.FAILING
        await client.query(QUERIES.waiting(), NOW, name="waiting")
    assert [(report.name, report.series, report.reason) for report in reports] == [
        ("waiting", 1, ""),
        ("waiting", None, "PrometheusFailed"),
    ]
    assert reports[0].answer_bytes > 0


async def test_warnings_come_with_the_answer(fake: FakePrometheus) -> None:
    fake.warnings = ("a store did not answer",)
    answer = await ask(fake)
    assert isinstance(answer, Vector)
    assert answer.warnings == ("a store did not answer",)


async def test_a_clock_that_differs_is_noticed(fake: FakePrometheus) -> None:
    fake.clock = lambda: NOW + 600.0
    async with PrometheusClient(fake.url) as client:
        await client.query(QUERIES.waiting(), NOW)
        assert client.clock_ahead_seconds == pytest.approx(600.0, abs=1.0)


async def test_a_range_comes_on_its_grid_with_holes(fake: FakePrometheus) -> None:
    fake.past = lambda at: None if at == NOW - 15 else 2.0
    async with PrometheusClient(fake.url) as client:
        answer = await client.query_range(QUERIES.flows(15.0), start=NOW - 30, end=NOW, step_seconds=15.0)
        assert isinstance(answer, Matrix)
        rows = {labels["flow"]: values for labels, values in zip(answer.labels, answer.values, strict=True)}
        np.testing.assert_array_equal(rows["finished"], [8.0, np.nan, 8.0])
        with pytest.raises(ValueError, match="at most 11000 instants, got 11001"):
            await client.query_range("up", start=0.0, end=float(MAX_POINTS), step_seconds=1.0)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"data": None},
        {"data": {"resultType": "scalar", "result": [0, "1"]}},
        {"data": {"resultType": "vector", "result": {}}},
        {"data": {"resultType": "vector", "result": [{"metric": {}}]}},
        {"data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "one"]}]}},
        {"data": {"resultType": "vector", "result": [{"metric": {}, "value": [0]}]}},
    ],
)
def test_what_is_no_vector_is_refused(answer: Any) -> None:
    with pytest.raises(MalformedAnswerError):
        read_vector(answer)


@pytest.mark.parametrize("samples", [[[99, "1"]], [[-1, "1"]], [["x", "1"]], [[0]], None])
def test_a_matrix_outside_its_grid_is_refused(samples: Any) -> None:
    answer = {"data": {"resultType": "matrix", "result": [{"metric": {}, "values": samples}]}}
    with pytest.raises(MalformedAnswerError):
        read_matrix(answer, 0.0, 1.0, 3)
