from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import DEMAND_INDICATORS, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from tests.builders import NOW, make_window
from tests.unit.forecasting.demand.windows import DAY_ROWS, KEY, make_days, make_demand_window, make_noise, replay


def forecast(
    recent: Window, history: Window | None = None, *, horizon_seconds: float = 150.0, samples: int = 200, seed: int = 0
) -> Forecast | Unknown:
    forecaster = MixtureForecaster(samples=samples, seed=seed)
    return forecaster.forecast({KEY: ForecastRequest(recent, history, horizon_seconds)})[KEY]


def known(answer: Forecast | Unknown) -> Forecast:
    assert isinstance(answer, Forecast)
    return answer


def test_the_horizon_is_in_seconds_and_the_step_that_of_the_recent_window() -> None:
    answer = known(forecast(make_demand_window(make_noise(240), step_seconds=15.0), horizon_seconds=151.0, samples=64))
    assert answer.samples.shape == (64, 11, 3)  # 151 s are not reached with ten steps of 15 s
    assert (answer.step_seconds, answer.origin, answer.indicators) == (15.0, NOW, DEMAND_INDICATORS)


def test_a_forecast_says_what_it_rests_on() -> None:
    answer = known(forecast(make_demand_window(make_noise(240))))
    assert answer.source == "mixture"
    assert "past paths" in answer.reason
    assert "no season was found" in answer.reason
    assert answer.calibrated is None


@pytest.mark.parametrize("rows", [3, 10, 240])
def test_constant_zero_demand_gives_zeros(rows: int) -> None:
    zeros = make_demand_window(np.zeros((rows, 3)))
    assert (known(forecast(zeros, make_demand_window(np.zeros((500, 3))))).samples == 0.0).all()


def test_constant_demand_goes_on_when_there_is_enough_of_it() -> None:
    constant = make_demand_window(np.full((240, 3), 5.0))
    np.testing.assert_allclose(known(forecast(constant)).samples, 5.0)


def test_three_samples_give_the_last_value_wide() -> None:
    answer = known(forecast(make_window([8.0, 9.0, 10.0])))
    assert answer.source == "last-value"
    assert "3 samples" in answer.reason
    assert np.median(answer.samples[:, -1, 0]) == pytest.approx(10.0, rel=0.01)
    assert np.quantile(answer.samples[:, -1, 0], 0.95) > 20.0


def test_few_past_paths_are_mixed_with_wide_ones() -> None:
    few = known(forecast(make_demand_window(np.full((20, 3), 10.0))))
    assert few.source == "mixture"
    assert np.quantile(few.samples[:, -1, 0], 0.99) > 15.0


@pytest.mark.parametrize("rps", [[], [None] * 50, [5.0, None, None], [5.0, 6.0]])
def test_no_history_is_unknown_and_says_so(rps: list[float | None]) -> None:
    answer = forecast(make_window(rps))
    assert isinstance(answer, Unknown)
    assert answer.reason == "NoHistory"
    assert "needs 3" in answer.message


def test_a_past_that_ended_long_ago_is_unknown() -> None:
    answer = forecast(make_window([5.0] * 100 + [None] * 41))
    assert isinstance(answer, Unknown)
    assert answer.reason == "NoHistory"
    assert "615 s old" in answer.message  # 41 rows of 15 s


def test_an_indicator_that_was_never_observed_is_unknown() -> None:
    window = make_demand_window(make_noise(100))
    observed = window.observed.copy()
    observed[:, 2] = False
    assert isinstance(forecast(replace(window, observed=observed)), Unknown)


def test_nonsense_is_a_hole() -> None:
    values = make_noise(240)
    rows = np.random.default_rng(0).random(240) < 0.1
    nonsense, holes = values.copy(), np.where(rows[:, None], 0.0, values)
    nonsense[rows] = np.random.default_rng(1).choice([np.inf, -np.inf, np.nan, -5.0, -1e9], size=(rows.sum(), 3))
    expected = known(forecast(make_demand_window(holes, observed=~rows)))
    np.testing.assert_array_equal(known(forecast(make_demand_window(nonsense))).samples, expected.samples)


def test_what_stands_in_a_hole_means_nothing() -> None:
    values, observed = make_noise(240), np.random.default_rng(0).random(240) > 0.1
    other = np.where(observed[:, None], values, 1e9)
    first, second = (known(forecast(make_demand_window(v, observed=observed))) for v in (values, other))
    np.testing.assert_array_equal(first.samples, second.samples)


def test_a_gap_is_not_read_as_zero() -> None:
    observed = np.ones(240, dtype=np.bool_)
    observed[150:200] = False
    values = np.where(observed[:, None], make_noise(240, spread=0.05), 0.0)
    answer = known(forecast(make_demand_window(values, observed=observed)))
    assert np.quantile(answer.samples[:, :, 0], 0.01) > 30.0  # the level is 50


