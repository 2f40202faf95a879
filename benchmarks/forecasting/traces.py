"""Demand of model servers: a conversation service in rows of 10 s, and two fleets in rows of ten minutes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean

from benchmarks.forecasting.work import Job, Row
from foresail.forecasting.series.evaluate import Rules
from foresail.forecasting.series.series import Series

CONVERSATION_HORIZONS = (1, 6)  # 10 s and 60 s
CONVERSATION_RULES = Rules(train=0.2, test=0.8)  # an hour only: experts learn as rows arrive
FLEET_HORIZONS = (1, 6, 12)  # 10 min, 1 h, 2 h
RIVALS = ("last", "seasonal", "ridge", "marginal")


def trace_jobs(conversation: Series | None, fleets: Mapping[str, Series], models: Sequence[str]) -> Iterator[Job]:
    """Every model on every trace and horizon."""
    for model in models:
        if conversation is not None:
            for horizon in CONVERSATION_HORIZONS:
                yield Job("conversation", conversation, model, horizon, CONVERSATION_RULES)
        for name, series in fleets.items():
            for horizon in FLEET_HORIZONS:
                yield Job(f"servegen/{name}", series, model, horizon, Rules())


def conversation_crps(rows: Sequence[Row], model: str, horizon: int) -> float | None:
    """CRPS over the mean of what came, mean over the indicators."""
    found = _one(rows, "conversation", model, horizon)
    return None if found is None else mean(column["crps_over_mean"] for column in found["columns"].values())


def fleet_crps(rows: Sequence[Row], fleet: str, model: str, horizon: int) -> float | None:
    """CRPS on the training part's scale, mean over the columns."""
    found = _one(rows, f"servegen/{fleet}", model, horizon)
    return None if found is None else float(found["crps"])


def _one(rows: Sequence[Row], data: str, model: str, horizon: int) -> Row | None:
    return next(
        (row for row in rows if (row["data"], row["model"], row["horizon"]) == (data, model, horizon)),
        None,
    )
