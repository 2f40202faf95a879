from __future__ import annotations

import numpy as np

from foresail.forecasting.series.signs import keep_signs
from foresail.forecasting.series.task import make_task
from tests.unit.forecasting.series.tables import make_series

ROWS, TRAIN, HORIZON = 60, 30, 3


def test_quantiles_below_zero_are_lifted_until_the_origin_knows_of_a_value_there() -> None:
    values = np.ones((ROWS, 3))
    values[40, 1] = -0.5  # known to origins from row 40 on: to targets from row 43
    values[:, 2] = -1.0
    values[10:20] = np.nan
    task = make_task(make_series(values), HORIZON, TRAIN)
    quantiles = np.broadcast_to(np.linspace(-1.0, 1.0, 100)[None, :, None], (ROWS - TRAIN, 100, 3))

    found = keep_signs(task, quantiles)

    assert (found[:, :, 0] == np.maximum(quantiles[:, :, 0], 0.0)).all()
    assert (found[:13, :, 1] == np.maximum(quantiles[:13, :, 1], 0.0)).all()
    assert (found[13:, :, 1] == quantiles[13:, :, 1]).all()
    assert (found[:, :, 2] == quantiles[:, :, 2]).all()


def test_zero_is_not_below_zero() -> None:
    task = make_task(make_series(np.zeros((ROWS, 1))), 1, TRAIN)

    assert (keep_signs(task, np.full((ROWS - TRAIN, 100, 1), -1.0)) == 0.0).all()
