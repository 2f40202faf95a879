"""A young workload's posterior: wide before the first row, narrower with each, right as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.borrowed import Posterior, Prior, borrow
from foresail.forecasting.demand.evidence import COEFFICIENTS, MEMORY, tell, update
from tests.unit.forecasting.demand.peers import as_window, hours, make_prior, make_workload

LEVELS = np.array([0.025, 0.1, 0.5, 0.9, 0.975])


def width(posterior: Posterior, times: FloatArray) -> float:
    found = posterior.quantiles(times, LEVELS)
    return float(np.log((found[:, 3] + 1e-9) / (found[:, 1] + 1e-9)).mean())


def test_before_the_first_row_the_profile_is_the_populations_and_the_level_is_anybodys_guess() -> None:
    posterior = make_prior().learn(np.empty(0), np.empty(0))
    day = posterior.profile(hours(24))
    assert int(day.argmax()) == 12
    assert day[12] / day[0] == pytest.approx(np.exp(1.6), rel=0.15)
    low, high = posterior.quantiles(hours(1), LEVELS)[0, [1, 3]]
    assert high > 100.0 * (low + 0.01)


def test_two_rows_of_the_night_foretell_the_noon() -> None:
    prior = make_prior()
    demand = make_workload(prior, 48, np.random.default_rng(1))
    noon = prior.learn(hours(2), demand[:2]).quantiles(hours(1, first=12), LEVELS)[0]
    assert noon[1] < demand[12] < noon[3]
    assert noon[1] > 2.0 * demand[:2].max()


def test_the_more_is_seen_the_narrower_is_the_forecast_of_one_and_the_same_day() -> None:
    prior, rng = make_prior(spread=0.3), np.random.default_rng(2)
    days = [make_workload(prior, 336, rng) for _ in range(6)]
    asked = hours(24, first=340)
    widths = [np.mean([width(prior.learn(hours(n), day[:n]), asked) for day in days]) for n in (0, 2, 24, 168, 336)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.6 * widths[1]


@pytest.mark.parametrize("seen", [2, 12, 72])
def test_what_is_drawn_from_the_population_is_covered_as_promised(seen: int) -> None:
    prior, rng = make_prior(), np.random.default_rng(seen)
    inside = []
    for _ in range(100):
        demand = make_workload(prior, seen + 8, rng)
        found = prior.learn(hours(seen), demand[:seen]).quantiles(hours(2, first=seen + 2), LEVELS)
        truth = demand[seen + 2 : seen + 4]
        inside.append([(found[:, 1] < truth) & (truth < found[:, 3]), (found[:, 0] < truth) & (truth < found[:, 4])])
    eighty, ninety_five = np.mean(inside, axis=(0, 2))
    assert eighty == pytest.approx(0.80, abs=0.08)
    assert ninety_five == pytest.approx(0.95, abs=0.04)


def test_paths_have_the_quantiles_and_the_memory_of_the_posterior() -> None:
    prior = make_prior()
    posterior = prior.learn(hours(30), make_workload(prior, 30, np.random.default_rng(3)))
    ahead = hours(12, first=30)
    paths = posterior.samples(ahead, count=4000, seed=0)
    assert paths.shape == (4000, 12)
    np.testing.assert_allclose(np.quantile(paths, LEVELS, axis=0).T, posterior.quantiles(ahead, LEVELS), rtol=0.08)
    logs = np.log(paths)
    assert np.corrcoef(logs[:, 4], logs[:, 5])[0, 1] > np.corrcoef(logs[:, 4], logs[:, 10])[0, 1] + 0.1
    assert np.array_equal(paths, posterior.samples(ahead, count=4000, seed=0))


@settings(max_examples=15, deadline=None)
@given(unit=st.floats(1e-6, 1e9), seed=st.integers(0, 99))
def test_another_unit_of_demand_is_the_same_forecast_in_that_unit(unit: float, seed: int) -> None:
    prior = make_prior()
    demand = make_workload(prior, 10, np.random.default_rng(seed))
    one, other = prior.learn(hours(10), demand), prior.learn(hours(10), unit * demand)
    ahead = hours(3, first=10)
    np.testing.assert_allclose(other.quantiles(ahead, LEVELS), unit * one.quantiles(ahead, LEVELS), rtol=1e-6)
    np.testing.assert_allclose(other.profile(hours(24)), unit * one.profile(hours(24)), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(st.floats(0.0, 1e12), st.sampled_from([np.nan, 0.0, -1.0, np.inf, 1e12])), min_size=0, max_size=30
    )
)
def test_whatever_was_observed_quantiles_are_finite_and_ordered_and_paths_not_negative(values: list[float]) -> None:
    posterior = make_prior().learn(hours(len(values)), np.array(values, dtype=np.float64))
    ahead = hours(4, first=len(values))
    found, paths = posterior.quantiles(ahead, LEVELS), posterior.samples(ahead, count=20, seed=0)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= 0.0).all()
    assert np.isfinite(paths).all()
    assert paths.min() >= 0.0


def test_a_workload_that_has_shown_nothing_but_zeros_is_forecast_to_show_zeros() -> None:
    assert make_prior().learn(hours(9), np.zeros(9)).quantiles(hours(5, first=9), LEVELS).max() == 0.0


def test_a_gap_counts_as_the_time_it_took() -> None:
    prior = make_prior()
    demand = make_workload(prior, 40, np.random.default_rng(4))
    holed = demand.copy()
    holed[10:20] = np.nan
    kept = np.isfinite(holed)
    asked = hours(6, first=40)
    marked = prior.learn(hours(40), holed).quantiles(asked, LEVELS)
    left_out = prior.learn(hours(40)[kept], demand[kept]).quantiles(asked, LEVELS)
    np.testing.assert_array_equal(marked, left_out)


def test_rows_finer_than_the_priors_step_are_taken_as_means_over_it() -> None:
    prior = make_prior()
    demand = make_workload(prior, 12, np.random.default_rng(5))
    fine = np.repeat(demand, 4)
    instants = hours(12)[0] - 2700.0 + 900.0 * np.arange(48.0)
    asked = hours(6, first=12)
    np.testing.assert_allclose(
        prior.learn(instants, fine).quantiles(asked, LEVELS), prior.learn(hours(12), demand).quantiles(asked, LEVELS)
    )


def test_evidence_is_the_log_density_of_the_rows_up_to_a_constant() -> None:
    prior = make_prior()
    times, logs = hours(9), np.random.default_rng(6).normal(size=9)
    told = tell(times, logs)
    scale = np.array([0.3])
    found = update(told, prior.means, prior.spreads, scale)[2][0, :, 0]
    for kind in range(MEMORY.size):
        assert found[kind] - 4.5 * np.log(2.0 * np.pi) == pytest.approx(_log_density(prior, times, logs, kind, 0.3))


def _log_density(prior: Prior, times: FloatArray, logs: FloatArray, kind: int, scale: float) -> float:
    """The same from the covariance of all rows, written down directly."""
    from foresail.forecasting.demand.evidence import BURST, LEVEL_SPREAD, design  # noqa: PLC0415 - of this formula alone

    rows = design(times)
    spreads = np.concatenate([[LEVEL_SPREAD], prior.spreads[0]])
    lasting = np.exp(-np.abs(times[:, None] - times) / MEMORY[kind])
    rest = scale**2 * ((1.0 - BURST[kind]) * lasting + BURST[kind] * np.eye(times.size))
    covariance = (rows * spreads**2) @ rows.T + rest
    missed = logs - rows[:, 1:] @ prior.means[0]
    quadratic = missed @ np.linalg.solve(covariance, missed)
    return float(-0.5 * (quadratic + np.linalg.slogdet(covariance)[1] + times.size * np.log(2.0 * np.pi)))


def test_a_profile_is_borrowed_on_the_rows_of_the_past_and_on_to_the_instant_asked_for() -> None:
    past = as_window(make_workload(make_prior(), 6, np.random.default_rng(7)))
    found = borrow(make_prior(), past, until=past.end + 12.5 * 3600.0)
    assert (found.start, found.end) == (past.start, past.end + 13 * 3600.0)
    assert found.indicators == past.indicators
    assert 10 <= int(found.values[:, 0].argmax()) <= 14


def test_instants_that_are_past_are_refused() -> None:
    with pytest.raises(ValueError, match="after the last row"):
        make_prior().learn(hours(3), np.ones(3)).quantiles(hours(3), LEVELS)


def test_a_prior_survives_its_arrays_and_refuses_those_of_another_make() -> None:
    prior = make_prior()
    arrays = prior.arrays()
    again = Prior.restore(arrays)
    assert all(np.array_equal(arrays[name], value) for name, value in again.arrays().items())
    with pytest.raises(ValueError, match="means"):
        Prior.restore({**arrays, "means": np.zeros((1, COEFFICIENTS + 1))})
    with pytest.raises(ValueError, match="spreads must be positive"):
        Prior.restore({**arrays, "spreads": 0.0 * arrays["spreads"]})
    with pytest.raises(ValueError, match="noise must be finite"):
        Prior.restore({**arrays, "noise": np.array([np.nan, 1.0])})
    with pytest.raises(ValueError, match="rest lacks"):
        Prior.restore({name: value for name, value in arrays.items() if name != "rest"})
