"""What the operator is served: the mixture's joint paths, and the same with one dependence or the other taken out.

A model that is asked for one instant says nothing about a peak. These paths are rows of the past, whole: here they
are scored as they are, with each indicator's paths shuffled among the samples, with each step's rows, and with both.
Where a marginal is too wide, whatever narrows its sum looks better; so the order of these paths is also tried on the
marginals of the mixture that `foresail forecast` has, which is dearer and closer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks.forecasting.replicas import (
    CYCLE_SECONDS,
    INDEPENDENT,
    INDICATORS_APART,
    JOINT,
    LEADS_SECONDS,
    SEEDS,
    STEPS_APART,
    TRAIN,
    Fared,
    compare,
    energy_of,
    fare,
    fare_instant,
    fleet_of,
    required,
)
from benchmarks.forecasting.work import Row
from foresail.domain.errors import ForecastError
from foresail.domain.memory import CapacityBelief
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import FloatArray, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.rehearsal import HISTORY_STEP_SECONDS, RECENT_SECONDS, coarsen, cut
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from foresail.forecasting.series.copula import SAMPLES, sample_levels, shuffle_columns
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.series import Series
from foresail.forecasting.series.task import make_task

KEY = WorkloadKey("benchmark", "benchmark")
Shuffle = Callable[[FloatArray, np.random.Generator], FloatArray]
SHUFFLES: dict[str, tuple[Shuffle, int]] = {
    INDEPENDENT: (lambda paths, rng: rng.permuted(paths, axis=1), SEEDS),
    STEPS_APART: (lambda paths, rng: _permuted(paths, rng, kept=3), SEEDS),
    INDICATORS_APART: (lambda paths, rng: _permuted(paths, rng, kept=2), SEEDS),
    JOINT: (lambda paths, _rng: paths, 1),
}


def measure_served(data: str, series: Series) -> list[Row]:
    """Every lead time, when what is decided is ready and at the peak until then, every dependence."""
    past = _window(series)
    first = int(TRAIN * len(series))
    fleet = fleet_of(series.values[:first])
    steps = -(-(max(LEADS_SECONDS) + CYCLE_SECONDS) // past.step_seconds)
    ends = np.arange(first, len(series) - int(steps) + 1)
    drawn = np.stack(list(_forecasts(past, ends, steps * past.step_seconds)))
    outcomes = np.stack([series.values[end : end + int(steps)] for end in ends])
    task = make_task(series, 1, first)
    rows = []
    for lead in LEADS_SECONDS:
        told = {"data": data, "lead_seconds": lead}
        ahead = round(lead / past.step_seconds)
        quantiles = make_model("mixture").quantiles(replace(task, horizon=ahead))[ends + ahead - 1 - first]
        ordered = _ordered(sample_levels(quantiles, task.levels), drawn[:, :SAMPLES, ahead - 1])
        instants = {way: [fare_instant(one, outcomes[:, ahead - 1], fleet) for one in ordered[way]] for way in ordered}
        rows += compare(instants, told | {"of": "mixture, served order", "when": "ready"})
        found = {
            way: [_fared(shuffle(drawn, _rng(seed)), outcomes, fleet, past.step_seconds, lead) for seed in range(seeds)]
            for way, (shuffle, seeds) in SHUFFLES.items()
        }
        for place, when in enumerate(("ready", "peak")):
            one = {way: [both[place] for both in seeds] for way, seeds in found.items()}
            rows += compare(one, told | {"of": "served", "when": when})
    return rows


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _ordered(samples: FloatArray, paths: FloatArray) -> dict[str, list[FloatArray]]:
    """Samples (T, S, I) of better marginals in the order of served ones, and each column shuffled."""
    ranks = paths.argsort(axis=1).argsort(axis=1)
    return {
        INDEPENDENT: [shuffle_columns(samples, seed) for seed in range(SEEDS)],
        JOINT: [np.take_along_axis(samples, ranks, axis=1)],
    }


def _forecasts(past: Window, ends: np.ndarray, horizon_seconds: float) -> Iterator[FloatArray]:
    """Paths (S, H, 3) from before each row, cycle by cycle, from windows such as the operator has."""
    forecaster = MixtureForecaster()
    recent_rows = round(RECENT_SECONDS / past.step_seconds)
    for end in ends:
        recent = cut(past, max(end - recent_rows, 0), end)
        history = coarsen(cut(past, 0, end), HISTORY_STEP_SECONDS)
        made = forecaster.forecast({KEY: ForecastRequest(recent, history, horizon_seconds)})[KEY]
        if isinstance(made, Unknown):
            raise ForecastError(f"no forecast before row {end}: {made.message}")
        yield made.samples


def _fared(
    paths: FloatArray, outcomes: FloatArray, fleet: CapacityBelief, step_seconds: float, lead_seconds: float
) -> tuple[Fared, Fared]:
    ahead = round(lead_seconds / step_seconds)
    energy = energy_of(paths[:, :, :ahead], outcomes[:, :ahead])
    needs = [required(one, fleet, step_seconds, lead_seconds) for one in paths]
    came = [required(one[None], fleet, step_seconds, lead_seconds) for one in outcomes]
    ready, peak = (
        fare(np.array([one[place] for one in needs]), np.array([one[place][0] for one in came]), energy)
        for place in range(2)
    )
    return ready, peak


def _permuted(paths: FloatArray, rng: np.random.Generator, *, kept: int) -> FloatArray:
    """Paths (T, S, H, 3), each target's samples reordered, along axis `kept` all alike and along the other apart."""
    shape = list(paths.shape)
    shape[kept] = 1
    order = rng.permuted(np.broadcast_to(np.arange(shape[1])[None, :, None, None], shape).copy(), axis=1)
    return np.take_along_axis(paths, order, axis=1)


def _window(series: Series) -> Window:
    step = float(np.median(np.diff(series.times)))
    return Window(series.columns, step, float(series.times[-1]), series.values.copy(), series.observed)
