from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.scores import pinball
from foresail.forecasting.series.adaptive import AdaptiveLevels, adapt
from foresail.forecasting.series.rolling import read_between

LEVELS = (np.arange(100) + 0.5) / 100
NORMAL = np.array([NormalDist().inv_cdf(float(level)) for level in LEVELS])
SHIFT = 800  # the row in which the regime shifts
GOAL_ROWS, GATE_ROWS = 72, 144


def standard(rows: int) -> FloatArray:
    """Forecasts of standard normal outcomes, shape (rows, Q, 1)."""
    return np.tile(NORMAL[:, None], (rows, 1, 1))


def noise(rows: int, *, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(rows, 1))


def above(quantiles: FloatArray, outcomes: FloatArray, level: float = 0.99) -> FloatArray:
    limits = read_between(quantiles[:, :, 0], np.interp([level], LEVELS, np.arange(LEVELS.size, dtype=np.float64)))
    return outcomes[:, 0] - limits[:, 0]


def coverage(quantiles: FloatArray, outcomes: FloatArray) -> float:
    return float(np.mean((above(quantiles, outcomes, 0.975) <= 0.0) & (above(quantiles, outcomes, 0.025) > 0.0)))


def places(quantiles: FloatArray, outcomes: FloatArray) -> FloatArray:
    """Probability integral transforms, shape (T,)."""
    return np.array([np.interp(y, row, LEVELS) for y, row in zip(outcomes[:, 0], quantiles[:, :, 0], strict=True)])


def crps(quantiles: FloatArray, outcomes: FloatArray) -> float:
    return float(2.0 * pinball(outcomes - quantiles[:, :, 0], LEVELS).mean())


def rows_to_recover(exceeded: FloatArray) -> int:
    """Rows after the shift from which the next hundred exceed the 99 % quantile at most twice."""
    late = exceeded[SHIFT:] > 0.0
    return next((row for row in range(late.size - 100) if late[row : row + 100].sum() <= 2), late.size)


@pytest.mark.parametrize("horizon", [1, 12])
def test_forecasts_that_hold_are_left_almost_as_they_are(horizon: int) -> None:
    outcomes = noise(2000)
    corrected = adapt(standard(2000), outcomes, LEVELS, horizon=horizon)
    assert crps(corrected, outcomes) <= 1.01 * crps(standard(2000), outcomes)
    newsvendor = [pinball(above(q, outcomes), 0.99).mean() for q in (corrected, standard(2000))]
    assert newsvendor[0] <= 1.03 * newsvendor[1]


@pytest.mark.parametrize("truth", ["right", "narrow", "wide", "moved", "skewed"])
def test_the_pit_becomes_uniform_whatever_was_wrong_with_the_forecasts(truth: str) -> None:
    z = noise(2500)
    outcomes = {"right": z, "narrow": 2.0 * z, "wide": 0.5 * z, "moved": z + 2.0, "skewed": np.expm1(0.5 * z)}[truth]
    found = places(adapt(standard(2500), outcomes, LEVELS, horizon=1), outcomes)[1000:]
    shares = np.histogram(found, bins=10, range=(0.0, 1.0))[0] / found.size
    assert shares == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("process", ["autoregressive", "seasonal"])
def test_a_forecast_that_knows_neither_memory_nor_season_covers_what_it_promises(process: str) -> None:
    rows, z = 2500, noise(2500)[:, 0]
    outcomes = np.zeros((rows, 1))
    if process == "seasonal":
        outcomes[:, 0] = 2.0 * np.sin(2.0 * np.pi * np.arange(rows) / 144) + 0.5 * z
    else:
        for row in range(1, rows):
            outcomes[row] = 0.9 * outcomes[row - 1] + z[row]
    corrected = adapt(standard(rows), outcomes, LEVELS, horizon=1)
    assert coverage(corrected[500:], outcomes[500:]) == pytest.approx(0.95, abs=0.03)
    assert np.mean(above(corrected[500:], outcomes[500:]) > 0.0) == pytest.approx(0.01, abs=0.012)


@pytest.mark.parametrize("shift", ["level", "far level", "spread"])
def test_after_a_shift_of_the_regime_the_99_percent_quantile_holds_again_within_the_goal(shift: str) -> None:
    recovered = []
    for seed in range(5):
        outcomes = noise(1100, seed=seed)
        if shift == "spread":
            outcomes[SHIFT:] *= 2.5
        else:
            outcomes[SHIFT:] += 3.0 if shift == "level" else 30.0
        recovered.append(rows_to_recover(above(adapt(standard(1100), outcomes, LEVELS, horizon=1), outcomes)))
        assert rows_to_recover(above(standard(1100), outcomes)) > GATE_ROWS  # left alone they never do
    assert np.median(recovered) <= GOAL_ROWS
    assert max(recovered) <= GATE_ROWS


def test_correcting_knows_no_outcome_after_the_origin() -> None:
    outcomes, other = noise(300), noise(300)
    other[200:] += 1e6
    first, second = (adapt(standard(300), y, LEVELS, horizon=5) for y in (outcomes, other))
    np.testing.assert_array_equal(first[:205], second[:205])
    assert not np.array_equal(first[205:], second[205:])


def test_a_unit_scales_what_is_corrected() -> None:
    outcomes = noise(300) + 1.0
    plain = adapt(standard(300), outcomes, LEVELS, horizon=1)
    scaled = adapt(1024.0 * standard(300), 1024.0 * outcomes, LEVELS, horizon=1)
    np.testing.assert_allclose(scaled, 1024.0 * plain)


def test_columns_are_corrected_apart_and_a_missing_outcome_teaches_nothing() -> None:
    quantiles = np.repeat(standard(200), 2, axis=2)
    outcomes = np.concatenate([noise(200) + 3.0, np.full((200, 1), np.nan)], axis=1)
    corrected = adapt(quantiles, outcomes, LEVELS, horizon=1)
    np.testing.assert_allclose(corrected[:, :, 1], quantiles[:, :, 1])
    np.testing.assert_array_equal(corrected[:, :, :1], adapt(standard(200), outcomes[:, :1], LEVELS, horizon=1))


@pytest.mark.parametrize("outcome", [5.0, 6.0, 1e12])
def test_a_constant_is_forecast_exactly_and_stays_finite(outcome: float) -> None:
    quantiles = np.full((200, 100, 1), 5.0)
    corrected = adapt(quantiles, np.full((200, 1), outcome), LEVELS, horizon=1)
    np.testing.assert_array_equal(corrected, quantiles)


def test_one_spike_is_no_regime() -> None:
    outcomes = noise(400)
    outcomes[300] = 1e12
    corrected = adapt(standard(400), outcomes, LEVELS, horizon=1)
    assert corrected[301:, -1].max() < 6.0
    assert (np.diff(corrected, axis=1) >= 0.0).all()


@pytest.mark.parametrize("levels", [[0.0, 0.5], [0.5, 0.5], [0.5, 0.1], [0.5, 1.0]])
def test_levels_that_are_none_are_refused(levels: list[float]) -> None:
    with pytest.raises(ValueError, match="levels must ascend"):
        AdaptiveLevels(np.array(levels), 1)


def test_a_horizon_of_no_row_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon must be at least 1"):
        AdaptiveLevels(LEVELS, 1, 0)
