from __future__ import annotations

import numpy as np
import pytest

from foresail.forecasting.demand.experts import PLAIN, make_experts
from foresail.forecasting.moving import moving_means
from tests.unit.forecasting.demand.windows import make_past

RAMP = np.arange(1.0, 101.0)  # one more request per second every 15 s
NOW = np.array([99])


def test_each_expert_says_what_its_name_says_on_a_ramp() -> None:
    experts = make_experts(make_past(RAMP, step_seconds=15.0), 4, [])
    said = dict(zip(experts.names, experts.bases(NOW, 4)[:, 0, 0], strict=True))
    assert said["last-value"] == 100.0
    assert said["level-60s"] == pytest.approx(98.5)  # rows 97 … 100
    assert said["level-300s"] == pytest.approx(90.5)  # rows 81 … 100
    assert said["marginal"] == pytest.approx(50.5)  # an hour is more than there is
    damping = np.exp(-15.0 / 300.0)
    # The two levels differ by 8 over 8 rows: a slope of 1 per row, damped over four rows.
    assert said["trend"] == pytest.approx(98.5 + sum(damping**h for h in range(1, 5)))
    assert said["slow-trend"] == pytest.approx(90.5 + sum(damping**h for h in range(1, 5)))


def test_the_seasonal_expert_says_the_profile_and_the_other_moves_the_level_with_it() -> None:
    past = make_past(np.full(100, 40.0), step_seconds=15.0)
    season = np.concatenate([np.full(100, 30.0), np.full(4, 45.0)])[:, None] * np.array([1.0, 1000.0, 250.0])
    experts = make_experts(past, 4, [season])
    said = dict(zip(experts.names, experts.bases(NOW, 2)[:, 0, 0], strict=True))
    assert said["seasonal"] == pytest.approx(45.0)
    assert said["seasonal-level"] == pytest.approx(55.0)  # 40 + (45 - 30)


def test_the_seasonal_expert_equals_three_lines() -> None:
    rng = np.random.default_rng(0)
    values, day, steps = rng.random((96, 3)), 24, 5
    season = np.stack([values[(row - day) if row >= day else row] for row in range(96 + steps)])
    experts = make_experts(make_past(values[:, 0]), steps, [season])
    origins = np.arange(30, 96)
    for step in range(1, steps + 1):
        naive = values[origins + step - day]
        np.testing.assert_allclose(experts.bases(origins, step)[experts.names.index("seasonal")], naive)


def test_a_blend_is_the_weighted_mean_of_the_experts() -> None:
    rng = np.random.default_rng(0)
    past = make_past(rng.random(60))
    experts = make_experts(past, 6, [rng.random((66, 3)), rng.random((66, 3))])
    weights = rng.dirichlet(np.ones(len(experts.names)), size=(6, 3)).transpose(0, 2, 1)
    origins = np.array([10, 31, 59])
    blend = experts.blend(origins, weights)
    for step in range(1, 7):
        expected = np.einsum("ei,eni->ni", weights[step - 1], experts.bases(origins, step))
        np.testing.assert_allclose(blend[:, step - 1], expected)


def test_what_an_expert_says_of_the_past_does_not_know_the_future() -> None:
    past = np.random.default_rng(0).random(80)
    other = past.copy()
    other[50:] = 99.0
    known = np.arange(50)
    before = make_experts(make_past(past), 3, []).bases(known, 3)
    np.testing.assert_allclose(before, make_experts(make_past(other), 3, []).bases(known, 3))


def test_means_skip_holes() -> None:
    values = np.array([[2.0], [100.0], [4.0], [6.0]])
    observed = np.array([True, False, True, True])
    means = moving_means(values, observed, [2, 3])
    assert means[0, :, 0].tolist() == [2.0, 2.0, 4.0, 5.0]
    assert means[1, :, 0].tolist() == [2.0, 2.0, 3.0, 5.0]


def test_where_no_row_of_the_span_counts_the_carried_value_stands() -> None:
    means = moving_means(np.full((4, 1), 3.0), np.array([True, False, False, True]), [1])
    assert means[0, :, 0].tolist() == [3.0] * 4


def test_without_a_season_there_are_only_plain_experts() -> None:
    assert make_experts(make_past(RAMP), 2, []).names == PLAIN
