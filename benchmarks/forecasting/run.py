"""All of it: Fisher's protocol, demand of model servers, required replicas, a shift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.forecasting.data import CONTAINERS, FLEETS, read_containers, read_conversation, read_fleets
from benchmarks.forecasting.fisher import coin_floor_of, fisher_jobs, summarize_fisher
from benchmarks.forecasting.published import COSTED
from benchmarks.forecasting.replicas import demand_of
from benchmarks.forecasting.served import measure_served
from benchmarks.forecasting.shift import KINDS, measure_shift
from benchmarks.forecasting.tables import fisher_table, replica_table, shift_table, trace_table
from benchmarks.forecasting.traces import trace_jobs
from benchmarks.forecasting.verdicts import judge_fisher, judge_flow, judge_replicas, judge_shift, judge_traces
from benchmarks.forecasting.work import Row, in_fresh_process, run_jobs
from benchmarks.verdicts import Verdict
from foresail.forecasting.series.panel import FLOW, MODELS
from foresail.forecasting.series.series import Series

MIXTURE = "mixture"
JUDGED = (MIXTURE, FLOW)


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """What is measured.

    Args:
        data: Folder of the series.
        containers: Of Fisher's.
        models: Those that compete.
        seeds: Of models that are random, on three of the containers.
    """

    data: Path
    containers: tuple[int, ...] = CONTAINERS
    models: tuple[str, ...] = (*MODELS, FLOW)
    seeds: int = 5


def usable_models() -> tuple[str, ...]:
    """All models, the flow only where torch is installed."""
    return (*MODELS, FLOW) if find_spec("torch") is not None else MODELS


def measure_forecasts(settings: ForecastSettings, say: Callable[[str], None]) -> dict[str, Any]:
    """Forecast whatever series are there."""
    containers = read_containers(settings.data, settings.containers)
    conversation, fleets = read_conversation(settings.data), read_fleets(settings.data)
    absent = [f"container{number}" for number in settings.containers if number not in containers]
    absent += [name for name in FLEETS if name not in fleets] + (["conversation"] if conversation is None else [])
    if absent:
        say(f"not in {settings.data}, so not measured: {', '.join(absent)}")
    jobs = [
        *fisher_jobs(containers, settings.models, settings.seeds),
        *trace_jobs(conversation, fleets, settings.models),
    ]
    rows = list(_told(run_jobs(jobs), len(jobs), say))
    return {
        "models": settings.models,
        "absent": absent,
        "containers": list(containers),
        "fleets": list(fleets),
        "coin_floor": coin_floor_of(containers) if containers else None,
        "fisher": {model: summarize_fisher(rows, list(containers), model) for model in settings.models if containers},
        "shift": _shifts(containers, settings.models, say),
        "replicas": _replicas(demand_of(conversation, fleets), settings.models, say),
        "rows": rows,
    }


def judge_forecasts(report: Mapping[str, Any]) -> list[Verdict]:
    """The mixture and the flow are judged, the rest is there to compare."""
    everywhere = len(report["containers"]) == len(CONTAINERS)
    verdicts: list[Verdict] = []
    for model in (name for name in report["models"] if name in JUDGED):
        if report["fisher"]:
            verdicts += judge_fisher(report["fisher"][model], model, everywhere=everywhere)
        verdicts += judge_traces(report["rows"], model, report["fleets"])
    if FLOW in report["fisher"]:
        verdicts += judge_flow(report["fisher"][FLOW])
    verdicts += judge_replicas(report["replicas"])
    if report["shift"]:
        verdicts += judge_shift(report["shift"])
    return verdicts


def forecast_tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """Tables of what was measured."""
    if report["fisher"]:
        yield fisher_table(report["fisher"], report["containers"], report["coin_floor"])
    if len(report["absent"]) < len(FLEETS) + 1:
        yield trace_table(report["rows"], report["models"], report["fleets"])
    if report["replicas"]:
        yield replica_table(report["replicas"])
    if report["shift"]:
        yield shift_table(report["shift"])


def _replicas(demand: Mapping[str, Series], models: Sequence[str], say: Callable[[str], None]) -> list[Row]:
    """Of the served mixture where the mixture competes, of orders of samples where the flow does."""
    rows: list[Row] = []
    for data, series in demand.items():
        say(f"required replicas of {data} …")
        if MIXTURE in models:
            rows += in_fresh_process(measure_served, data, series)
        if FLOW in models:
            rows += in_fresh_process(_measure_orders, data, series)
    return rows


def _measure_orders(data: str, series: Series) -> list[Row]:
    from benchmarks.forecasting.orders import measure_orders  # noqa: PLC0415 - torch, which need not be there

    return measure_orders(data, series)


def _shifts(containers: Mapping[int, Any], models: Sequence[str], say: Callable[[str], None]) -> dict[str, Any]:
    if MIXTURE not in models or not containers:
        return {}
    dear = {number: series for number, series in containers.items() if number in COSTED}
    say("a shift, with and without correction …")
    return {kind: measure_shift(dear, kind) for kind in KINDS} if dear else {}


def _told(rows: Iterator[Row], count: int, say: Callable[[str], None]) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        say(f"{number}/{count}: {row['model']} on {row['data']}, {row['horizon']} ahead: CRPS {row['crps']:.4f}")
        yield row