def test_a_hole_at_the_end_widens_the_forecast_and_keeps_its_instants() -> None:
    walk = (1000.0 + 10.0 * np.cumsum(np.random.default_rng(0).normal(size=480)))[:, None] * np.ones(3)
    observed = np.ones(480, dtype=np.bool_)
    observed[-10:] = False
    fresh = known(forecast(make_demand_window(walk)))
    stale = known(forecast(make_demand_window(walk, observed=observed)))
    assert stale.origin == fresh.origin
    assert stale.samples.shape == fresh.samples.shape
    assert stale.samples[:, 0, 0].std() > 1.5 * fresh.samples[:, 0, 0].std()


def test_the_same_windows_give_the_same_samples() -> None:
    values, _ = make_days(1500)
    recent, history = make_demand_window(values[-240:]), make_demand_window(values)
    forecaster = MixtureForecaster()
    request = {KEY: ForecastRequest(recent, history, 150.0)}
    first, again = known(forecaster.forecast(request)[KEY]), known(forecaster.forecast(request)[KEY])
    other = known(forecast(recent, history))
    np.testing.assert_array_equal(first.samples, again.samples)
    np.testing.assert_array_equal(first.samples, other.samples)


def test_the_seed_orders_the_paths_and_changes_nothing_else() -> None:
    recent = make_demand_window(make_noise(240))
    first, second = known(forecast(recent, seed=0)), known(forecast(recent, seed=1))
    assert not np.array_equal(first.samples, second.samples)
    np.testing.assert_array_equal(np.sort(first.samples, axis=0), np.sort(second.samples, axis=0))


def test_the_answer_does_not_depend_on_the_other_workloads() -> None:
    recent = make_demand_window(make_noise(240))
    crowd = {WorkloadKey("prod", f"w{i}"): ForecastRequest(recent, None, 90.0 + 15.0 * i) for i in range(5)}
    together = MixtureForecaster().forecast(crowd | {KEY: ForecastRequest(recent, None, 150.0)})
    assert len(together) == 6
    np.testing.assert_array_equal(known(together[KEY]).samples, known(forecast(recent)).samples)


def test_a_workload_no_longer_asked_for_is_forgotten() -> None:
    forecaster = MixtureForecaster()
    values = make_noise(600)
    for _row, _ in replay(values, range(240, 400), horizon_seconds=60.0, forecaster=forecaster):
        pass
    forecaster.forecast({})
    request = ForecastRequest(make_demand_window(values[160:400]), None, 60.0)
    assert known(forecaster.forecast({KEY: request})[KEY]).calibrated is None


def test_seasons_survive_a_history_that_is_missing_for_a_while() -> None:
    values, _ = make_days(13 * DAY_ROWS)
    forecaster = MixtureForecaster()
    recent, history = make_demand_window(values[-240:]), make_demand_window(values)
    forecaster.forecast({KEY: ForecastRequest(recent, history, 150.0)})
    later = make_demand_window(values[-240:], end=NOW + 3600.0)
    assert "1.2 h was found" in known(forecaster.forecast({KEY: ForecastRequest(later, None, 150.0)})[KEY]).reason


def test_a_given_period_is_taken() -> None:
    noise = make_noise(1000)
    request = ForecastRequest(make_demand_window(noise[-240:]), make_demand_window(noise), 150.0, 7200.0)
    assert "a season of 2.0 h" in known(MixtureForecaster().forecast({KEY: request})[KEY]).reason


def test_a_history_of_other_indicators_is_left_aside() -> None:
    history = Window(("gpu_seconds",), 300.0, NOW, np.ones((500, 1)), np.ones((500, 1), dtype=np.bool_))
    assert known(forecast(make_demand_window(make_noise(240)), history)).source == "mixture"


def test_a_horizon_longer_than_the_past_is_answered_with_the_wide_last_value() -> None:
    answer = known(forecast(make_demand_window(make_noise(100)), horizon_seconds=3600.0))
    assert answer.source == "last-value"
    assert answer.horizon_seconds == 3600.0


@pytest.mark.parametrize("horizon", [0.0, -1.0, np.nan, np.inf])
def test_a_horizon_that_is_none_is_refused(horizon: float) -> None:
    with pytest.raises(ValueError, match="horizon_seconds must be positive"):
        ForecastRequest(make_window([1.0]), None, horizon)


@pytest.mark.parametrize("period", [0.0, -1.0, np.nan, np.inf])
def test_a_period_that_is_none_is_refused(period: float) -> None:
    with pytest.raises(ValueError, match="period_seconds must be positive"):
        ForecastRequest(make_window([1.0]), None, 60.0, period)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        MixtureForecaster(samples=0)
