from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from foresail.domain.errors import InputError
from foresail.forecaster.past import PIECE_ROWS, Span, connect, read_past
from foresail.forecaster.settings import Settings
from foresail.operator.observe.queries import Queries
from tests.builders import NOW
from tests.fakes.prometheus import FakePrometheus, Fault, PodLoad
from tests.unit.forecaster.artifacts import make_subject

PODS = {
    ("prod", "chat-h100-7d9c6b5f4-x2x4z"): PodLoad(rps=4.0),
    ("prod", "chat-h100-7d9c6b5f4-zzzzz"): PodLoad(rps=2.0),
}


@pytest.fixture
def prometheus() -> Iterator[FakePrometheus]:
    with FakePrometheus(pods=dict(PODS), clock=lambda: NOW) as fake:
        yield fake


def settings(fake: FakePrometheus, **changes: Any) -> Settings:
    known: dict[str, Any] = {"prometheus_url": fake.url, "history_hours": 2.0, "prometheus_timeout_seconds": 5.0}
    return Settings(**(known | changes))


def test_the_past_is_that_of_the_operator(prometheus: FakePrometheus) -> None:
    known = settings(prometheus)
    window = read_past(connect(known), make_subject(), known, now=NOW + 7.0)
    assert (len(window), window.end, window.step_seconds) == (480, NOW, 15.0)
    assert window.observed.all()
    assert np.unique(window.values, axis=0).tolist() == [[6.0, 6000.0, 1500.0]]
    asked = [form["query"] for form in prometheus.asked if "step" in form]
    assert set(asked) == {Queries(15.0, "prod", 15.0, owners=("chat-h100",)).flows(15.0)}


def test_it_is_read_a_piece_at_a_time_and_joined_without_a_seam(prometheus: FakePrometheus) -> None:
    prometheus.past = lambda at: (at - NOW) / 3600.0 + 100.0
    known = settings(prometheus, history_hours=20.0)
    window = read_past(connect(known), make_subject(), known, now=NOW)
    pieces = [form for form in prometheus.asked if "step" in form]
    assert len(window) == 4800
    assert len(pieces) == -(-4800 // PIECE_ROWS)
    assert np.allclose(np.diff(window.values[:, 0]), 6.0 * 15.0 / 3600.0)


def test_holes_stay_holes_and_what_was_before_the_first_sample_is_left_out(prometheus: FakePrometheus) -> None:
    prometheus.past = lambda at: 1.0 if at >= NOW - 1800 and not NOW - 600 <= at < NOW - 300 else None
    known = settings(prometheus)
    window = read_past(connect(known), make_subject(), known, now=NOW)
    assert len(window) == 121
    assert (~window.observed.all(axis=1)).sum() == 20


def test_the_scrape_interval_is_measured_unless_it_is_set(prometheus: FakePrometheus) -> None:
    prometheus.scrape_seconds = 5.0
    for known, expected in ((settings(prometheus), 5.0), (settings(prometheus, scrape_interval_seconds=30.0), 30.0)):
        prometheus.asked.clear()
        read_past(connect(known), make_subject(), known, now=NOW)
        expected_query = Queries(expected, "prod", 15.0, owners=("chat-h100",)).flows(15.0)
        assert prometheus.asked[-1]["query"] == expected_query


def test_credentials_are_sent(prometheus: FakePrometheus, tmp_path: Any) -> None:
    token = tmp_path / "token"
    token.write_text("hunter2\n")
    headers = {"X-Scope-OrgID": "team"}
    known = settings(prometheus, prometheus_bearer_token_file=str(token), prometheus_headers=headers)
    read_past(connect(known), make_subject(), known, now=NOW)
    assert all(sent["Authorization"] == "Bearer hunter2" for sent in prometheus.headers)
    assert all(sent["X-Scope-OrgID"] == "team" for sent in prometheus.headers)


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.MALFORMED, Fault.EMPTY], ids=str)
def test_a_prometheus_that_fails_is_told_in_a_sentence(prometheus: FakePrometheus, fault: Fault) -> None:
    prometheus.fault = fault
    known = settings(prometheus, scrape_interval_seconds=15.0)
    client = connect(known)
    client._session.mount("http://", type(client._session.get_adapter(known.prometheus_url))(max_retries=0))
    client._session.adapters.pop(known.prometheus_url, None)
    with pytest.raises(InputError) as caught:
        read_past(client, make_subject(), known, now=NOW)
    assert known.prometheus_url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pieces_cover_a_span_once() -> None:
    pieces = Span(5, 17).pieces(5)
    assert [(piece.first, piece.last) for piece in pieces] == [(5, 9), (10, 14), (15, 17)]


class Recording:
    """A Prometheus that notes instants."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def custom_query(self, query: str, params: dict[str, str] | None = None) -> list[Any]:  # noqa: ARG002
        return []

    def custom_query_range(self, query: str, start_time: datetime, end_time: datetime, step: str) -> list[Any]:  # noqa: ARG002
        self.spans.append((start_time.timestamp(), end_time.timestamp()))
        return []


def test_nothing_is_asked_about_the_future() -> None:
    recording = Recording()
    with pytest.raises(InputError, match="no series in the last 2 h"):
        read_past(recording, make_subject(), Settings(history_hours=2.0), now=NOW + 14.9)
    assert max(end for _, end in recording.spans) == NOW
