"""The data set: what is known at an origin, free of units, and 0 where nothing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: what needs no training is tested without")

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.dataset import Examples, make_examples
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.task import Task, make_task
from tests.unit.forecasting.series.tables import make_series, make_values

ROWS, WARM = 260, 80


def make_rolled(values: FloatArray, horizon: int = 1) -> Task:
    task = make_task(make_series(values, step_seconds=3600.0), horizon, 200)
    return replace(task, train_rows=WARM)


def examples_of(values: FloatArray, horizon: int = 1) -> Examples:
    task = make_rolled(values, horizon)
    return make_examples(task, make_model("last").quantiles(task), seed=0)


def test_there_is_a_row_for_every_target_and_all_of_it_is_finite() -> None:
    found = examples_of(make_values(ROWS))
    assert len(found) == ROWS - WARM
    assert found.context.shape[:2] == found.scores.shape == (ROWS - WARM, 4)
    assert np.isfinite(found.context).all()


def test_what_cannot_be_foreseen_better_has_no_scores() -> None:
    """A device drawn at random, and a constant."""
    assert np.isfinite(examples_of(make_values(ROWS)).scores).all(axis=0).tolist() == [True, False, True, False]


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_rows_context_is_of_its_origin_or_before(horizon: int) -> None:
    values = make_values(ROWS)
    changed = values.copy()
    changed[211:] = np.random.default_rng(1).normal(size=changed[211:].shape) * 1e4
    before, after = examples_of(values, horizon), examples_of(changed, horizon)
    known = 210 + horizon - WARM + 1  # targets whose origin is row 210 or before
    assert before.context[:known].tobytes() == after.context[:known].tobytes()
    assert not np.array_equal(before.context[known], after.context[known])
    assert before.scores[: 211 - WARM].tobytes() == after.scores[: 211 - WARM].tobytes()


@pytest.mark.parametrize("unit", [2.0**-20, 2.0**20])
def test_units_do_not_matter(unit: float) -> None:
    values = make_values(ROWS)
    plain, scaled = examples_of(values), examples_of(values * np.array([unit, 1.0, unit, 1.0]))
    np.testing.assert_allclose(scaled.scores, plain.scores, rtol=1e-6)
    np.testing.assert_allclose(scaled.context, plain.context, rtol=1e-6, atol=1e-9)


def test_any_unit_at_all_scales_all_but_rounding_away() -> None:
    values = make_values(ROWS)
    plain, scaled = examples_of(values), examples_of(values * 1000.0)
    np.testing.assert_allclose(scaled.context[:, 0], plain.context[:, 0], rtol=1e-6, atol=1e-6)


def test_the_last_error_stands_in_the_context_of_the_row_that_may_know_it() -> None:
    for horizon in (1, 4):
        found = examples_of(make_values(ROWS), horizon)
        np.testing.assert_array_equal(found.context[horizon:, 0, 0], found.scores[:-horizon, 0])
        assert not found.context[:horizon, 0, 0].any()


def test_holes_are_nothing_known_and_nothing_to_learn() -> None:
    values = make_values(ROWS)
    values[100:140, 0] = np.nan
    found = examples_of(values)
    assert np.isnan(found.scores[100 - WARM : 140 - WARM, 0]).all()
    assert np.isfinite(found.context).all()
    assert not found.context[110 - WARM : 140 - WARM, 0, :4].any()  # the last four errors


@pytest.mark.parametrize("size", [1e-90, 1e90])
def test_the_largest_and_smallest_numbers_are_bearable(size: float) -> None:
    assert np.isfinite(examples_of(make_values(ROWS) * size).context).all()


def test_rows_are_cut_out_with_all_that_belongs_to_them() -> None:
    found = examples_of(make_values(ROWS))
    part = found.rows(10, 30)
    assert len(part) == len(part.outcomes) == len(part.context) == len(part.marginals.quantiles) == 20
    np.testing.assert_array_equal(part.marginals.scores(part.outcomes)[:, 0], part.scores[:, 0])
