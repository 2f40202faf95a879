"""Marginals: scores and values are each other's inverse, standard normal where the forecast is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is not installed: what needs no training is tested without")

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.marginals import LIMIT, Marginals

LEVELS = (np.arange(100) + 0.5) / 100


def make_marginals(rows: int, width: int = 2, *, seed: int = 0) -> Marginals:
    drawn = np.random.default_rng(seed).gamma(2.0, size=(rows, LEVELS.size, width))
    return Marginals(np.sort(drawn, axis=1), LEVELS)


def test_reading_at_the_scores_of_values_gives_the_values_back() -> None:
    marginals = make_marginals(50)
    values = np.random.default_rng(1).gamma(2.0, size=(50, 2))
    scores = marginals.scores(values)
    kept = np.abs(scores) < LIMIT
    assert kept.mean() > 0.95
    np.testing.assert_allclose(marginals.read(scores[:, None])[:, 0][kept], values[kept], rtol=1e-9)


def test_reading_at_the_knots_gives_the_quantiles_exactly() -> None:
    marginals = make_marginals(5)
    knots = np.broadcast_to(marginals.knots[:, None], (5, LEVELS.size, 2))
    np.testing.assert_allclose(marginals.read(knots), marginals.quantiles, rtol=1e-12)


def test_scores_of_what_was_forecast_rightly_are_standard_normal() -> None:
    rng = np.random.default_rng(0)
    spread = rng.gamma(2.0, size=(4000, 1, 1))
    knots = make_marginals(1).knots
    marginals = Marginals(7.0 + spread * knots[None, :, None], LEVELS)
    scores = marginals.scores(7.0 + spread[:, 0] * rng.normal(size=(4000, 1)))
    assert abs(scores.mean()) < 0.05
    assert abs(scores.std() - 1.0) < 0.05
    assert (np.abs(scores) > 1.96).mean() == pytest.approx(0.05, abs=0.012)


def test_scores_at_a_jump_are_anywhere_in_it_by_chance() -> None:
    """A forecast of 30 % zeros: at zero the score is a normal one's lowest 30 %."""
    quantiles = np.where(LEVELS < 0.3, 0.0, 1.0 + LEVELS)[None, :, None].repeat(3000, axis=0)
    scores = Marginals(quantiles, LEVELS).scores(np.zeros((3000, 1)), np.random.default_rng(0).random((3000, 1)))
    assert scores.max() <= -0.52
    assert scores.min() < -2.0
    assert np.median(scores) == pytest.approx(-1.036, abs=0.05)  # Φ⁻¹(.15)


def test_what_is_missing_has_no_score() -> None:
    values = np.array([[np.nan, 1.0]])
    assert np.isnan(make_marginals(1).scores(values)).tolist() == [[True, False]]


@pytest.mark.parametrize("value", [-1e12, 1e12, -1e300, 1e300])
def test_what_is_far_outside_has_the_outermost_score(value: float) -> None:
    scores = make_marginals(1).scores(np.full((1, 2), value))
    np.testing.assert_array_equal(scores, np.full((1, 2), np.sign(value) * LIMIT))


def test_a_certain_forecast_is_read_exactly_at_any_score() -> None:
    marginals = Marginals(np.full((1, 100, 1), 0.1), LEVELS)
    assert (marginals.read(np.linspace(-9.0, 9.0, 50).reshape(1, 50, 1)) == 0.1).all()
    assert np.abs(marginals.scores(np.full((1, 1), 0.1), 0.5)).max() < 1e-9


@given(unit=st.integers(-30, 30), move=st.floats(-3.0, 3.0))
def test_units_do_not_matter(unit: int, move: float) -> None:
    marginals, scale = make_marginals(4), 2.0**unit
    values: FloatArray = np.random.default_rng(2).gamma(2.0, size=(4, 2)) + move
    scaled = Marginals(marginals.quantiles * scale, LEVELS)
    np.testing.assert_array_equal(scaled.scores(values * scale), marginals.scores(values))


@given(st.lists(st.floats(-6.0, 6.0), min_size=2, max_size=8))
def test_higher_scores_read_no_lower(scores: list[float]) -> None:
    ordered = np.sort(np.array(scores)).reshape(1, -1, 1).repeat(2, axis=2)
    assert (np.diff(make_marginals(1).read(ordered), axis=1) >= -1e-9).all()
