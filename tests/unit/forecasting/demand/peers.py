"""Workloads made for these tests: a population whose shapes, noise and memory are known."""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray, Window
from foresail.forecasting.demand.borrowed import Prior
from foresail.forecasting.demand.evidence import BURST, COEFFICIENTS, MEMORY, WAVES, design

HOUR = 3600.0
MONDAY = 1_767_571_200.0  # 2026-01-05 00:00 UTC
NOISE, MEMORY_SECONDS = 0.2, 4800.0
CARRIED = np.exp(-HOUR / MEMORY_SECONDS)


def make_prior(*, spread: float = 0.1) -> Prior:
    """Days with a peak at noon, twice as high as the mean and more, give or take the spread; one kind of rest."""
    rest = np.where((MEMORY == MEMORY_SECONDS) & (BURST == 0.0), 1.0, 1e-9)
    return Prior(
        share=np.ones(1),
        means=_noon()[None],
        spreads=np.full((1, COEFFICIENTS), spread),
        noise=np.array([np.log(NOISE), 0.2]),
        rest=rest / rest.sum(),
        step=np.array([HOUR]),
    )


def _noon() -> FloatArray:
    means = np.zeros(COEFFICIENTS)
    means[WAVES.size + int(np.flatnonzero(WAVES == 7.0)[0])] = -0.8  # cosine of the day
    return means


def make_workload(prior: Prior, rows: int, rng: np.random.Generator, *, level: float = 100.0) -> FloatArray:
    """Demand of one workload of that population, on hours from Monday on, shape (rows,)."""
    coefficients = prior.means[0] + prior.spreads[0] * rng.normal(size=COEFFICIENTS)
    scale = np.exp(prior.noise[0] + prior.noise[1] * rng.normal())
    rest = scale * rng.normal(size=rows)
    for row in range(1, rows):
        rest[row] = CARRIED * rest[row - 1] + np.sqrt(1.0 - CARRIED**2) * rest[row]
    return np.asarray(level * np.exp(design(hours(rows))[:, 1:] @ coefficients + rest))


def hours(rows: int, *, first: int = 0) -> FloatArray:
    """Instants of hourly rows, counted from Monday 00:00 UTC."""
    return MONDAY + HOUR * np.arange(first, first + rows, dtype=np.float64)


def as_window(values: FloatArray) -> Window:
    """Hourly demand from Monday on as a history, what is NaN not observed."""
    column = values[:, None].copy()
    return Window(("requests_per_second",), HOUR, float(hours(len(values))[-1]), column, np.isfinite(column))
