from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.experts import PLAIN, make_experts
from foresail.forecasting.demand.mixture import along_horizon, experience, weigh
from foresail.forecasting.past import Past
from tests.unit.forecasting.demand.windows import DAY_ROWS, STEP_SECONDS, make_days, make_noise, make_past


def weights_of(past: Past, *, steps: int = 4, excess: FloatArray | None = None) -> FloatArray:
    return weigh(make_experts(past, steps, []), past, np.arange(5, len(past) - steps), excess=excess).weights


def test_weights_are_shares_at_every_step_and_for_every_indicator() -> None:
    weights = weights_of(make_past(make_noise(200)[:, 0]), steps=7)
    assert weights.shape == (7, len(PLAIN), 3)
    assert weights.min() >= 0.0
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_without_a_past_origin_all_experts_weigh_the_same() -> None:
    past = make_past([5.0, 6.0, 7.0])
    mixture = weigh(make_experts(past, 4, []), past, np.array([], dtype=np.intp), excess=None)
    np.testing.assert_allclose(mixture.weights, 1.0 / len(PLAIN))
    np.testing.assert_array_equal(mixture.scales, [[1.0] * 3, [0.0] * 3, [0.0] * 3])  # as the noise of arrivals


def test_on_noise_around_a_level_the_long_means_weigh_more_than_the_last_value() -> None:
    weights = weights_of(make_past(make_noise(240)[:, 0]))
    assert weights[-1, PLAIN.index("marginal"), 0] > 1.2 * weights[-1, PLAIN.index("last-value"), 0]


def test_on_a_random_walk_the_last_value_weighs_more_than_the_long_mean() -> None:
    walk = 500.0 + np.cumsum(np.random.default_rng(0).normal(size=240))
    weights = weights_of(make_past(walk))
    assert weights[0, PLAIN.index("last-value"), 0] > 2.0 * weights[0, PLAIN.index("marginal"), 0]


def test_constant_demand_gives_finite_weights() -> None:
    for level in (0.0, 50.0):
        weights = weights_of(make_past(np.full(100, level)))
        assert np.isfinite(weights).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_an_expert_that_the_history_judges_badly_loses_its_weight() -> None:
    past = make_past(make_noise(100)[:, 0])
    excess = np.zeros((len(PLAIN), 3))
    excess[0] = 1.0
    assert weights_of(past, excess=excess)[:, 0].max() < 0.01


def test_the_history_of_days_prefers_the_seasonal_experts() -> None:
    values, _ = make_days(6 * DAY_ROWS)
    excess = experience(make_past(values[:, 0]), (DAY_ROWS * STEP_SECONDS,), 150.0)
    assert excess is not None
    assert excess[len(PLAIN) :].min(axis=0) == pytest.approx(0.0)
    assert (excess[: len(PLAIN)] > 0.1).all()


def test_the_history_says_nothing_about_plain_experts_among_themselves() -> None:
    values, _ = make_days(6 * DAY_ROWS)
    excess = experience(make_past(values[:, 0]), (DAY_ROWS * STEP_SECONDS,), 150.0)
    assert excess is not None
    assert (excess[: len(PLAIN)] == excess[0]).all()


def test_a_season_that_is_none_weighs_less_than_the_plain_experts() -> None:
    walk = 500.0 + np.cumsum(np.random.default_rng(0).normal(size=1000))
    excess = experience(make_past(walk), (100 * STEP_SECONDS,), 60.0)
    assert excess is not None
    assert (excess[len(PLAIN)] > 0.5).all()


@pytest.mark.parametrize("rows", [1, 10, DAY_ROWS])
def test_a_history_without_a_whole_period_teaches_nothing(rows: int) -> None:
    assert experience(make_past(np.ones(rows)), (DAY_ROWS * STEP_SECONDS,), 150.0) is None


def test_weights_between_nodes_lie_on_a_line() -> None:
    drawn = along_horizon(np.array([[[0.0]], [[1.0]], [[0.0]]]), [1, 3, 5])
    assert drawn[:, 0, 0].tolist() == [0.0, 0.5, 1.0, 0.5, 0.0]


def test_one_node_holds_for_the_one_step() -> None:
    assert along_horizon(np.array([[[0.3]]]), [1])[:, 0, 0].tolist() == [0.3]
