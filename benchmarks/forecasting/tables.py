"""Forecasts' figures as tables: a row per figure, a column per model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.forecasting.published import HARMONY
from benchmarks.forecasting.replicas import FLEET
from benchmarks.forecasting.traces import CONVERSATION_HORIZONS, FLEET_HORIZONS, conversation_crps, fleet_crps
from benchmarks.forecasting.work import Row

NOTHING = "-"
REPLICA_FIGURES = (
    ("crps_over_independent", 3),
    ("energy_over_independent", 3),
    ("violation_99", 1),
    ("bought", 0),
    ("newsvendor", 0),
)


def fisher_table(found: Mapping[str, Mapping[str, Any]], containers: Sequence[int], floor: float) -> Table:
    """HARMONY as published, and each model of this run."""
    title = (
        f"Fisher, {len(containers)} containers, one step ahead; coin flips alone cost a mean CRPS of {_score(floor)}; "
        "all but the flow need no training"
    )
    table = _table(title, ("HARMONY, published", *found))
    for name, published, cell in _fisher_lines():
        table.add_row(name, published, *(cell(figures) for figures in found.values()))
    return table


def _fisher_lines() -> Iterator[tuple[str, str, Callable[[Mapping[str, Any]], str]]]:
    low, high = HARMONY["coverage_95"]
    mean, worst = HARMONY["violation_99"]
    yield "mean CRPS", _score(HARMONY["crps"]), lambda row: _score(row["crps"])
    yield "… informative columns", NOTHING, lambda row: _score(row["informative_crps"])
    yield "mean squared error", _score(HARMONY["mse"]), lambda row: _score(row["mse"])
    for number, published in HARMONY["crps_of_container"].items():
        yield (
            f"CRPS of container {number}",
            _score(published),
            lambda row, number=number: _over_seeds(row["crps_of_container"].get(number)),  # type: ignore[misc]
        )
    yield "mean CRPS, two hours ahead (1, 8, 5)", NOTHING, lambda row: _score(row["two_hours_crps"])
    yield "95 % interval covers", f"{_percent(low)} to {_percent(high)}", lambda row: _percent(row["coverage_95"])
    yield "… two hours ahead", NOTHING, lambda row: _percent(row["two_hours_coverage_95"])
    yield (
        ".99 quantile exceeded: mean / worst column",
        f"{_percent(mean)} / {_percent(worst)}",
        lambda row: f"{_percent(row['violation_99'])} / {_percent(row['worst_violation_99'])}",
    )
    yield "newsvendor's cost, 99 : 1", "1", lambda row: _number(row["newsvendor_share"], 3)
    yield "energy score over its shuffle", NOTHING, lambda row: _number(row["energy_ratio"], 4)
    yield (
        "CPU seconds a container",
        _number(HARMONY["train_cpu_seconds"], 0),
        lambda row: _number(row["train_cpu_seconds"], 1),
    )
    yield "ms a forecast", NOTHING, lambda row: _number(row["predict_milliseconds"], 2)
    yield "parameters", f"{HARMONY['parameters']:,}", lambda row: f"{row['parameters']:,}"
    yield "peak memory, MiB", _number(HARMONY["peak_mebibytes"], 0), lambda row: _number(row["peak_mebibytes"], 0)


def trace_table(rows: Sequence[Row], models: Sequence[str], fleets: Sequence[str]) -> Table:
    """Demand of model servers."""
    table = _table("Demand of model servers: conversation, CRPS over the mean; fleets, CRPS scaled", models)
    for horizon in CONVERSATION_HORIZONS:
        cells = [_score(conversation_crps(rows, model, horizon)) for model in models]
        table.add_row(f"conversation, {10 * horizon} s ahead", *cells)
    for fleet in fleets:
        for horizon in FLEET_HORIZONS:
            cells = [_score(fleet_crps(rows, fleet, model, horizon)) for model in models]
            table.add_row(f"{fleet}, {10 * horizon} min ahead", *cells)
    return table


def replica_table(rows: Sequence[Row]) -> Table:
    """Required replicas: a row for each way in which the same samples go together, a figure for each lead time."""
    leads = dict.fromkeys(row["lead_seconds"] for row in rows)
    told = " / ".join(f"{lead:g}" for lead in leads)
    title = f"Replicas required {told} s ahead, a fleet of {FLEET:g}: how the same marginals are put together"
    table = _table(title, ("CRPS / apart", "energy / apart", "q99 exceeded, %", "bought", "cost, 99 : 1"))
    table.columns[0].no_wrap = True
    for name, found in grouped(rows).items():
        told = ", ".join(part for part in name if part != "ready")
        table.add_row(told, *(_over(found, figure, digits) for figure, digits in REPLICA_FIGURES))
    return table


def grouped(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Rows of required replicas that differ in nothing but the lead time."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in ("data", "of", "when", "dependence")), []).append(row)
    return found


def shift_table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """A shift in the middle of the test part: a row per model and kind."""
    title = "A shift of demand: rows until at most 2 % exceed the .99 quantile again, and figures from the shift on"
    table = _table(title, ("rows", "exceeded, first day", "later", "newsvendor's cost"))
    for kind, models in found.items():
        for model, row in models.items():
            rows = row["rows_until_kept"]
            table.add_row(
                f"shift: {kind}; {model}",
                "never" if rows is None else str(rows),
                _percent(row["violation_99_first_day"]),
                _percent(row["violation_99_later"]),
                _number(row["newsvendor"], 3),
            )
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _over(rows: Sequence[Row], figure: str, digits: int) -> str:
    """A figure at each lead time."""
    scale = 100.0 if figure == "violation_99" else 1.0
    return " / ".join(_number(scale * row[figure], digits) for row in rows)


def _score(value: float | None) -> str:
    return _number(value, 4)


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}"


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f} %"


def _over_seeds(over: Mapping[str, float] | None) -> str:
    if over is None:
        return NOTHING
    spread = f" ({_score(over['least'])}…{_score(over['most'])})" if over["seeds"] > 1 else ""
    return _score(over["median"]) + spread
