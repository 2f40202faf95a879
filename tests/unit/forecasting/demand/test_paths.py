from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.experts import PLAIN, SCALES, make_experts
from foresail.forecasting.demand.mixture import Mixture
from foresail.forecasting.demand.paths import (
    MOST_RATIO,
    draw,
    normal_quantiles,
    small_sample_factor,
    usable_origins,
    wide,
)
from foresail.forecasting.past import Past, trust
from tests.unit.forecasting.demand import rivals
from tests.unit.forecasting.demand.windows import make_demand_window, make_noise, make_past


def only(expert: str, steps: int) -> Mixture:
    return rivals.only(PLAIN.index(expert), len(PLAIN), steps)


def paths_of(past: Past, *, steps: int, expert: str = "last-value", count: int = 100) -> FloatArray:
    origins = usable_origins(past, steps, warm_up_rows=10)
    return draw(make_experts(past, steps, []), past, origins, only(expert, steps), count=count)


def test_indicators_keep_their_dependence() -> None:
    rng = np.random.default_rng(0)
    requests = rng.uniform(10.0, 20.0, 300)
    # Output tokens go against the requests, which no draw of single indicators would show.
    values = np.stack([requests, 1000.0 * requests, 250.0 * (30.0 - requests)], axis=1)
    past = trust(make_demand_window(values))
    assert past is not None
    paths = paths_of(past, steps=3, expert="marginal")
    assert np.corrcoef(paths[:, 2, 0], paths[:, 2, 1])[0, 1] > 0.95
    assert np.corrcoef(paths[:, 2, 0], paths[:, 2, 2])[0, 1] < -0.95


def test_paths_keep_the_dependence_along_the_horizon() -> None:
    """On a random walk, steps of a path differ by single steps of the walk, and its spread grows as their root."""
    walk = 1000.0 + np.cumsum(np.random.default_rng(0).normal(size=480))
    paths = paths_of(make_past(walk), steps=16, count=400)[:, :, 0]
    assert np.diff(paths, axis=1).std() == pytest.approx(1.0, abs=0.25)
    assert paths[:, 15].std() / paths[:, 0].std() == pytest.approx(4.0, abs=1.5)  # √16


def test_the_peak_over_a_span_is_above_every_single_step_of_it() -> None:
    paths = paths_of(make_past(make_noise(300)[:, 0]), steps=8)[:, :, 0]
    assert np.quantile(paths[:, -4:].max(axis=1), 0.5) > np.quantile(paths[:, -1], 0.6)


def test_a_path_is_the_expectation_plus_what_was_missed_from_one_origin() -> None:
    past = make_past([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], step_seconds=300.0)
    experts = make_experts(past, 2, [])
    # From row 2 the last value missed 4 and 12; the level of 300 s rose from 4 to 32, by more than noise is believed to
    # grow; two steps from one origin are half a block: the stretch of few samples is at its limit, 1.5.
    path = draw(experts, past, np.array([2]), only("last-value", 2), count=1)
    np.testing.assert_allclose(path[0, :, 0], [32.0 + 4.0 * MOST_RATIO * 1.5, 32.0 + 12.0 * MOST_RATIO * 1.5])


def test_the_factors_of_calibration_act_on_their_own_side() -> None:
    past = make_past(make_noise(200)[:, 0])
    experts = make_experts(past, 2, [])
    mixture = only("marginal", 2)
    origins = usable_origins(past, 2, warm_up_rows=10)
    plain = draw(experts, past, origins, mixture, count=50)
    wider = draw(experts, past, origins, mixture, count=50, spread=(1.0, 2.0))
    middle = experts.blend(np.array([199]), mixture.weights)[0]
    np.testing.assert_allclose(np.minimum(wider, middle), np.minimum(plain, middle))
    np.testing.assert_allclose(np.maximum(wider, middle) - middle, 2.0 * (np.maximum(plain, middle) - middle))


def test_paths_are_never_negative() -> None:
    falling = np.concatenate([np.linspace(100.0, 1.0, 100), np.random.default_rng(0).exponential(1.0, 60)])
    for expert in PLAIN:
        assert paths_of(make_past(falling), steps=10, expert=expert).min() >= 0.0


