"""Plots: forecasts as fans with what was observed, and how often outcomes came at which level of them.

Drawn straight to a file by matplotlib, without a window and without its global state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from foresail.cli.evaluation import FileResult
from foresail.cli.figures import drawing, save
from foresail.cli.prediction import Prediction
from foresail.cli.times import is_dated, span, unit
from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.ahead import step_seconds
from foresail.forecasting.series.baselines import PREDICTABLE
from foresail.forecasting.series.copula import read_at
from foresail.forecasting.series.evaluate import Evaluation, Rules, scale, split
from foresail.forecasting.series.features import kinds
from foresail.forecasting.series.pit import pit
from foresail.forecasting.series.series import Series

# Share, levels and color of each band, the widest first.
BANDS = (("95 %", 0.025, 0.975, "#d6e5f3"), ("80 %", 0.1, 0.9, "#a8c9e6"), ("50 %", 0.25, 0.75, "#71a6d6"))
LEVELS = np.array([level for _, low, high, _ in BANDS for level in (low, high)] + [0.5])
MEDIAN, OBSERVED = "#0b4f8a", "#222222"
MOST_PANELS = 4
BINS = 20
SURE = 1.96  # standard deviations that hold 95 % of a normal distribution
RECENT_ROWS, RECENT_HORIZONS = 72, 6
GRID = {"axes.grid": True}


def plot_evaluation(result: FileResult, rules: Rules, file: Path) -> None:
    """Draw the first evaluation of a file: a fan over the test part, and the PIT beside it, for a few columns.

    Raises:
        InputError: The file cannot be written.
    """
    evaluation, series = result.evaluations[0], result.series
    train, _ = split(series, rules, evaluation.horizon)
    columns = liveliest(series, train)
    outcomes = series.values[evaluation.target_rows]
    levels = pit(evaluation.quantiles, outcomes, rules.seed)
    with drawing(**GRID):
        figure, axes = _panels(len(columns), widths=(4.2, 1.0))
        for row, column in zip(axes, columns, strict=True):
            _draw_fan_of_rows(row[0], series, evaluation, column)
            _draw_pit(row[1], levels[:, column])
        ahead = _ahead(evaluation.horizon, step_seconds(series))
        told = f"{result.file.name}, the last {len(outcomes)} rows; model: {evaluation.model}, {ahead}"
        _title(figure, f"{told}{_some(columns, series)}")
        axes[0][1].set_title("where outcomes came (PIT)")
        axes[-1][1].set_xlabel("level of the forecast\n(even is right; gray: 95 % of chance)")
        _label(figure, axes, series)
        save(figure, file)


def plot_prediction(prediction: Prediction, file: Path) -> None:
    """Draw the last rows of a few columns, and what is forecast.

    Raises:
        InputError: The file cannot be written.
    """
    series, answers = prediction.series, prediction.answers
    columns = liveliest(series, len(series))
    recent = max(RECENT_ROWS, RECENT_HORIZONS * max(answer.ahead.horizon for answer in answers))
    with drawing(**GRID):
        figure, axes = _panels(len(columns), widths=(1.0,))
        for row, column in zip(axes, columns, strict=True):
            _draw_ahead(row[0], prediction, column, recent)
        sources = " and ".join(dict.fromkeys(answer.source for answer in answers))
        last = _ahead(max(answer.ahead.horizon for answer in answers), step_seconds(series))
        _title(figure, f"{prediction.file.name}; model: {sources}, up to {last}{_some(columns, series)}")
        _label(figure, axes, series)
        save(figure, file)


def liveliest(series: Series, rows: int) -> list[int]:
    """Columns to draw: those that move most from row to row for their span, of those that can be forecast at all."""
    known = series.values[:rows]
    _, width = scale(series, rows)
    moved = np.abs(np.diff(known, axis=0)) / width
    seen = np.isfinite(moved)
    mean = np.where(seen, moved, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    drawn = [i for i, kind in enumerate(kinds(known)) if kind in PREDICTABLE] or list(range(len(series.columns)))
    return sorted(drawn, key=lambda i: -mean[i])[:MOST_PANELS]


def _draw_fan_of_rows(axis: Any, series: Series, evaluation: Evaluation, column: int) -> None:
    rows = evaluation.target_rows
    quantiles = evaluation.quantiles[:, :, column, None]
    levels = (np.arange(quantiles.shape[1]) + 0.5) / quantiles.shape[1]
    found = read_at(quantiles, levels, LEVELS)[:, :, 0]
    times = _times(series.times[rows], series)
    _draw_fan(axis, times, found)
    axis.plot(times, series.values[rows, column], color=OBSERVED, linewidth=0.8, label="observed")
    _label_times(axis, series)
    axis.set_title(series.columns[column])


def _draw_ahead(axis: Any, prediction: Prediction, column: int, recent: int) -> None:
    series = prediction.series
    times = _times(series.times[-recent:], series)
    axis.plot(times, series.values[-recent:, column], color=OBSERVED, linewidth=1.0, label="observed")
    aheads = sorted((answer.ahead for answer in prediction.answers), key=lambda one: one.horizon)
    # The fan opens at what was last observed.
    start = np.full((1, LEVELS.size), series.carried()[-1, column])
    found = np.concatenate([start, [one.at(LEVELS)[:, column] for one in aheads]])
    instants = np.array([series.times[-1], *(one.time_seconds for one in aheads)])
    _draw_fan(axis, _times(instants, series), found, marker="o")
    axis.axvline(times[-1], color="#999999", linewidth=0.8, linestyle=":")
    _label_times(axis, series)
    axis.set_title(series.columns[column])


def _draw_fan(axis: Any, times: Sequence[Any], found: FloatArray, marker: str = "") -> None:
    """Bands and median; `found` is at LEVELS, shape (T, L)."""
    for number, (name, _, _, color) in enumerate(BANDS):
        low, high = found[:, 2 * number], found[:, 2 * number + 1]
        axis.fill_between(times, low, high, color=color, linewidth=0.0, label=name)
    axis.plot(times, found[:, -1], color=MEDIAN, linewidth=1.0, marker=marker, markersize=3, label="median")


def _draw_pit(axis: Any, levels: FloatArray) -> None:
    """Density of the levels in bins, and between what bounds it lies where the forecast is right."""
    known = levels[np.isfinite(levels)]
    counts, edges = np.histogram(known, bins=BINS, range=(0.0, 1.0))
    expected = max(known.size, 1) / BINS
    width = SURE * np.sqrt(expected * (1.0 - 1.0 / BINS)) / expected
    axis.bar(edges[:-1], counts / expected, width=1.0 / BINS, align="edge", color=BANDS[-1][3], edgecolor="white")
    axis.axhspan(max(1.0 - width, 0.0), 1.0 + width, color="#888888", alpha=0.25, linewidth=0.0)
    axis.set(xlim=(0.0, 1.0), xticks=(0.0, 0.5, 1.0), ylim=(0.0, max(2.0, 1.1 * counts.max() / expected)))
    axis.grid(visible=False)


def _times(seconds: FloatArray, series: Series) -> Any:
    """Instants as matplotlib takes them: dates, or the time since the first row where the series has none."""
    if is_dated(float(series.times[0])):
        return [datetime.fromtimestamp(float(one), UTC) for one in seconds]
    return (seconds - series.times[0]) / _unit(series)[1]


def _unit(series: Series) -> tuple[str, float]:
    return unit(float(series.times[-1] - series.times[0]))


def _label_times(axis: Any, series: Series) -> None:
    if is_dated(float(series.times[0])):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - lazy

        locator = AutoDateLocator(maxticks=9)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    axis.margins(x=0.01)


def _label(figure: Any, axes: Any, series: Series) -> None:
    """The time below the last panel, and powers of ten beside the names of the columns."""
    axes[-1][0].set_xlabel("UTC" if is_dated(float(series.times[0])) else f"{_unit(series)[0]} since the first row")
    figure.draw_without_rendering()
    for axis, *_ in axes:
        factor = axis.yaxis.get_offset_text()
        if factor.get_text():
            axis.set_title(f"{axis.get_title(loc='left')} (in {factor.get_text()})")
            factor.set_visible(False)


def _ahead(horizon: int, step: float) -> str:
    rows = "1 row" if horizon == 1 else f"{horizon} rows"
    return f"{rows} ({span(horizon * step)}) ahead"


def _some(columns: Sequence[int], series: Series) -> str:
    """How many columns are drawn, where not all are."""
    all_of_them = len(series.columns)
    return "" if len(columns) == all_of_them else f" ({len(columns)} of {all_of_them} columns, the liveliest)"


def _panels(count: int, *, widths: tuple[float, ...]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - lazy

    figure = Figure(figsize=(12.0, 1.2 + 2.1 * count), dpi=110, layout="constrained")
    return figure, figure.subplots(count, len(widths), sharex="col", squeeze=False, width_ratios=widths)


def _title(figure: Any, text: str) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.suptitle(text, x=0.01, ha="left", fontsize=12)
    figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))
