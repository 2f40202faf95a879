"""Laws of the PIT."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from foresail.forecasting.series.pit import pit

LEVELS = (np.arange(100) + 0.5) / 100
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def test_it_is_uniform_where_the_forecast_is_the_truth() -> None:
    outcomes = np.random.default_rng(0).normal(size=(20_000, 1))
    found = pit(np.broadcast_to(NORMAL[None, :, None], (20_000, 100, 1)), outcomes, seed=0)
    counts, _ = np.histogram(found, bins=20, range=(0.0, 1.0))
    # Chance moves a bin by 31 of 1,000; the hundred quantiles tell it within that.
    np.testing.assert_allclose(counts, 1000.0, atol=4.0 * 31.0)


@pytest.mark.parametrize("dust", [0.0, 1e-107, 1e-12])
def test_it_is_uniform_where_few_values_are_likely(dust: float) -> None:
    quantiles = np.where(LEVELS < 0.3, 0.0, 1.0) + dust * np.arange(100)
    quantiles = np.broadcast_to(quantiles[None, :, None], (20_000, 100, 1))
    outcomes = (np.random.default_rng(0).random((20_000, 1)) >= 0.3).astype(np.float64)
    counts, _ = np.histogram(pit(quantiles, outcomes, seed=1), bins=10, range=(0.0, 1.0))
    np.testing.assert_allclose(counts, 2000.0, atol=4.0 * 45.0)


def test_outcomes_beyond_all_quantiles_are_at_the_ends_and_missing_ones_nowhere() -> None:
    quantiles = np.zeros((3, 100, 1)) + NORMAL[None, :, None]
    found = pit(quantiles, np.array([[-9.0], [9.0], [np.nan]]), seed=0)
    assert 0.0 <= found[0, 0] <= 0.005
    assert 0.995 <= found[1, 0] <= 1.0
    assert np.isnan(found[2, 0])
