"""One forecast after another, each model in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.forecasting.published import UNINFORMATIVE
from benchmarks.machine import usage_of
from foresail.domain.timeseries import FloatArray
from foresail.forecasting.scores import pinball
from foresail.forecasting.series.copula import read_at, shuffle_columns
from foresail.forecasting.series.energy import energy_score
from foresail.forecasting.series.evaluate import Evaluation, Rules, evaluate, scale, split
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.series import Series

RANDOM = frozenset({"flow"})  # models whose forecasts depend on the seed
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What one run forecasts: `data` names the series in reports."""

    data: str
    series: Series
    model: str
    horizon: int
    rules: Rules


def run_jobs(jobs: Sequence[Job]) -> Iterator[Row]:
    """A row of figures for each job, in order; all jobs of a model run in one fresh process, one at a time."""
    for model in dict.fromkeys(job.model for job in jobs):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as worker:
            yield from worker.map(measure, [job for job in jobs if job.model == model])


def in_fresh_process(measure: Callable[[str, Series], list[Row]], data: str, series: Series) -> list[Row]:
    """What a measurement of a series gives; what it loads goes with its process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as worker:
        return worker.submit(measure, data, series).result()


def measure(job: Job) -> Row:
    """Forecast, and say how that fared and what it cost."""
    found = evaluate(job.series, make_model(job.model), job.horizon, job.rules, process_time)
    return {
        "data": job.data,
        "model": job.model,
        "horizon": job.horizon,
        "seed": job.rules.seed,
        "crps": found.figures.crps,
        "mse": found.figures.mse,
        "energy_ratio": energy_ratio(found, job.series, job.rules),
        "columns": figures_of_columns(found, job.series, job.rules),
        "train_cpu_seconds": round(found.train_cpu_seconds, 3),
        "predict_milliseconds": round(found.predict_milliseconds, 3),
        "parameters": found.parameters,
        "peak_mebibytes": round(usage_of().peak_mebibytes, 1),
    }


def figures_of_columns(found: Evaluation, series: Series, rules: Rules) -> dict[str, dict[str, float | None]]:
    """By column: CRPS, scaled and over the mean outcome, coverage, violation, newsvendor's cost."""
    outcomes = series.values[found.target_rows]
    _, span = scale(series, split(series, rules, found.horizon)[0])
    levels = (np.arange(rules.levels) + 0.5) / rules.levels
    low, high, top = read_at(found.quantiles, levels, np.array([0.025, 0.975, 0.99])).transpose(1, 0, 2)
    cost = 100.0 * pinball(outcomes - top, 0.99) / span
    typical = np.nanmean(np.abs(outcomes), axis=0)
    return {
        name: {
            "crps": found.figures.crps_per_column[name],
            "crps_over_mean": _share(found.raw.crps_per_column[name], float(typical[i])),
            "coverage_95": _mean((low <= outcomes) & (outcomes <= high), outcomes, i),
            "violation_99": _mean(outcomes > top, outcomes, i),
            "newsvendor": _mean(cost, outcomes, i),
        }
        for i, name in enumerate(series.columns)
    }


def energy_ratio(found: Evaluation, series: Series, rules: Rules) -> float | None:
    """Energy score of the informative columns' samples over that of the same samples, each column shuffled."""
    told = np.array([i for i, name in enumerate(series.columns) if name not in UNINFORMATIVE])
    _, span = scale(series, split(series, rules, found.horizon)[0])
    samples = found.samples[:, :, told] / span[told]
    outcomes = series.values[np.ix_(found.target_rows, told)] / span[told]
    whole = np.isfinite(outcomes).all(axis=1)
    shuffled = shuffle_columns(samples[whole], rules.seed)
    joint, apart = (energy_score(drawn, outcomes[whole]).mean() for drawn in (samples[whole], shuffled))
    return float(joint / apart) if apart > 0.0 else None


def _mean(figures: np.ndarray[Any, Any], outcomes: FloatArray, column: int) -> float | None:
    seen = np.isfinite(outcomes[:, column])
    return float(figures[seen, column].mean()) if seen.any() else None


def _share(part: float | None, whole: float) -> float | None:
    return part / whole if part is not None and whole > 0.0 else None
