"""Laws of every model: no forecast sees its future, units do not matter, the same seed gives the same bytes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.evaluate import Evaluation, Rules, evaluate
from tests.property.forecasting.models import NAMES, make_quick_model
from tests.unit.forecasting.series.tables import make_series, make_values

RULES = Rules()
ROWS = 300
# From which rows on what: the test part begins at row 240, and 239 also alters the first targets.
CHANGES = {"noise": (239, 255, 287, 298), "holes": (239, 287), "mirrored": (255, 298)}
every_model = pytest.mark.parametrize("name", NAMES)
every_horizon = pytest.mark.parametrize("horizon", [1, 5])


def answer(values: FloatArray, name: str, horizon: int, rules: Rules = RULES) -> Evaluation:
    return evaluate(make_series(values), make_quick_model(name), horizon, rules, lambda: 0.0)


@cache
def plain(name: str, horizon: int) -> Evaluation:
    """Of the rows as they are, asked once."""
    return answer(make_values(ROWS), name, horizon)


def altered(values: FloatArray, row: int, how: str) -> FloatArray:
    """The same up to `row`, something else behind it."""
    changed = values.copy()
    if how == "noise":
        changed[row + 1 :] = np.random.default_rng(9).normal(size=changed[row + 1 :].shape) * 1e6
    elif how == "holes":
        changed[row + 1 :] = np.nan
    else:
        changed[row + 1 :] = changed[row + 1 :][::-1] * 3.0 - 1.0
    return changed


@every_model
@every_horizon
@pytest.mark.parametrize("how", CHANGES)
def test_altering_the_future_changes_no_byte_of_a_forecast_made_before_it(name: str, horizon: int, how: str) -> None:
    values = make_values(ROWS)
    before = plain(name, horizon)
    for row in CHANGES[how]:
        after = answer(altered(values, row, how), name, horizon)
        known = before.target_rows - horizon <= row
        assert known.any()
        assert before.quantiles[known].tobytes() == after.quantiles[known].tobytes()
        assert before.samples[known].tobytes() == after.samples[known].tobytes()


@every_model
def test_the_future_of_the_training_part_is_not_seen_when_training_on_it_only(name: str) -> None:
    values = make_values(ROWS)
    rules = Rules(refits=False)
    before, after = (answer(v, name, 3, rules) for v in (values, altered(values, 260, "noise")))
    known = before.target_rows - 3 <= 260
    assert before.quantiles[known].tobytes() == after.quantiles[known].tobytes()


@every_model
def test_altering_the_past_does_change_forecasts(name: str) -> None:
    """Else the law above would hold of anything."""
    values = make_values(ROWS)
    changed = values.copy()
    changed[200:240, 0] += 50.0
    assert not np.array_equal(answer(values, name, 1).quantiles, answer(changed, name, 1).quantiles)


@every_model
@settings(max_examples=8, deadline=None)
@given(power=st.integers(-20, 20), column=st.integers(0, 3), seed=st.integers(0, 50))
def test_scaling_a_columns_unit_scales_its_forecast_and_no_other(name: str, power: int, column: int, seed: int) -> None:
    values = make_values(150, seed=seed)
    unit = np.ones(4)
    unit[column] = 2.0**power
    plain, scaled = answer(values, name, 2), answer(values * unit, name, 2)
    np.testing.assert_allclose(scaled.quantiles, plain.quantiles * unit, rtol=1e-6, atol=1e-9 * unit.min())
    assert scaled.figures.crps == pytest.approx(plain.figures.crps, rel=1e-5)


@every_model
def test_the_same_seed_gives_the_same_bytes(name: str) -> None:
    values = make_values(ROWS)
    first, second = answer(values, name, 3), answer(values, name, 3)
    assert first.quantiles.tobytes() == second.quantiles.tobytes()
    assert first.samples.tobytes() == second.samples.tobytes()
    assert (first.figures, first.raw) == (second.figures, second.raw)


def test_another_seed_shuffles_otherwise() -> None:
    values = make_values(ROWS)
    first, second = answer(values, "last", 3), answer(values, "last", 3, Rules(seed=1))
    assert first.figures.energy_score_shuffled != second.figures.energy_score_shuffled
    assert first.quantiles.tobytes() == second.quantiles.tobytes()
