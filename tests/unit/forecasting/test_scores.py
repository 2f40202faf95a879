from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.scores import crps, residual_crps, scaled_crps


def naive_crps(samples: FloatArray, outcome: float) -> float:
    """The definition, as a double loop."""
    miss = sum(abs(x - outcome) for x in samples) / len(samples)
    return float(miss - sum(abs(x - z) for x in samples for z in samples) / (2 * len(samples) ** 2))


@pytest.mark.parametrize("count", [1, 2, 3, 17, 50])
def test_crps_equals_the_double_loop(count: int) -> None:
    rng = np.random.default_rng(count)
    samples, outcomes = rng.normal(size=(count, 4)), rng.normal(size=4)
    expected = [naive_crps(samples[:, i], outcomes[i]) for i in range(4)]
    np.testing.assert_allclose(crps(samples, outcomes), expected, atol=1e-12)


def test_crps_equals_the_double_loop_on_ties() -> None:
    samples = np.array([0.0, 0.0, 2.0, 2.0, 5.0])
    np.testing.assert_allclose(crps(samples[:, None], np.array([2.0])), naive_crps(samples, 2.0), atol=1e-12)


def test_crps_of_a_certain_forecast_is_the_absolute_error() -> None:
    assert crps(np.full((7, 1), 3.0), np.array([5.0]))[0] == pytest.approx(2.0)


def test_residual_crps_equals_the_weighted_mean_of_the_double_loop() -> None:
    rng = np.random.default_rng(0)
    residuals, weights = rng.normal(size=(20, 2)), rng.random(20)
    weights /= weights.sum()
    for column, score in enumerate(residual_crps(residuals, weights)):
        r = residuals[:, column]
        expected = 0.0
        for n in range(20):  # the forecast from origin n, its spread the residuals of all
            miss = sum(weights[m] * abs(r[m] - r[n]) for m in range(20))
            sharp = sum(weights[m] * weights[k] * abs(r[m] - r[k]) for m in range(20) for k in range(20)) / 2
            expected += weights[n] * (miss - sharp)
        assert score == pytest.approx(expected, abs=1e-12)


def test_residual_crps_with_equal_weights_is_the_mean_crps_of_samples() -> None:
    residuals = np.random.default_rng(1).normal(size=(30, 1))
    mean = np.mean([crps(residuals, residuals[n]) for n in range(30)])
    assert residual_crps(residuals, np.full(30, 1 / 30))[0] == pytest.approx(mean)


def test_scaled_crps_is_the_mean_score_of_forecasts_whose_spread_goes_with_the_scale() -> None:
    rng = np.random.default_rng(0)
    residuals, scales = rng.normal(size=(30, 2)), rng.uniform(0.5, 2.0, size=(30, 2))
    weights = rng.dirichlet(np.ones(30))
    expected = np.zeros(2)
    for origin, weight in enumerate(weights):
        samples = scales[origin] * residuals / scales
        apart = np.abs(samples[:, None] - samples[None, :])
        spread = 0.5 * np.einsum("m,k,mki->i", weights, weights, apart)
        expected += weight * (np.einsum("m,mi->i", weights, np.abs(samples - residuals[origin])) - spread)
    np.testing.assert_allclose(scaled_crps(residuals, scales, weights), expected)


def test_a_scale_that_never_changes_leaves_the_score_of_residuals() -> None:
    residuals, weights = np.random.default_rng(0).normal(size=(30, 2)), np.full(30, 1.0 / 30)
    scaled = scaled_crps(residuals, np.full((30, 2), 7.0), weights)
    np.testing.assert_allclose(scaled, residual_crps(residuals, weights))
