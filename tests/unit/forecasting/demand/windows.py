"""Demand made for these tests: windows of a daily pattern, of noise, and forecasts of one workload over many cycles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from foresail.domain.forecast import Forecast
from foresail.domain.timeseries import DEMAND_INDICATORS, BoolArray, FloatArray, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from foresail.forecasting.past import Past, trust
from tests.builders import NOW

KEY = WorkloadKey("prod", "chat")
TOKENS = np.array([1.0, 1000.0, 250.0])
STEP_SECONDS = 30.0
DAY_ROWS = 144  # a day compressed twenty times, in rows of 30 s


def make_demand_window(
    values: FloatArray, *, observed: BoolArray | None = None, step_seconds: float = STEP_SECONDS, end: float = NOW
) -> Window:
    """A window of demand; `values` (W, 3), `observed` (W,), all by default."""
    seen = np.ones(len(values), dtype=np.bool_) if observed is None else observed
    return Window(DEMAND_INDICATORS, step_seconds, end, values.copy(), np.repeat(seen[:, None], 3, axis=1))


def make_past(series: Sequence[float] | FloatArray, *, step_seconds: float = STEP_SECONDS) -> Past:
    """A past without holes of these requests per second, with the ordinary tokens."""
    past = trust(make_demand_window(np.asarray(series, dtype=np.float64)[:, None] * TOKENS, step_seconds=step_seconds))
    assert past is not None
    return past


def make_noise(rows: int, *, level: float = 50.0, spread: float = 0.2, seed: int = 0) -> FloatArray:
    """Stationary log-normal demand, shape (rows, 3): requests and tokens share most of their noise."""
    rng = np.random.default_rng(seed)
    shared = np.exp(spread * rng.normal(size=rows))
    return np.asarray(level * shared[:, None] * TOKENS * np.exp(0.05 * rng.normal(size=(rows, 3))))


def make_days(rows: int, *, noise: float = 0.2, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """A daily pattern between 20 and 180 rps with log-normal noise: demand (rows, 3), and the pattern alone (rows,)."""
    rng = np.random.default_rng(seed)
    pattern = 100.0 * (1.0 + 0.8 * np.sin(2.0 * np.pi * np.arange(rows) / DAY_ROWS))
    return (pattern * np.exp(noise * rng.normal(size=rows)))[:, None] * TOKENS, pattern


def replay(
    values: FloatArray,
    rows: Iterator[int] | range,
    *,
    horizon_seconds: float,
    recent_rows: int = 240,
    history_rows: int = 1920,
    forecaster: MixtureForecaster | None = None,
    observed: BoolArray | None = None,
    step_seconds: float = STEP_SECONDS,
) -> Iterator[tuple[int, Forecast]]:
    """Forecast one workload from each of these rows of `values`, knowing the rows until then."""
    forecaster = forecaster or MixtureForecaster()
    for row in rows:
        end = NOW + row * step_seconds
        windows = [
            make_demand_window(
                values[max(0, row + 1 - length) : row + 1],
                observed=None if observed is None else observed[max(0, row + 1 - length) : row + 1],
                step_seconds=step_seconds,
                end=end,
            )
            for length in (recent_rows, history_rows)
        ]
        answer = forecaster.forecast({KEY: ForecastRequest(windows[0], windows[1], horizon_seconds)})[KEY]
        assert isinstance(answer, Forecast)
        yield row, answer
