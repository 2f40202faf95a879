"""A flow that learns nothing and needs no torch, and files for the tests of training and predicting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.task import Task
from tests.unit.forecasting.series.tables import COLUMNS, make_values

Arrays = dict[str, np.ndarray[Any, Any]]


class FakeFlow:
    """The last value and its residuals, moved by a weight: as the real flow to whoever keeps and restores it."""

    name = "flow"
    fitted: ClassVar[list[int]] = []  # horizons, in order
    asked_rows: ClassVar[list[int]] = []  # of the series that quantiles were asked of, in order
    stop_at: ClassVar[int | None] = None  # the horizon at which somebody presses Ctrl-C
    offset: ClassVar[float] = 0.0  # what is learned

    def __init__(self, progress: Callable[[int, float, float], None] = lambda *_: None) -> None:
        self.parameters = 0
        self._weights: Arrays = {}
        self._progress = progress

    def fit(self, task: Task) -> None:
        if task.horizon == FakeFlow.stop_at:
            raise KeyboardInterrupt
        FakeFlow.fitted.append(task.horizon)
        self._progress(1, 0.0, 1.0)
        self._weights = {"offset": np.full(len(task.series.columns), FakeFlow.offset, dtype=np.float32)}
        self.parameters = len(task.series.columns)

    def quantiles(self, task: Task) -> FloatArray:
        FakeFlow.asked_rows.append(len(task.series))
        return np.asarray(make_model("last").quantiles(task) + self._weights["offset"])

    def samples(self, task: Task) -> FloatArray | None:  # noqa: ARG002 - as the protocol has it
        return None

    def settings(self) -> dict[str, Any]:
        return {"width": self._weights["offset"].size}

    def weights(self) -> Arrays:
        return self._weights

    @classmethod
    def restore(cls, settings: Mapping[str, Any], weights: Arrays) -> FakeFlow:
        if weights["offset"].shape != (settings["width"],):
            raise ValueError(f"weight offset must have shape ({settings['width']},)")
        flow = cls()
        flow._weights = dict(weights)
        return flow


def write_csv(
    file: Path,
    rows: int = 120,
    *,
    seed: int = 0,
    step_seconds: int = 600,
    start: int = 1_500_000_000,
    columns: tuple[str, ...] = COLUMNS,
) -> Path:
    """A CSV of the tests' series: the same rows first, however many there are."""
    values = make_values(max(rows, 200), seed=seed)[:rows, : len(columns)]
    lines = [",".join(("time", *columns))]
    lines += [f"{start + step_seconds * t}," + ",".join(map(repr, row.tolist())) for t, row in enumerate(values)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As if a package were not installed."""
    monkeypatch.setattr("foresail.cli.packages.find_spec", lambda name: None if name == package else object())
