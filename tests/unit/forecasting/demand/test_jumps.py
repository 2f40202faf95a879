from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.experts import SINCE, make_experts
from foresail.forecasting.demand.jumps import Jumps, find_jumps
from foresail.forecasting.moving import moving_means
from tests.unit.forecasting.demand.windows import make_days, make_noise, make_past

SPAN = 4


def find(series: FloatArray) -> Jumps | None:
    everything = np.ones(len(series), dtype=np.bool_)
    return find_jumps(moving_means(series[:, None], everything, [SPAN])[0], SPAN)


def steps(*levels: float, rows: int = 100, spread: float = 0.05, seed: int = 0) -> FloatArray:
    noise = make_noise(rows * len(levels), spread=spread, seed=seed)[:, 0] / 50.0
    return np.asarray(noise * np.repeat(levels, rows))


@pytest.mark.parametrize("seed", range(5))
def test_noise_without_a_jump_has_none(seed: int) -> None:
    assert find(make_noise(480, seed=seed)[:, 0]) is None


def test_a_daily_pattern_has_no_jump() -> None:
    assert find(make_days(480, noise=0.1)[0][:, 0]) is None


@pytest.mark.parametrize("levels", [(50.0, 100.0), (100.0, 50.0), (50.0, 0.0), (0.0, 50.0)])
def test_a_jump_is_found_where_it_is(levels: tuple[float, float]) -> None:
    found = find(steps(*levels))
    assert found is not None
    assert found.rows == pytest.approx(100, abs=2)


def test_each_of_several_jumps_is_found_once() -> None:
    found = find(steps(50.0, 100.0, 40.0, 90.0))
    assert found is not None
    assert found.rows == pytest.approx([100, 200, 300], abs=1)


def test_a_change_that_is_too_small_to_matter_is_no_jump() -> None:
    assert find(steps(50.0, 58.0, spread=0.001)) is None


@pytest.mark.parametrize("rows", [0, 1, 16])
def test_a_few_rows_show_no_jump(rows: int) -> None:
    assert find(np.arange(rows, dtype=np.float64)) is None


def test_a_unit_changes_no_jump() -> None:
    series = steps(50.0, 100.0)
    one, other = find(series), find(1024.0 * series)
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.starts, other.starts)


def test_no_row_knows_a_jump_before_it_came() -> None:
    found = find(steps(50.0, 100.0))
    assert found is not None
    assert (found.starts[:101] == 0).all()


def test_the_level_since_a_jump_is_the_mean_of_what_came_after_it() -> None:
    series = steps(50.0, 100.0)
    experts = make_experts(make_past(series), 2, [])
    assert experts.features[SINCE, 199, 0] == pytest.approx(series[103:].mean(), rel=0.01)
    assert experts.features[SINCE, 99, 0] == pytest.approx(series[:100].mean())


@pytest.mark.parametrize(("jumps", "weight"), [(1, 0.1), (2, 0.55), (9, 0.9)])
def test_paths_across_a_jump_count_the_more_the_more_jumps_there_were(jumps: int, weight: float) -> None:
    rows = 100 * np.arange(1, jumps + 1)
    found = Jumps(np.zeros((1000, 1), dtype=np.intp), rows)
    np.testing.assert_allclose(found.likelihood(np.array([50, 89, 90, 99, 100]), 10), [1.0, 1.0, weight, weight, 1.0])
