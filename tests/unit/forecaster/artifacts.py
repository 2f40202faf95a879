"""Subjects, artifacts and models that tests of the forecaster need."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import DEMAND_INDICATORS, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecaster.questions import Subject
from foresail.forecaster.shelf import write_past
from foresail.forecasting.artifact import encode
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE, Card
from foresail.forecasting.demand.serve import ForecastRequest
from tests.builders import NOW

KEY = WorkloadKey("prod", "chat")
STEP_SECONDS = 15.0
WHY = "the flow earned its seat"


def make_subject(**changes: Any) -> Subject:
    known = {
        "namespace": "prod",
        "name": "chat",
        "targets": [{"name": "chat-h100"}],
        "indicators": DEMAND_INDICATORS,
        "step_seconds": STEP_SECONDS,
        "horizon_seconds": 210.0,
    }
    return Subject.model_validate(known | changes)


def make_question(**changes: Any) -> dict[str, Any]:
    """One workload of a request, as JSON has it; 240 rows of 20 requests a second."""
    values = np.full((240, 3), 20.0) * np.array([1.0, 1000.0, 250.0])
    sent = base64.b64encode(values.astype("<f8").tobytes()).decode()
    return make_subject().model_dump() | {"end": NOW, "values": sent} | changes


def make_body(*workloads: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({"workloads": workloads or [make_question()], "deadline_seconds": 5.0} | changes).encode()


def make_card(*, serves: bool = True, **changes: Any) -> Card:
    known: dict[str, Any] = {
        "model": "flow",
        "indicators": DEMAND_INDICATORS,
        "step_seconds": STEP_SECONDS,
        "horizons": (14,),
        "train_start": NOW - 86_400.0,
        "train_end": NOW,
        "rows": 5760,
        "settings": {"serves": serves, "why": WHY if serves else "the flow gained too little"},
        "scores": {"crps": 0.08, "crps_mixture": 0.1, "crps_naive": 0.16},
        "versions": {},
        "seed": 0,
    }
    return Card(**(known | changes))


def write_artifact(folder: Path, card: Card | None = None, weights: dict[str, Any] | None = None) -> Path:
    """What a training leaves."""
    text, stored = encode(card or make_card(), weights or {"w": np.arange(3.0)})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_FILE).write_text(text)
    (folder / WEIGHTS_FILE).write_bytes(stored)
    observed = np.ones((12, 3), dtype=np.bool_)
    write_past(folder, Window(DEMAND_INDICATORS, 300.0, NOW, np.full((12, 3), 20.0), observed))
    return folder


class FakeModel:
    """Expects that what was last stays; `answer` takes its place."""

    def __init__(self, card: Card, weights: dict[str, Any]) -> None:
        self.card = card
        self.weights = weights
        self.asked: list[ForecastRequest] = []
        self.answer: Forecast | Unknown | Exception | None = None

    def forecast(self, key: WorkloadKey, request: ForecastRequest) -> Forecast | Unknown:
        assert key == KEY
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or make_flow_forecast(request)


def make_flow_forecast(request: ForecastRequest, *, source: str = "flow", worst: float = 1.0) -> Forecast:
    steps = math.ceil(request.horizon_seconds / request.recent.step_seconds - 1e-9)
    samples = np.tile(request.recent.values[-1], (50, steps, 1))
    samples[0, 0, 0] = worst
    return Forecast(
        request.recent.indicators, request.recent.end, request.recent.step_seconds, samples, source, WHY, None
    )
