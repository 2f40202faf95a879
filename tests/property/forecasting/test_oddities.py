"""Odd series are answered with finite, ordered quantiles, or refused with the field named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foresail.domain.errors import InputError
from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.evaluate import Evaluation, Rules, evaluate
from tests.property.forecasting.models import NAMES, make_quick_model
from tests.unit.forecasting.series.tables import make_series, make_values

every_model = pytest.mark.parametrize("name", NAMES)


def answer(values: FloatArray, name: str, horizon: int = 1) -> Evaluation:
    return evaluate(make_series(values), make_quick_model(name), horizon, Rules(), lambda: 0.0)


def expect_sound(found: Evaluation) -> None:
    assert np.isfinite(found.quantiles).all()
    assert (np.diff(found.quantiles, axis=1) >= 0.0).all()
    assert np.isfinite(found.samples).all()
    assert found.figures.crps is None or (np.isfinite(found.figures.crps) and found.figures.crps >= 0.0)


def holes(values: FloatArray) -> FloatArray:
    values[20:60] = np.nan
    values[np.random.default_rng(3).random(values.shape) < 0.3] = np.nan
    values[0] = 1.0
    return values


def spike(values: FloatArray, row: int) -> FloatArray:
    values[row, 0] = 1e12
    return values


ODD = {
    "40 rows": make_values(40),
    "one column": make_values(200)[:, :1],
    "all zeros": np.zeros((200, 3)),
    "constants": np.full((200, 2), 0.1),
    "holes": holes(make_values(200)),
    "a spike in training": spike(make_values(200), 50),
    "a spike before the test part": spike(make_values(200), 155),
    "a spike in the test part": spike(make_values(200), 180),
    "a constant that moves at last": np.where(np.arange(200)[:, None] > 170, 5.0, 3.0),
    "large numbers": make_values(200) * 1e90,
    "small numbers": make_values(200) * 1e-90,
    "negative numbers": -make_values(200),
    "a counter that resets often": np.arange(200.0)[:, None] % 17,
    "forty columns": np.random.default_rng(0).normal(size=(120, 40)),
}


@every_model
@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("horizon", [1, 12])
def test_odd_series_are_answered_with_finite_ordered_quantiles(name: str, what: str, horizon: int) -> None:
    expect_sound(answer(ODD[what], name, horizon))


@every_model
def test_a_constant_is_forecast_exactly(name: str) -> None:
    found = answer(make_values(200), name)
    assert (found.quantiles[:, :, 3] == 64.0).all()
    assert found.figures.crps_per_column["c3"] == 0.0


def dips(seed: int, *, at: float) -> FloatArray:
    """Three rates that fall to nearly nothing now and then, with holes; the last is counted from `at` on."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(0.3, size=(180, 3)) * np.exp(rng.normal(size=(180, 1)))
    values[rng.random(values.shape) < 0.1] = np.nan
    values[0] = 1.0
    return np.asarray(values - np.array([0.0, 0.0, at]))


@every_model
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), horizon=st.sampled_from([1, 6]))
def test_what_was_never_negative_is_not_forecast_to_be(name: str, seed: int, horizon: int) -> None:
    found = answer(dips(seed, at=0.0), name, horizon)
    assert (found.quantiles >= 0.0).all()
    assert (found.samples >= 0.0).all()


@every_model
def test_what_was_negative_may_be_again(name: str) -> None:
    found = answer(dips(0, at=2.0), name)
    assert (found.quantiles[:, :, :2] >= 0.0).all()
    assert (found.quantiles[:, :, 2] < 0.0).any()


@settings(max_examples=25, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(16, 60), st.integers(1, 3)),
        elements=st.one_of(st.just(np.nan), st.floats(-1e15, 1e15, allow_subnormal=False)),
    ),
    st.sampled_from(NAMES),
)
def test_any_numbers_at_all_are_answered_or_refused(values: FloatArray, name: str) -> None:
    try:
        found = answer(values, name)
    except InputError as refused:
        assert refused.field in {"rows", "c0", "c1", "c2"}  # noqa: PT017
        return
    expect_sound(found)


def test_too_few_rows_are_refused_with_what_would_do() -> None:
    with pytest.raises(InputError, match=r"test\.csv: rows: must leave 22 rows to train .* at horizon 12, got 30"):
        answer(make_values(30), "last", 12)


def test_a_column_without_a_value_to_train_on_is_refused_by_name() -> None:
    values = make_values(100)
    values[:80, 2] = np.nan
    with pytest.raises(InputError, match="c2: has no value in the training part"):
        answer(values, "last")
