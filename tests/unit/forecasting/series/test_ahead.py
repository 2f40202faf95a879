"""Forecasts of rows behind the end of a series."""

from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.errors import ForecastError, InputError
from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.ahead import (
    MOST_ROWS,
    MOST_WEIGHED_ROWS,
    ahead_task,
    extend,
    forecast_ahead,
    step_seconds,
)
from foresail.forecasting.series.panel import MODELS, make_model
from foresail.forecasting.series.task import Task, make_task
from tests.unit.forecasting.series.tables import COLUMNS, make_series, make_values

SERIES = make_series(make_values(160), columns=COLUMNS)


def test_rows_of_which_nothing_is_known_follow_a_step_apart() -> None:
    longer = extend(SERIES, 3)
    assert len(longer) == 163
    np.testing.assert_array_equal(longer.times[-4:], [95400.0, 96000.0, 96600.0, 97200.0])
    np.testing.assert_array_equal(longer.values[:160], SERIES.values)
    assert not longer.observed[160:].any()


def test_a_gap_between_rows_does_not_change_the_step() -> None:
    times = SERIES.times.copy()
    times[50:] += 86400.0
    gapped = type(SERIES)("gapped", SERIES.columns, times, SERIES.values.copy())
    assert step_seconds(gapped) == 600.0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("horizon", [1, 3])
def test_it_is_the_forecast_that_an_evaluation_makes_of_that_row(model: str, horizon: int) -> None:
    known = make_series(SERIES.values[: 160 - horizon].copy(), columns=COLUMNS)
    task = ahead_task(known, horizon)
    ahead = forecast_ahead(task, make_model(model))
    evaluated = make_model(model).quantiles(make_task(SERIES, horizon, task.train_rows))
    np.testing.assert_array_equal(ahead.quantiles, evaluated[-1])


def test_a_forecast_has_its_rows_instant_ordered_quantiles_and_joint_samples() -> None:
    ahead = forecast_ahead(ahead_task(SERIES, 6), make_model("mixture"))
    assert (ahead.horizon, ahead.time_seconds) == (6, SERIES.times[-1] + 3600.0)
    assert (np.diff(ahead.quantiles, axis=0) >= 0.0).all()
    np.testing.assert_array_equal(np.sort(ahead.samples, axis=0), ahead.quantiles)
    low, high = ahead.at(np.array([0.05, 0.95]))
    assert (low <= high).all()
    np.testing.assert_array_equal(ahead.at(ahead.levels), ahead.quantiles)


def test_the_same_seed_gives_the_same_samples() -> None:
    one, two, other = (forecast_ahead(ahead_task(SERIES, 1, seed=s), make_model("last")) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.samples, two.samples)
    assert not np.array_equal(one.samples, other.samples)


def test_the_last_rows_are_forecast_too_but_not_more_than_experts_remember() -> None:
    task = ahead_task(make_series(make_values(6000)), 2)
    assert len(task.targets) == MOST_WEIGHED_ROWS + 2
    assert len(task.series) == MOST_ROWS + 2
    assert task.series.times[-1] == 600.0 * 6001


@pytest.mark.parametrize("values", [make_values(40), np.zeros((40, 1)), make_values(13)[:, :1]])
def test_little_history_is_answered(values: FloatArray) -> None:
    for horizon in (1, 3):
        ahead = forecast_ahead(ahead_task(make_series(values), horizon), make_model("mixture"))
        assert np.isfinite(ahead.quantiles).all()


def test_a_series_that_is_too_short_is_refused() -> None:
    with pytest.raises(InputError, match="rows: must be 13 at least to look 3 rows ahead, got 12"):
        ahead_task(make_series(make_values(12)), 3)
    with pytest.raises(InputError, match="to tell their step"):
        step_seconds(make_series(make_values(1)))


def test_a_column_that_was_not_observed_for_long_is_refused() -> None:
    values = make_values(60)
    values[:50, 2] = np.nan
    with pytest.raises(InputError, match="c2: has no value in the first 42 of the last 60 rows"):
        ahead_task(make_series(values), 1)


class Broken:
    """A model that answers with one number everywhere but in its last row."""

    name, parameters = "broken", 0

    def __init__(self, last: float) -> None:
        self._last = last

    def fit(self, task: Task) -> None:
        """Nothing."""

    def quantiles(self, task: Task) -> FloatArray:
        found = np.zeros((len(task.targets), task.levels.size, len(task.series.columns)))
        found[-1, -1] = self._last
        return found

    def samples(self, task: Task) -> FloatArray | None:  # noqa: ARG002 - as the protocol has it
        return None


@pytest.mark.parametrize("last", [np.nan, np.inf, -1.0])
def test_what_is_no_forecast_is_refused(last: float) -> None:
    with pytest.raises(ForecastError, match="not finite and ascending"):
        forecast_ahead(ahead_task(SERIES, 1), Broken(last))
