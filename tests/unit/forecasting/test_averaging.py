from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.forecasting.averaging import average, band_scores, weigh_online
from foresail.forecasting.scores import crps

LEVELS = (np.arange(100) + 0.5) / 100


def make_scores(rows: int, experts: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.exponential(size=(rows, 5, experts)) * rng.exponential(size=experts)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 6), st.integers(1, 12), st.integers(0, 100), st.floats(1e-9, 1e9))
def test_weights_are_shares_whatever_the_unit(rows: int, experts: int, horizon: int, seed: int, unit: float) -> None:
    scores = make_scores(rows, experts, seed)
    weights = weigh_online(scores, horizon)
    np.testing.assert_allclose(weights.sum(axis=2), 1.0, atol=1e-12)
    assert (weights >= 0.0).all()
    np.testing.assert_allclose(weigh_online(scores * unit, horizon), weights, atol=1e-9)


def test_weights_are_equal_before_any_score_is_known() -> None:
    weights = weigh_online(make_scores(20, 4, 0), 6)
    np.testing.assert_array_equal(weights[:6], 0.25)
    assert not np.allclose(weights[6], 0.25)


@pytest.mark.parametrize("horizon", [1, 4])
def test_weights_rest_on_targets_up_to_their_origin_only(horizon: int) -> None:
    scores = make_scores(50, 3, 0)
    altered = scores.copy()
    altered[30:] *= 5.0 + np.arange(3.0)
    same = np.all(weigh_online(scores, horizon) == weigh_online(altered, horizon), axis=(1, 2))
    # Target 30 is the first that was altered; it is known at origin 30, which forecasts target 30 + horizon.
    assert same[: 30 + horizon].all()
    assert not same[30 + horizon]


def test_a_missing_outcome_tells_nothing() -> None:
    scores = make_scores(30, 3, 0)
    scores[10] = np.nan
    weights = weigh_online(scores, 1)
    np.testing.assert_array_equal(weights[11], weights[10])
    assert np.isfinite(weights).all()


def test_the_better_expert_gets_the_weight() -> None:
    scores = np.ones((300, 5, 2))
    scores[:, :, 1] = 1.5
    assert weigh_online(scores, 1)[-1, :, 0].min() > 0.99


def test_band_scores_have_the_crps_as_their_mean() -> None:
    rng = np.random.default_rng(0)
    quantiles, outcomes = np.sort(rng.normal(size=(3, 20, 100)), axis=2), rng.normal(size=20)
    expected = crps(quantiles.transpose(2, 1, 0), outcomes[:, None])
    np.testing.assert_allclose(band_scores(quantiles, outcomes, LEVELS).mean(axis=1), expected, atol=1e-12)


def test_an_average_is_ascending_between_the_experts_and_exact_where_they_agree() -> None:
    rng = np.random.default_rng(0)
    quantiles = np.sort(rng.normal(size=(3, 20, 100)), axis=2)
    weights = weigh_online(make_scores(20, 3, 1), 1)
    found = average(quantiles, weights)
    assert (np.diff(found, axis=1) >= 0.0).all()
    assert (found >= quantiles.min(axis=0) - 1e-12).all()
    assert (found <= quantiles.max(axis=0) + 1e-12).all()
    assert (average(np.full((3, 20, 100), 0.1), weights) == 0.1).all()
