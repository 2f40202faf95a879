from __future__ import annotations

import numpy as np
import pytest

from foresail.forecasting.series.coins import coin_floor, is_coin_flip
from foresail.forecasting.series.features import Kind, kinds, rate, regressors
from tests.unit.forecasting.series.tables import make_values


def test_every_column_is_recognized_for_what_it_is() -> None:
    assert kinds(make_values(500)) == (Kind.LEVEL, Kind.COIN_FLIP, Kind.COUNTER, Kind.CONSTANT)


def test_a_column_without_values_is_a_constant() -> None:
    assert kinds(np.full((50, 1), np.nan)) == (Kind.CONSTANT,)


def test_a_counter_that_stands_for_long_and_resets_is_a_counter() -> None:
    counter = np.repeat(np.arange(100.0), 10)
    counter[600:] -= counter[600]
    assert kinds(counter[:, None]) == (Kind.COUNTER,)


def test_a_switch_that_stays_where_it_is_is_no_coin() -> None:
    rng = np.random.default_rng(0)
    stays = np.cumsum(rng.random(1000) < 0.1) % 2
    assert not is_coin_flip(stays.astype(np.float64))
    assert is_coin_flip((rng.random(1000) < 0.5).astype(np.float64))


def test_a_switch_with_a_rhythm_is_no_coin() -> None:
    assert not is_coin_flip(np.tile([0.0, 0.0, 1.0], 200))


def test_noise_around_one_level_is_no_coin() -> None:
    assert not is_coin_flip(np.random.default_rng(0).normal(size=1000))


def test_the_floor_of_a_fair_coin_is_half_of_ginis_mean_difference() -> None:
    column = (np.random.default_rng(0).random(4000) < 0.5).astype(np.float64)
    # E|X - X'| of a fair coin is 1/2, CRPS of its own law 1/4.
    assert coin_floor(column, 2000) == pytest.approx(0.25, abs=0.005)


def test_a_rate_is_what_grew_since_the_row_before() -> None:
    # A reset to 2: two have grown since. From 12 to 11: a correction, nothing has grown.
    np.testing.assert_array_equal(rate(np.array([5.0, 8.0, 2.0, 12.0, 11.0])), [0.0, 3.0, 2.0, 10.0, 0.0])


def test_regressors_of_a_row_are_functions_of_it_and_earlier_ones() -> None:
    rows = np.random.default_rng(0).normal(size=(100, 2))
    altered = rows.copy()
    altered[60:] += 7.0
    before, after = (regressors(seen, 24, 3) for seen in (rows, altered))
    np.testing.assert_array_equal(before[:60], after[:60])
    assert not np.array_equal(before[60:], after[60:])


def test_regressors_do_not_know_the_level() -> None:
    rows = np.random.default_rng(0).normal(size=(100, 2))
    np.testing.assert_allclose(regressors(rows + 50.0, 24, 3), regressors(rows, 24, 3), atol=1e-12)
