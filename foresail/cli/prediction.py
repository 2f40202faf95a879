"""What `foresail forecast predict` does: forecast rows behind the end of a file, with a trained model or without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from foresail.cli.packages import flow_model, need_torch
from foresail.cli.times import iso, moment, span
from foresail.domain.errors import ArtifactError, ForecastError, InputError
from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.ahead import MOST_ROWS, Ahead, ahead_task, forecast_ahead, step_seconds
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.series import Series

HORIZONS = (1, 3, 6, 12)
MIXTURE, UNTRAINED = "mixture", "no trained model was given"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Args:
        horizons: Rows behind the last one; None: those the trained model is for.
        folder: Of a trained model; None: forecast without one.
        fallback: Whether to go on without the trained model where it cannot be used.
        seed: Of everything random.
    """

    horizons: tuple[int, ...] | None = None
    folder: Path | None = None
    fallback: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A forecast of one row.

    Args:
        ahead: The forecast.
        source: What made it, as in `--models`.
        reason: Why that and nothing else.
    """

    ahead: Ahead
    source: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """All forecasts of one file."""

    file: Path
    series: Series
    answers: tuple[Answer, ...]


def predict(file: Path, series: Series, wanted: Wanted, *, progress: bool) -> Prediction:
    """Forecast rows behind the end of a series.

    Raises:
        InputError: The series is too short; or the trained model cannot be used, and no fallback is wanted.
    """
    trained, reason = None, UNTRAINED
    if wanted.folder is not None:
        try:
            trained = _Trained(wanted.folder, series)
        except InputError as error:
            if not wanted.fallback:
                raise
            reason = str(error)
    horizons = wanted.horizons or (HORIZONS if trained is None else trained.card.horizons)
    with Progress(console=Console(stderr=True), transient=True, disable=not progress) as bar:
        asked = bar.track(horizons, description=file.name)
        answers = tuple(_answer(series, horizon, wanted, trained, reason) for horizon in asked)
    return Prediction(file, series, answers)


def _answer(series: Series, horizon: int, wanted: Wanted, trained: _Trained | None, reason: str) -> Answer:
    if trained is not None:
        try:
            return trained.answer(series, horizon, wanted.seed)
        except ArtifactError as error:
            if not wanted.fallback:
                raise
            reason = str(error)
    task = ahead_task(series, horizon, seed=wanted.seed)
    return Answer(forecast_ahead(task, make_model(MIXTURE)), MIXTURE, reason)


class _Trained:
    """A trained model that fits a series.

    Raises:
        InputError: It does not, is damaged, or torch is not installed.
    """

    def __init__(self, folder: Path, series: Series) -> None:
        need_torch()
        from foresail.cli.artifacts import read_artifact  # noqa: PLC0415 - safetensors

        self._folder = str(folder)
        self.card, self._weights = read_artifact(folder, indicators=series.columns, step_seconds=step_seconds(series))

    def answer(self, series: Series, horizon: int, seed: int) -> Answer:
        """Forecast one row.

        Raises:
            ArtifactError: The model is not for this horizon, cannot be built again, or gives no forecast.
        """
        from foresail.forecasting.artifact import of_horizon  # noqa: PLC0415 - safetensors

        if horizon not in self.card.horizons:
            raise ArtifactError(
                self._folder,
                "horizons",
                f"was trained for {', '.join(map(str, self.card.horizons))} rows ahead",
                value=horizon,
                remedy="ask for one of these, or train for more",
            )
        try:
            model = flow_model().restore(self.card.settings[f"h{horizon}"], of_horizon(self._weights, horizon))
            task = ahead_task(series, horizon, levels=self.card.settings["levels"], seed=seed)
            ahead = forecast_ahead(task, model)
        except (KeyError, TypeError, ValueError, ForecastError) as error:
            raise ArtifactError(
                self._folder, f"h{horizon}", "cannot forecast this series", value=str(error), remedy="train it anew"
            ) from error
        return Answer(ahead, self.card.model, self._why(horizon))

    def _why(self, horizon: int) -> str:
        own, other = (self.card.scores.get(f"h{horizon}.{name}.crps") for name in (self.card.model, MIXTURE))
        fared = "" if own is None or other is None else f"; held out, its CRPS was {own:.4g}, the mixture's {other:.4g}"
        return f"trained on rows up to {moment(self.card.train_end)}{fared}"


def to_json(prediction: Prediction, levels: Sequence[float], samples: int) -> str:
    """One object: what is known, and a forecast for each horizon."""
    series = prediction.series
    origin = float(series.times[-1])
    return json.dumps(
        {
            "file": str(prediction.file),
            "columns": series.columns,
            "rows": len(series),
            "rows_used": min(len(series), MOST_ROWS),
            "step_seconds": step_seconds(series),
            "origin": iso(origin),
            "origin_seconds": origin,
            "levels": list(levels),
            "forecasts": [_forecast(answer, series.columns, levels, samples) for answer in prediction.answers],
        }
    )


def _forecast(answer: Answer, columns: Sequence[str], levels: Sequence[float], samples: int) -> dict[str, Any]:
    ahead = answer.ahead
    found = {
        "horizon": ahead.horizon,
        "time": iso(ahead.time_seconds),
        "time_seconds": ahead.time_seconds,
        "source": answer.source,
        "reason": answer.reason,
        "quantiles": _by_column(columns, ahead.at(np.array(levels))),
    }
    return found | ({"samples": _by_column(columns, ahead.samples[:samples])} if samples else {})


def _by_column(columns: Sequence[str], rows: FloatArray) -> dict[str, list[float]]:
    return {name: rows[:, i].tolist() for i, name in enumerate(columns)}


def to_text(prediction: Prediction, levels: Sequence[float]) -> str:
    """What made the forecasts, and a table of them by column."""
    series, answers = prediction.series, prediction.answers
    width = max(map(len, (*series.columns, "column")))
    header = f"{'column':<{width}} {'rows ahead':>10}  {'time':<20}" + "".join(f"{_percent(x):>13}" for x in levels)
    step, last = span(step_seconds(series)), moment(float(series.times[-1]))
    lines = [
        f"{prediction.file}: {len(series)} rows, {step} apart, the last at {last}",
        *([f"the forecasts rest on the last {MOST_ROWS} of them"] if len(series) > MOST_ROWS else []),
        *_sources(answers),
        header,
    ]
    quantiles = [answer.ahead.at(np.array(levels)) for answer in answers]
    for column, name in enumerate(series.columns):
        for answer, rows in zip(answers, quantiles, strict=True):
            cells = "".join(f"{value:>13.6g}" for value in rows[:, column])
            ahead = answer.ahead
            lines.append(f"{name:<{width}} {ahead.horizon:>10}  {moment(ahead.time_seconds):<20}{cells}")
    return "\n".join(lines)


def _sources(answers: Sequence[Answer]) -> list[str]:
    """A line for each source and reason, with the horizons it goes for."""
    horizons: dict[tuple[str, str], list[str]] = {}
    for answer in answers:
        horizons.setdefault((answer.source, answer.reason), []).append(str(answer.ahead.horizon))
    return [f"{', '.join(rows)} ahead by {source}: {reason}" for (source, reason), rows in horizons.items()]


def _percent(level: float) -> str:
    return f"{100.0 * level:.4g} %"
