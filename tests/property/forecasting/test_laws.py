"""Laws of forecasts: they scale with demand, do not know the date, are joint, sound, and never negative."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import DEMAND_INDICATORS, BoolArray, FloatArray, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from tests.builders import NOW

KEY = WorkloadKey("prod", "chat")
ROWS = st.integers(min_value=0, max_value=120)
RATES = st.floats(min_value=0.0, max_value=1e6, allow_subnormal=False).map(lambda rate: 0.0 if rate < 1e-3 else rate)


@st.composite
def windows(draw: st.DrawFn) -> tuple[FloatArray, BoolArray]:
    """Demand with holes, shape (W, 3): noise of some kind around a level, or any numbers at all."""
    rows = draw(ROWS)
    observed = draw(arrays(np.bool_, (rows,), elements=st.booleans(), fill=st.just(value=True)))
    if draw(st.booleans()):
        return draw(arrays(np.float64, (rows, 3), elements=RATES)), np.repeat(observed[:, None], 3, axis=1)
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    level = draw(st.sampled_from([0.0, 1.0, 50.0]))
    noise = level * np.exp(draw(st.sampled_from([0.0, 0.1, 1.0])) * rng.normal(size=(rows, 3)))
    return noise, np.repeat(observed[:, None], 3, axis=1)


def forecast(
    values: FloatArray, observed: BoolArray, *, end: float = NOW, horizon_seconds: float = 90.0, seasonal: bool = True
) -> Forecast | Unknown:
    recent = Window(DEMAND_INDICATORS, 15.0, end, values.copy(), observed.copy())
    days = Window(DEMAND_INDICATORS, 300.0, end, np.tile(values, (3, 1)), np.tile(observed, (3, 1)))
    request = ForecastRequest(recent, days if seasonal else None, horizon_seconds)
    return MixtureForecaster(samples=40).forecast({KEY: request})[KEY]


@given(windows(), st.floats(min_value=1e-3, max_value=1e3))
@settings(max_examples=60, deadline=None)
def test_samples_scale_with_their_window(window: tuple[FloatArray, BoolArray], factor: float) -> None:
    values, observed = window
    one, many = forecast(values, observed, seasonal=False), forecast(factor * values, observed, seasonal=False)
    if isinstance(one, Unknown):
        assert isinstance(many, Unknown)
        return
    assert isinstance(many, Forecast)
    largest = max(float(np.abs(values[observed.all(axis=1)]).max()), 1e-12)
    np.testing.assert_allclose(many.samples / factor, one.samples, rtol=1e-6, atol=1e-6 * largest)


@given(windows(), st.integers(min_value=-19, max_value=10))
@settings(max_examples=40, deadline=None)
def test_doubling_demand_doubles_samples_exactly(window: tuple[FloatArray, BoolArray], power: int) -> None:
    values, observed = window
    one, many = forecast(values, observed), forecast(2.0**power * values, observed)
    if isinstance(one, Forecast):
        assert isinstance(many, Forecast)
        np.testing.assert_allclose(many.samples, 2.0**power * one.samples, rtol=1e-9)


@given(windows(), st.integers(min_value=-10_000_000, max_value=10_000_000))
@settings(max_examples=40, deadline=None)
def test_a_forecast_does_not_know_the_date(window: tuple[FloatArray, BoolArray], seconds: int) -> None:
    values, observed = window
    here, there = forecast(values, observed), forecast(values, observed, end=NOW + seconds)
    if isinstance(here, Forecast):
        assert isinstance(there, Forecast)
        assert there.origin - here.origin == seconds
        np.testing.assert_allclose(there.samples, here.samples)


@given(windows(), st.floats(min_value=1.0, max_value=600.0))
@settings(max_examples=60, deadline=None)
def test_a_forecast_is_sound_or_says_why_it_is_none(window: tuple[FloatArray, BoolArray], horizon: float) -> None:
    values, observed = window
    answer = forecast(values, observed, horizon_seconds=horizon)
    if isinstance(answer, Unknown):
        assert answer.reason == "NoHistory"
        assert observed.all(axis=1).sum() < 3 or not observed[-41:].all(axis=1).any()
        return
    assert np.isfinite(answer.samples).all()
    assert answer.samples.min() >= 0.0
    assert answer.samples.shape == (40, np.ceil(horizon / 15.0 - 1e-9), 3)
    assert answer.source in {"mixture", "seasonal", "last-value"}
    assert answer.reason


@given(windows())
@settings(max_examples=40, deadline=None)
def test_indicators_that_are_multiples_stay_multiples_on_every_path(window: tuple[FloatArray, BoolArray]) -> None:
    values, observed = window
    shared = values[:, :1] * np.array([1.0, 1000.0, 250.0])
    answer = forecast(shared, observed)
    if isinstance(answer, Forecast):
        largest = max(float(shared.max()), 1e-12)
        for column, factor in ((1, 1000.0), (2, 250.0)):
            multiple = factor * answer.samples[:, :, 0]
            np.testing.assert_allclose(answer.samples[:, :, column], multiple, rtol=1e-6, atol=1e-6 * largest)


@given(windows(), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_what_stands_in_a_hole_changes_nothing(window: tuple[FloatArray, BoolArray], seed: int) -> None:
    values, observed = window
    other = np.where(observed, values, np.random.default_rng(seed).choice([np.nan, np.inf, -1.0, 1e12], values.shape))
    one, two = forecast(values, observed), forecast(other, observed)
    if isinstance(one, Forecast):
        assert isinstance(two, Forecast)
        np.testing.assert_array_equal(one.samples, two.samples)
