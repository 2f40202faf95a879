"""What is said to a forecaster, and what of its answer is believed: only forecasts of what was asked for.

Numbers travel as base64 of little-endian bytes: a window as float64 with NaN for what was not observed, samples as
float32. Whatever a forecaster sends, a forecast that is believed has the indicators, origin, step and length that were
asked for, and samples that are finite and not negative.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from foresail.domain.forecast import Forecast
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import FloatArray
from foresail.domain.workload import Workload, WorkloadKey
from foresail.forecasting.demand.serve import ForecastRequest

MAX_SAMPLES: Final = 10_000
MAX_TEXT: Final = 400
ASK_AGAIN_SECONDS: Final = 60.0  # where a forecaster has no model yet and does not say when to ask again


class Question(NamedTuple):
    """A workload, and the forecast that is wanted of it."""

    workload: Workload
    request: ForecastRequest


class NotServed(NamedTuple):
    """The forecaster has no forecast of it, says why, and when it is worth asking again."""

    message: str
    again_seconds: float


Answer = Forecast | NotServed | Unknown


def to_body(questions: Mapping[WorkloadKey, Question], *, deadline_seconds: float) -> bytes:
    """The body of POST /v1/forecasts: recent windows, and by which names the forecaster finds the past."""
    workloads = [_to_entry(key, question) for key, question in questions.items()]
    return json.dumps({"deadline_seconds": deadline_seconds, "workloads": workloads}).encode()


def read_answers(text: bytes, questions: Mapping[WorkloadKey, Question]) -> dict[WorkloadKey, Answer]:
    """The answer to each question; Unknown(ForecastRefused) where it is missing or of something else.

    Raises:
        ValueError: The whole is not the JSON of an answer.
    """
    document = json.loads(text)
    entries = document.get("forecasts") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("it has no list of forecasts")
    found = {f"{entry.get('namespace')}/{entry.get('name')}": entry for entry in entries}
    return {key: _read_entry(found.get(str(key)), question) for key, question in questions.items()}


def _to_entry(key: WorkloadKey, question: Question) -> dict[str, Any]:
    window = question.request.recent
    values = np.where(window.observed, window.values, np.nan).astype("<f8")
    return {
        "namespace": key.namespace,
        "name": key.name,
        "engine": str(question.workload.engine),
        "targets": [{"name": v.target.name, "role": str(v.role)} for v in question.workload.variants],
        "indicators": list(window.indicators),
        "end": window.end,
        "step_seconds": window.step_seconds,
        "horizon_seconds": question.request.horizon_seconds,
        "period_seconds": question.request.period_seconds,
        "values": base64.b64encode(values.tobytes()).decode(),
    }


def _read_entry(entry: Mapping[str, Any] | None, question: Question) -> Answer:
    if entry is None:
        return _refuse("it left this workload out")
    if "unavailable" in entry:
        again = entry.get("again_seconds")
        seconds = float(again) if isinstance(again, int | float) and 0 <= again <= 3600 else ASK_AGAIN_SECONDS
        return NotServed(_text(entry["unavailable"]), seconds)
    try:
        return _read_forecast(entry, question.request)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return _refuse(f"it is not understood ({_text(error)})")


def _read_forecast(entry: Mapping[str, Any], request: ForecastRequest) -> Answer:
    window = request.recent
    expected = {
        "indicators": list(window.indicators),
        "origin": window.end,
        "step_seconds": window.step_seconds,
    }
    for name, wanted in expected.items():
        if entry[name] != wanted:
            return _refuse(f"its {name} is {_text(entry[name])} instead of {_text(wanted)}")
    steps = max(1, math.ceil(request.horizon_seconds / window.step_seconds - 1e-9))
    samples = _read_samples(entry)
    if samples.shape[1:] != (steps, len(window.indicators)):
        return _refuse(f"its samples have the shape {samples.shape} instead of (S, {steps}, {len(window.indicators)})")
    if not np.isfinite(samples).all():
        return _refuse("it has samples that are NaN or infinite")
    if (samples < 0).any():
        return _refuse("it has samples below zero")
    calibrated, skill = entry.get("calibrated"), entry.get("skill")
    return Forecast(
        indicators=window.indicators,
        origin=window.end,
        step_seconds=window.step_seconds,
        samples=samples,
        source=_text(entry["source"])[:32],
        reason=_text(entry["reason"]),
        calibrated=calibrated if isinstance(calibrated, bool) else None,
        skill=float(skill) if isinstance(skill, int | float) and math.isfinite(skill) else None,
    )


def _read_samples(entry: Mapping[str, Any]) -> FloatArray:
    """The samples, shape (S, H, I)."""
    count, steps, indicators = (int(length) for length in entry["shape"])
    if not (1 <= count <= MAX_SAMPLES and steps >= 1 and indicators >= 1):
        raise ValueError(f"no samples of shape {(count, steps, indicators)} are taken")
    flat = np.frombuffer(base64.b64decode(entry["samples"], validate=True), dtype="<f4")
    return flat.astype(np.float64).reshape(count, steps, indicators)


def _refuse(why: str) -> Unknown:
    return Unknown(Reason.FORECAST_REFUSED, f"the forecaster's answer was refused: {why}")


def _text(value: object) -> str:
    """One line of bounded length, whatever was sent."""
    return " ".join(str(value).split())[:MAX_TEXT]
