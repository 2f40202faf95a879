"""Series for tests of the evaluation: what Fisher's containers are made of, in small."""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.series import Series

COLUMNS = ("load", "device", "counter", "limit")


def make_series(values: FloatArray, *, step_seconds: float = 600.0, columns: tuple[str, ...] | None = None) -> Series:
    """A series of `values`, shape (n, I)."""
    names = tuple(f"c{i}" for i in range(values.shape[1])) if columns is None else columns
    return Series("test.csv", names, step_seconds * np.arange(len(values), dtype=np.float64), values.copy())


def make_values(rows: int, *, seed: int = 0, period: int = 24) -> FloatArray:
    """A daily load, a device drawn at random, a counter that resets, and a constant, shape (rows, 4)."""
    rng = np.random.default_rng(seed)
    place = np.arange(rows)
    load = 10.0 + 4.0 * np.sin(2.0 * np.pi * place / period) + rng.normal(size=rows)
    device = np.where(rng.random(rows) < 0.4, 7e9, 3e5) + 1e3 * place
    counter = np.cumsum(rng.exponential(5.0, size=rows))
    counter -= np.where(place > 0.6 * rows, counter[int(0.6 * rows)], 0.0)
    return np.stack([load, device, counter, np.full(rows, 64.0)], axis=1)