def test_an_origin_needs_to_be_observed_itself_and_most_of_what_follows() -> None:
    observed = np.ones(40, dtype=np.bool_)
    observed[20:26] = False
    past = trust(make_demand_window(make_noise(40), observed=observed))
    assert past is not None
    origins = usable_origins(past, 8, warm_up_rows=5).tolist()
    assert origins[0] == 5
    assert origins[-1] == 31  # the last from which 8 rows followed
    # Of the eight rows after row 13 two are missing (20 and 21), after row 14 three, which is more than a quarter.
    assert [row for row in range(12, 28) if row in origins] == [12, 13, 26, 27]


def test_a_window_shorter_than_the_horizon_has_no_origin() -> None:
    assert usable_origins(make_past([1.0, 2.0, 3.0]), 4, warm_up_rows=10).size == 0


def test_newer_origins_are_drawn_more_often() -> None:
    """Misses of the older half are above, those of the newer below; noise grows with the level, which stays."""
    older, newer = np.tile([50.0, 50.0, 60.0], 80), np.tile([50.0, 50.0, 40.0], 80)
    paths = paths_of(make_past(np.concatenate([older, newer, [50.0]])), steps=240, count=400, expert="marginal")
    assert np.mean(paths[:, 0, 0] < 45.0) > np.mean(paths[:, 0, 0] > 55.0)


def jump(*levels: float, rows: int = 120) -> Past:
    """Noise around levels that hold for an hour each."""
    level = np.repeat(np.asarray(levels) / 50.0, rows)
    return make_past(make_noise(level.size, spread=0.05)[:, 0] * level)


def test_a_single_jump_of_long_ago_leaves_the_band_though_the_window_still_shows_it() -> None:
    paths = paths_of(jump(50.0, 150.0), steps=20, expert="level-since-jump", count=200)[:, -1, 0]
    assert np.quantile(paths, 0.95) < 1.15 * 150.0  # one path in twelve crosses the jump, and would end near 250


def test_jumps_that_come_again_and_again_stay_in_the_band() -> None:
    paths = paths_of(jump(*[50.0, 150.0] * 6, rows=40), steps=20, expert="level-since-jump", count=200)[:, -1, 0]
    assert np.quantile(paths, 0.05) < 0.6 * 150.0


def test_noise_that_is_calm_now_is_drawn_calm_as_far_as_bursts_proved_right() -> None:
    past = make_past(np.concatenate([make_noise(200, spread=0.5)[:, 0], make_noise(40, spread=0.05)[:, 0]]))
    experts, origins = make_experts(past, 2, []), usable_origins(past, 2, warm_up_rows=10)
    mixture = only("marginal", 2)
    arrivals, bursts = (
        draw(experts, past, origins, replace(mixture, scales=np.eye(3)[[scale]].repeat(3, axis=0).T), count=200)
        for scale in (SCALES.index("arrivals"), SCALES.index("bursts"))
    )
    assert bursts[:, -1, 0].std() < 0.6 * arrivals[:, -1, 0].std()


def test_wide_paths_are_wide_around_the_last_value() -> None:
    paths = wide(np.array([10.0, 0.0]), count=200, steps=3)
    assert paths.shape == (200, 3, 2)
    assert np.median(paths[:, 0, 0]) == pytest.approx(10.0, rel=0.01)
    low, high = np.quantile(paths[:, 0, 0], [0.05, 0.95])
    assert (low, high) == (pytest.approx(4.4, abs=0.1), pytest.approx(22.8, abs=0.3))  # 10 · exp(∓0.5 · 1.645)
    assert (paths[:, :, 1] == 0.0).all()


def test_few_samples_stretch_and_many_do_not() -> None:
    assert small_sample_factor(0.1) == 1.5
    assert small_sample_factor(25.0) == pytest.approx(1.12)
    assert small_sample_factor(1e9) == pytest.approx(1.0)


def test_normal_quantiles_are_symmetric() -> None:
    quantiles = normal_quantiles(101)
    np.testing.assert_allclose(quantiles, -quantiles[::-1], atol=1e-12)
