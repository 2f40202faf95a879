from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import Window
from foresail.forecasting.demand.experts import make_experts
from foresail.forecasting.demand.remembered import SEASONS_SECONDS, WEIGHTS_SECONDS, Remembered
from tests.builders import NOW
from tests.unit.forecasting.demand.windows import (
    DAY_ROWS,
    STEP_SECONDS,
    make_days,
    make_demand_window,
    make_noise,
    make_past,
)

VALUES, _ = make_days(6 * DAY_ROWS)
HISTORY = make_demand_window(VALUES)
NO_SEASON = make_demand_window(make_noise(6 * DAY_ROWS))


def learn(remembered: Remembered, *, at: float, history: Window = HISTORY, period: float | None = None) -> None:
    remembered.renew_seasons(history, make_demand_window(VALUES[-240:], end=at), period, 150.0)


@pytest.mark.parametrize("turn", [0.0, 0.5, 0.9])
def test_the_first_renewal_of_seasons_comes_in_turn_and_the_next_after_the_full_time(turn: float) -> None:
    remembered = Remembered(turn)
    learn(remembered, at=NOW)
    assert remembered.periods == pytest.approx((DAY_ROWS * STEP_SECONDS,), rel=0.01)
    first = NOW + SEASONS_SECONDS * (1.0 - turn)
    learn(remembered, at=first - 1.0, history=NO_SEASON)
    assert remembered.periods
    learn(remembered, at=first, history=NO_SEASON)
    assert remembered.periods == ()
    learn(remembered, at=first + SEASONS_SECONDS - 1.0)
    assert remembered.periods == ()
    learn(remembered, at=first + SEASONS_SECONDS)
    assert remembered.periods


def test_another_given_period_is_taken_at_once() -> None:
    remembered = Remembered(0.0)
    learn(remembered, at=NOW)
    learn(remembered, at=NOW, period=3600.0)
    assert remembered.periods == (3600.0,)


def test_a_clock_set_back_renews() -> None:
    remembered = Remembered(0.0)
    learn(remembered, at=NOW)
    learn(remembered, at=NOW - 60.0, history=NO_SEASON)
    assert remembered.periods == ()


def test_weights_are_kept_for_a_while_and_made_anew_for_another_horizon() -> None:
    past, later = make_past(make_noise(240)[:, 0]), make_past(make_noise(240, seed=1)[:, 0])
    remembered, origins = Remembered(0.0), np.arange(10, 200)
    first = remembered.mixture(make_experts(past, 4, []), past, origins)
    assert remembered.mixture(make_experts(later, 4, []), later, origins) is first
    assert remembered.mixture(make_experts(later, 5, []), later, origins).weights.shape[0] == 5


def test_weights_are_made_anew_when_their_time_is_over() -> None:
    past = make_past(make_noise(240)[:, 0])
    remembered, origins = Remembered(0.0), np.arange(10, 200)
    first = remembered.mixture(make_experts(past, 4, []), past, origins)
    rows = round(WEIGHTS_SECONDS / STEP_SECONDS)
    later = type(past)(past.values, past.observed, past.step_seconds, past.end + rows * STEP_SECONDS, 0)
    assert remembered.mixture(make_experts(later, 4, []), later, origins) is not first
