"""The copula and the energy score."""

from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.copula import SAMPLES, couple, read_at, sample_levels, shuffle_columns
from foresail.forecasting.series.energy import energy_score

LEVELS = (np.arange(100) + 0.5) / 100


def naive_energy_score(samples: FloatArray, outcome: FloatArray) -> float:
    """The definition, as a double loop."""
    count = len(samples)
    missed = sum(float(np.linalg.norm(x - outcome)) for x in samples) / count
    apart = sum(float(np.linalg.norm(samples[i] - samples[k])) for i in range(count) for k in range(count) if i != k)
    return missed - apart / (2.0 * count * (count - 1))


def together(rows: int, correlation: float, seed: int = 0) -> FloatArray:
    """Standard normal outcomes of two columns."""
    rng = np.random.default_rng(seed)
    cause, noise = rng.normal(size=(rows, 1)), rng.normal(size=(rows, 2))
    return np.asarray(np.sqrt(correlation) * cause + np.sqrt(1.0 - correlation) * noise)


def marginals(rows: int) -> FloatArray:
    """The same true marginal quantiles for every row, shape (rows, 100, 2)."""
    ordered = np.sort(np.random.default_rng(5).normal(size=100_000))
    return np.tile(np.quantile(ordered, LEVELS)[None, :, None], (rows, 1, 2))


@pytest.mark.parametrize("shift", [0.0, 1e9])
def test_the_energy_score_equals_the_double_loop(shift: float) -> None:
    rng = np.random.default_rng(0)
    samples, outcomes = rng.normal(size=(70, 12, 3)) + shift, rng.normal(size=(70, 3)) + shift
    expected = [naive_energy_score(samples[t], outcomes[t]) for t in range(70)]
    np.testing.assert_allclose(energy_score(samples, outcomes), expected, rtol=1e-6)


def test_the_energy_score_of_one_column_is_the_unbiased_crps_of_its_samples() -> None:
    samples = np.array([[[0.0], [1.0], [3.0]]])
    # mean |x - 1| = 1, mean distance of different ones (1 + 3 + 2)/3 = 2: 1 - 2/2 = 0
    assert energy_score(samples, np.array([[1.0]]))[0] == pytest.approx(0.0)


def test_samples_keep_the_marginals() -> None:
    quantiles = marginals(150)
    samples = couple(quantiles, together(150, 0.8), LEVELS, horizon=1, first=120, seed=0)
    assert samples.shape == (30, SAMPLES, 2)
    np.testing.assert_array_equal(np.sort(samples, axis=1), quantiles[120:])


def test_samples_are_as_dependent_as_past_outcomes() -> None:
    for correlation in (0.0, 0.8):
        outcomes = together(800, correlation)
        samples = couple(marginals(800), outcomes, LEVELS, horizon=1, first=200, seed=0)
        found = np.mean([np.corrcoef(sample.T)[0, 1] for sample in samples])
        assert found == pytest.approx(correlation, abs=0.06)


def test_dependence_is_worth_something_over_its_own_shuffle() -> None:
    outcomes = together(800, 0.95)
    samples = couple(marginals(800), outcomes, LEVELS, horizon=1, first=200, seed=0)
    joint = energy_score(samples, outcomes[200:]).mean()
    shuffled = energy_score(shuffle_columns(samples, 0), outcomes[200:]).mean()
    assert joint < 0.99 * shuffled


@pytest.mark.parametrize("horizon", [1, 6])
def test_samples_rest_on_outcomes_known_at_their_origin(horizon: int) -> None:
    outcomes = together(200, 0.5)
    altered = outcomes.copy()
    altered[150:] *= -3.0
    first, second = (couple(marginals(200), o, LEVELS, horizon=horizon, first=100, seed=0) for o in (outcomes, altered))
    same = np.all(first == second, axis=(1, 2))
    assert same[: 50 + horizon].all()
    assert not same[50 + horizon :].all()


def test_holes_are_no_obstacle() -> None:
    outcomes = together(150, 0.5)
    outcomes[::3, 0] = np.nan
    assert np.isfinite(couple(marginals(150), outcomes, LEVELS, horizon=2, first=100, seed=0)).all()


def test_levels_between_are_read_linearly() -> None:
    quantiles = np.tile(np.arange(100.0)[None, :, None], (1, 1, 1))
    # .99 lies midway between .985 and .995, the 98th and 99th from 0; .001 below the first.
    np.testing.assert_allclose(read_at(quantiles, LEVELS, np.array([0.99, 0.001]))[0, :, 0], [98.5, 0.0])


def test_other_numbers_of_levels_give_a_hundred_samples() -> None:
    assert sample_levels(np.tile(np.arange(20.0)[None, :, None], (3, 1, 2)), (np.arange(20) + 0.5) / 20).shape == (
        3,
        100,
        2,
    )
