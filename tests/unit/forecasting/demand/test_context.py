from __future__ import annotations

import numpy as np

from foresail.forecasting.demand.context import FEATURES, make_context
from tests.unit.forecasting.demand.windows import make_days, make_demand_window


def test_the_context_does_not_depend_on_units() -> None:
    values = make_days(240)[0]
    window = make_demand_window(values)
    ordered = np.sort(values[:50][None] * np.ones((2, 1, 1)), axis=1)

    made = make_context(window, ordered, (1, 2))
    scaled = make_context(make_demand_window(values * 1000.0), ordered * 1000.0, (1, 2))

    assert made.shape == (2, 3, len(FEATURES))
    np.testing.assert_allclose(made, scaled, rtol=1e-9, atol=1e-12)


def test_what_is_not_known_is_zero() -> None:
    nothing = make_demand_window(np.zeros((240, 3)), observed=np.zeros(240, dtype=np.bool_))

    made = make_context(nothing, np.zeros((1, 50, 3)), (1,))

    assert np.isfinite(made).all()
    assert not made[0, 0, FEATURES.index("last_place")]
    assert not made[0, 0, FEATURES.index("momentum_short")]
