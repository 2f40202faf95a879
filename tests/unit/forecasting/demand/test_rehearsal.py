from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.context import FEATURES
from foresail.forecasting.demand.rehearsal import coarsen, cut, rehearse
from tests.unit.forecasting.demand.windows import make_days, make_demand_window

HORIZON_SECONDS = 240.0
ROWS = 900  # of 30 s: seven and a half hours


@pytest.fixture(scope="module")
def values() -> FloatArray:
    return make_days(ROWS)[0]


def test_every_origin_comes_with_sorted_samples_a_context_and_what_then_came(values: FloatArray) -> None:
    past = make_demand_window(values)

    made = rehearse(past, horizon_seconds=HORIZON_SECONDS, stride_seconds=300.0, samples=50)

    count = len(made.origins)
    assert count == len(range(240, ROWS - 8, 10))
    assert made.steps == (2, 4, 8)
    assert made.samples.shape == (count, 3, 50, 3)
    assert np.all(np.diff(made.samples, axis=2) >= 0.0)
    assert made.context.shape == (count, 3, 3, len(FEATURES))
    assert np.isfinite(made.context).all()
    rows = np.round((made.origins - past.start) / past.step_seconds).astype(int)
    np.testing.assert_array_equal(made.outcomes[:, 2], values[rows + 8])


def test_what_comes_after_an_origin_changes_nothing_but_outcomes(values: FloatArray) -> None:
    changed = values.copy()
    changed[600:] *= 3.0

    before, after = (
        rehearse(make_demand_window(rows), horizon_seconds=HORIZON_SECONDS, stride_seconds=300.0, samples=50)
        for rows in (values, changed)
    )

    known = before.origins < make_demand_window(values).start + 600 * 30.0
    assert 0 < known.sum() < known.size
    for name in ("samples", "context"):
        assert getattr(before, name)[known].tobytes() == getattr(after, name)[known].tobytes()


def test_the_reference_is_what_stood_a_season_before_and_the_last_row_where_that_is_unknown(
    values: FloatArray,
) -> None:
    past = make_demand_window(values)
    season = 144 * 30.0

    made = rehearse(past, horizon_seconds=HORIZON_SECONDS, stride_seconds=300.0, season_seconds=season, samples=50)
    unknown = rehearse(past, horizon_seconds=HORIZON_SECONDS, stride_seconds=300.0, samples=50)

    rows = np.round((made.origins - past.start) / past.step_seconds).astype(int)
    np.testing.assert_array_equal(made.references[:, 0], values[rows + 2 - 144])
    np.testing.assert_array_equal(unknown.references[:, 2], values[rows])


def test_no_forecast_means_no_origin() -> None:
    past = make_demand_window(np.ones((300, 3)), observed=np.zeros(300, dtype=np.bool_))

    made = rehearse(past, horizon_seconds=HORIZON_SECONDS)

    assert made.origins.shape == (0,)
    assert made.samples.shape[0] == made.context.shape[0] == made.outcomes.shape[0] == 0


def test_a_span_is_coarse_when_half_of_it_was_observed() -> None:
    observed = np.array([True, True, False, False, False, True, True, True])
    window = make_demand_window(np.arange(8.0)[:, None] * np.ones(3), observed=observed)

    coarse = coarsen(window, 120.0)

    assert coarse.step_seconds == 120.0
    assert coarse.end == window.end
    assert coarse.observed[:, 0].tolist() == [True, True]
    assert coarse.values[:, 0].tolist() == [0.5, 6.0]


def test_cutting_keeps_instants() -> None:
    window = make_demand_window(np.arange(10.0)[:, None] * np.ones(3))

    part = cut(window, 2, 5)

    assert len(part) == 3
    assert part.start == window.start + 60.0
