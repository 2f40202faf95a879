from __future__ import annotations

import numpy as np

from foresail.forecasting.series.rolling import rolling_quantiles, sorted_quantiles

LEVELS = (np.arange(100) + 0.5) / 100


def test_quantiles_of_as_many_values_as_levels_are_the_values() -> None:
    values = np.sort(np.random.default_rng(0).normal(size=(3, 100)), axis=1)
    np.testing.assert_allclose(sorted_quantiles(values, LEVELS), values, atol=1e-12)


def test_quantiles_are_numpys_by_hazen() -> None:
    values = np.sort(np.random.default_rng(0).normal(size=(1, 37)), axis=1)
    expected = np.quantile(values[0], LEVELS, method="hazen")
    np.testing.assert_allclose(sorted_quantiles(values, LEVELS)[0], expected, atol=1e-12)


def test_windows_hold_the_last_observed_values_before_each_end() -> None:
    rng = np.random.default_rng(1)
    column = rng.normal(size=80)
    column[rng.random(80) < 0.3] = np.nan
    ends = np.arange(81)
    found = rolling_quantiles(column, ends, 12, LEVELS)
    for end in ends:
        known = column[:end][np.isfinite(column[:end])][-12:]
        expected = np.quantile(known, LEVELS, method="hazen") if known.size else np.zeros(100)
        np.testing.assert_allclose(found[end], expected, atol=1e-12)


def test_a_column_without_values_has_no_spread() -> None:
    assert (rolling_quantiles(np.full(20, np.nan), np.arange(20), 5, LEVELS) == 0.0).all()
