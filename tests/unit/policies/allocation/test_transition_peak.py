from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.allocation import Candidate
from foresail.domain.errors import InputError
from foresail.policies.allocation.transitions.outlook import from_paths, from_windows
from foresail.policies.allocation.transitions.peak import peak_demand, steps_ahead

NOW = np.array([[1.0, 5.0]])


def variant(startup_seconds: float) -> Candidate:
    return Candidate(str(startup_seconds), "A", 1, 1.0, NOW, startup_seconds=startup_seconds)


def test_the_forecast_counts_until_the_slowest_start_of_the_next_decision_serves() -> None:
    assert steps_ahead([variant(60.0), variant(300.0)], 120.0) == 3  # 300 s are 2.5 steps
    assert steps_ahead([variant(300.0)], 120.0, decision_seconds=120.0) == 4
    assert steps_ahead([variant(0.0)], 120.0) == 1
    assert steps_ahead([], 120.0) == 1


def test_the_peak_is_the_most_of_each_bucket_now_or_within_the_steps() -> None:
    forecast = np.array([[[2.0, 1.0]], [[0.0, 7.0]], [[9.0, 9.0]]])
    assert peak_demand(NOW, forecast, 1).tolist() == [[2.0, 5.0]]
    assert peak_demand(NOW, forecast, 2).tolist() == [[2.0, 7.0]]
    assert peak_demand(NOW, forecast, 9).tolist() == [[9.0, 9.0]]


def test_paths_that_peak_at_different_times_all_count() -> None:
    early, late = np.array([[[8.0]], [[0.0]]]), np.array([[[0.0]], [[8.0]]])
    paths = np.stack([early, late])
    assert peak_demand(np.array([[0.0]]), paths, 2, quantile=0.5).tolist() == [[8.0]]
    assert np.quantile(paths, 0.5, axis=0).max() == 4.0  # what quantiles of instants would say


@given(st.integers(1, 4), st.integers(1, 5), st.floats(0.0, 1.0), st.integers(0, 99))
def test_the_peak_covers_now_and_grows_with_steps_and_quantile(
    steps: int, paths: int, quantile: float, seed: int
) -> None:
    forecast = np.random.default_rng(seed).exponential(3.0, (paths, 4, 1, 2))
    peak = peak_demand(NOW, forecast, steps, quantile=quantile)
    assert (peak >= NOW).all()
    assert (peak_demand(NOW, forecast, steps + 1, quantile=quantile) >= peak).all()
    assert (peak_demand(NOW, forecast, steps, quantile=1.0) >= peak).all()
    assert (peak_demand(NOW, forecast[0], steps) >= NOW).all()


@pytest.mark.parametrize(
    ("shape", "quantile", "field"),
    [
        ((3, 2, 2), None, "forecast_rps"),
        ((1, 2), None, "forecast_rps"),
        ((0, 1, 2), None, "forecast_rps"),
        ((2, 3, 1, 2), None, "quantile"),
        ((2, 3, 1, 2), 1.5, "quantile"),
        ((3, 1, 2), 0.5, "quantile"),
    ],
)
def test_what_cannot_be_a_forecast_of_this_demand_is_refused(
    shape: tuple[int, ...], quantile: float | None, field: str
) -> None:
    with pytest.raises(InputError) as refused:
        peak_demand(NOW, np.ones(shape), 2, quantile=quantile)
    assert refused.value.field == field
    assert refused.value.remedy


def test_a_missing_rate_is_not_taken_for_none() -> None:
    with pytest.raises(InputError, match="missing or not finite"):
        peak_demand(NOW, np.array([[[1.0, np.nan]]]), 1)


def test_the_outlook_is_the_present_rate_grown_as_of_late_and_spread_as_of_late() -> None:
    windows = [np.array([[4.0, 0.0]]), np.array([[8.0, 8.0]]), np.array([[0.0, 4.0]])]
    first, second = from_windows(windows, damping=0.5)
    assert first == pytest.approx(np.array([[4.0, 4.0]]))  # 4 rps grow by √(16/4) = 2, half and half
    assert second == pytest.approx(np.array([[0.0, 2.0]]))  # by √(4/16) = 1/2
    assert len(from_windows(windows, count=1)) == 1
    assert from_windows(windows[:1])[0].tolist() == [[4.0, 0.0]]
    assert from_windows([np.zeros((1, 2)), windows[0]])[0].tolist() == [[4.0, 0.0]]


def test_many_paths_are_told_by_a_few_at_quantiles_of_their_rate() -> None:
    paths = np.arange(11.0)[::-1].reshape(11, 1, 1, 1) * np.ones((11, 2, 1, 1))
    assert [float(one[0, 0]) for one in from_paths(paths)] == [1.0, 3.0, 5.0, 7.0, 9.0]
