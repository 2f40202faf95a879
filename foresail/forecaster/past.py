"""The past of a workload's demand, asked of Prometheus by the very questions of the operator, a piece at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from foresail.domain.errors import InputError
from foresail.domain.timeseries import DEMAND_INDICATORS, Window
from foresail.domain.workload import Engine, Role, TargetRef, Variant
from foresail.domain.workload import Workload as WorkloadSpec
from foresail.forecaster.questions import Subject
from foresail.forecaster.settings import Settings
from foresail.operator.observe.answers import Vector, read_matrix, read_vector
from foresail.operator.observe.past import demand_of_past, flows_by_owner
from foresail.operator.observe.queries import Queries
from foresail.operator.observe.scrapes import ScrapeInterval

PIECE_ROWS: Final = 1440  # six hours of 15 s: seconds of Prometheus' time, and a few MB


class Asks(Protocol):
    """Prometheus."""

    def custom_query(self, query: str, params: dict[str, str] | None = None) -> list[Any]:
        """The result of an instant query."""

    def custom_query_range(self, query: str, start_time: datetime, end_time: datetime, step: str) -> list[Any]:
        """The result of a range query."""


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of a grid, row n being the instant n · step; both ends included."""

    first: int
    last: int

    def pieces(self, rows: int) -> Sequence[Span]:
        """Spans of at most so many rows."""
        starts = range(self.first, self.last + 1, rows)
        return [Span(start, min(start + rows - 1, self.last)) for start in starts]


def connect(settings: Settings) -> PrometheusConnect:
    """A client; certificates' authorities come from the environment, as `requests` reads it."""
    headers = dict(settings.prometheus_headers)
    if settings.prometheus_bearer_token_file is not None:
        token = Path(settings.prometheus_bearer_token_file).read_text(encoding="utf-8").strip()
        headers["Authorization"] = f"Bearer {token}"
    timeout = math.ceil(settings.prometheus_timeout_seconds)
    return PrometheusConnect(settings.prometheus_url, headers=headers, timeout=timeout, method="POST")


def read_past(prometheus: Asks, subject: Subject, settings: Settings, *, now: float) -> Window:
    """The demand of the last hours, from the first row that was observed.

    Args:
        prometheus: Asked.
        subject: Whose; its step is the window's.
        settings: How far back, and how often is scraped.
        now: Seconds since the epoch.

    Raises:
        InputError: Prometheus cannot be asked, or knows nothing of it.
    """
    try:
        return _read_past(prometheus, subject, settings, now)
    except (PrometheusApiClientException, OSError, ValueError, KeyError) as error:  # OSError: of requests, too
        problem = " ".join(str(error).split())[:300]
        raise InputError(
            settings.prometheus_url, "history", "cannot be read", value=problem, remedy="see whether it is Prometheus"
        ) from error


def _read_past(prometheus: Asks, subject: Subject, settings: Settings, now: float) -> Window:
    step, workload = subject.step_seconds, to_workload(subject)
    queries = Queries(
        _scrape_seconds(prometheus, settings, now),
        subject.namespace,
        step,
        owners=tuple(target.name for target in subject.targets),
    )
    last = math.floor(now / step)
    span = Span(last - round(settings.history_hours * 3600.0 / step) + 1, last)
    values = np.full((span.last - span.first + 1, len(DEMAND_INDICATORS)), np.nan)
    for piece in span.pieces(PIECE_ROWS):
        start, end = piece.first * step, piece.last * step
        found = prometheus.custom_query_range(
            queries.flows(step),
            start_time=datetime.fromtimestamp(start, UTC),
            end_time=datetime.fromtimestamp(end, UTC),
            step=f"{step:g}",
        )
        matrix = read_matrix(_document("matrix", found), start, step, piece.last - piece.first + 1)
        demand = demand_of_past(workload, flows_by_owner(matrix), step)
        if demand is not None:
            values[piece.first - span.first : piece.last - span.first + 1] = demand
    seen = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not seen.size:
        raise InputError(
            settings.prometheus_url,
            str(subject.key),
            f"has no series in the last {settings.history_hours:g} h",
            value=", ".join(queries.owners),
            remedy="see whether Prometheus scrapes the engines, and how long it keeps what it scraped",
        )
    values = values[seen[0] :]
    observed = np.isfinite(values)
    return Window(DEMAND_INDICATORS, step, last * step, np.where(observed, values, 0.0), observed)


def to_workload(subject: Subject) -> WorkloadSpec:
    """As much of a workload as finding its past takes."""
    variants = tuple(
        Variant(target.name, TargetRef("", "", target.name), role=Role(target.role)) for target in subject.targets
    )
    return WorkloadSpec(subject.key, uid="", generation=0, variants=variants, engine=Engine(subject.engine))


def _scrape_seconds(prometheus: Asks, settings: Settings, now: float) -> float:
    interval = ScrapeInterval(settings.scrape_interval_seconds)
    if interval.configured is None:
        found = prometheus.custom_query(Queries().spacings(), params={"time": f"{now:.3f}"})
        vector: Vector = read_vector(_document("vector", found))
        interval.learn(vector)
    return interval.seconds


def _document(kind: str, result: list[Any]) -> dict[str, Any]:
    return {"data": {"resultType": kind, "result": result}}
