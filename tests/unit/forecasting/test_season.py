from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.past import trust
from foresail.forecasting.season import autocorrelation, find_periods, profile
from tests.unit.forecasting.demand.windows import DAY_ROWS, STEP_SECONDS, make_days, make_demand_window, make_past


def make_memory(rows: int, *, persistence: float, seed: int) -> FloatArray:
    """Log-normal demand that remembers and has no season: an autoregression of first order."""
    rng = np.random.default_rng(seed)
    series = np.zeros(rows)
    for row in range(1, rows):
        series[row] = persistence * series[row - 1] + rng.normal()
    return np.asarray(np.exp(0.3 * series / max(series.std(), 1e-9)))


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_day_is_found_under_noise(noise: float, seed: int) -> None:
    values, _ = make_days(13 * DAY_ROWS, noise=noise, seed=seed)
    periods = find_periods(make_past(values[:, 0]))
    assert periods[0] / STEP_SECONDS == pytest.approx(DAY_ROWS, abs=1.0)


def test_a_period_that_is_no_multiple_of_the_step_is_found() -> None:
    rng = np.random.default_rng(0)
    rows = np.arange(2000)
    series = (100.0 + 50.0 * np.sin(2.0 * np.pi * rows / 143.3)) * np.exp(0.2 * rng.normal(size=2000))
    assert find_periods(make_past(series))[0] / STEP_SECONDS == pytest.approx(143.3, abs=0.5)


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9, 0.99, 1.0])
def test_noise_with_a_memory_is_rarely_taken_for_a_season(persistence: float) -> None:
    found = [find_periods(make_past(make_memory(2016, persistence=persistence, seed=seed))) for seed in range(20)]
    assert sum(bool(periods) for periods in found) <= 3


@pytest.mark.parametrize("level", [0.0, 0.1, 50.0])
def test_constant_demand_has_no_season(level: float) -> None:
    assert find_periods(make_past(np.full(500, level))) == ()


def test_a_straight_trend_has_no_season() -> None:
    assert find_periods(make_past(np.arange(1.0, 501.0))) == ()


def test_a_few_rows_have_no_season() -> None:
    assert find_periods(make_past(np.tile([1.0, 9.0], 5))) == ()


def test_a_day_is_found_with_a_third_of_the_rows_missing() -> None:
    values, _ = make_days(13 * DAY_ROWS)
    observed = np.random.default_rng(0).random(len(values)) > 1 / 3
    past = trust(make_demand_window(values, observed=observed))
    assert past is not None
    assert find_periods(past)[0] / STEP_SECONDS == pytest.approx(DAY_ROWS, abs=1.0)


def test_autocorrelation_equals_the_sum_of_products() -> None:
    rng = np.random.default_rng(0)
    series, observed = rng.normal(size=40), (rng.random(40) > 0.2).astype(np.float64)
    centered = (series - series @ observed / observed.sum()) * observed
    variance = centered @ centered / observed.sum()
    for lag, value in enumerate(autocorrelation(series, observed)[:30]):
        pairs = max(observed[lag:] @ observed[: 40 - lag], 1.0)
        assert value == pytest.approx(centered[lag:] @ centered[: 40 - lag] / pairs / variance, abs=1e-9)


def test_the_profile_equals_three_lines() -> None:
    """Without holes and on the history's own grid: past days at the same phase, each nine tenths of the next."""
    values, _ = make_days(5 * DAY_ROWS)
    past, day, ahead = make_past(values[:, 0]), DAY_ROWS, 4
    offsets = np.arange(-20.0, ahead + 1.0) * STEP_SECONDS
    for place, offset in enumerate(np.arange(-20, ahead + 1) + len(past) - 1):
        rows = [offset - k * day for k in range(1, 6) if offset - k * day >= 0]
        weights = [0.9**k for k in range(len(rows))]
        expected = np.average(past.values[rows], axis=0, weights=weights)
        found = profile(past, day * STEP_SECONDS, offsets=offsets, ahead_seconds=ahead * STEP_SECONDS)
        assert found is not None
        np.testing.assert_allclose(found[place], expected)


def test_the_profile_is_linear_between_coarse_rows() -> None:
    past = make_past(np.tile(np.arange(10.0), 3), step_seconds=300.0)
    found = profile(past, 3000.0, offsets=np.array([300.0, 450.0, 600.0]), ahead_seconds=600.0)
    assert found is not None
    np.testing.assert_allclose(found[:, 0], [0.0, 0.5, 1.0])  # the tenth row was 9, phase 0 follows


def test_the_profile_skips_holes() -> None:
    series = np.tile([10.0, 20.0, 30.0, 40.0, 50.0, 60.0], 4)
    observed = np.ones(24, dtype=np.bool_)
    observed[18] = False  # phase 0 of the last period
    series[18] = 1e6
    past = trust(make_demand_window(np.repeat(series[:, None], 3, axis=1), observed=observed))
    assert past is not None
    found = profile(past, 180.0, offsets=np.array([30.0, 60.0]), ahead_seconds=60.0)
    assert found is not None
    np.testing.assert_allclose(found[:, 0], [10.0, 20.0])


def test_the_profile_uses_nothing_that_its_origin_did_not_know() -> None:
    past = make_past(np.concatenate([np.ones(60), np.full(60, 9.0)]))
    # 70 rows ahead with a period of 60: one period back was still unknown, two back were ones.
    found = profile(past, 60 * STEP_SECONDS, offsets=np.arange(-10.0, 1.0) * STEP_SECONDS, ahead_seconds=70 * 30.0)
    assert found is None or found.max() == 1.0


def test_a_period_longer_than_the_history_has_no_profile() -> None:
    past = make_past(np.ones(50))
    assert profile(past, 100 * STEP_SECONDS, offsets=np.array([0.0, 30.0]), ahead_seconds=30.0) is None
