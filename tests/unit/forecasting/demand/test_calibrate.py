from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.calibrate import (
    GAIN,
    LEAST_OUTCOMES,
    LEAST_SPREAD,
    MOST_SPREAD,
    OUTSIDE,
    Calibration,
)
from foresail.forecasting.past import Past

STEP = 15.0


def make_observed(rows: FloatArray, *, end: float, missing: int | None = None) -> Past:
    observed = np.ones(len(rows), dtype=np.bool_)
    if missing is not None:
        observed[missing] = False
    return Past(rows, observed, STEP, end, stale_rows=0)


def live(calibration: Calibration, *, rows: int, width: float, noise: float = 1.0, seed: int = 0) -> list[float]:
    """Forecast one step ahead for `rows` rows of normal noise, too narrow or too wide by `width`; the misses."""
    rng = np.random.default_rng(seed)
    values = 100.0 + noise * rng.normal(size=(rows, 1))
    ensemble = rng.normal(size=400)
    misses = []
    for row in range(rows - 1):
        calibration.settle(make_observed(values[max(0, row - 3) : row + 1], end=row * STEP))
        factors = np.where(ensemble > 0, calibration.above, calibration.below)
        samples = (100.0 + width * factors * ensemble)[:, None, None]
        calibration.promise(row * STEP, (row + 1) * STEP, samples)
        low, high = np.quantile(samples, [0.05, 0.95])
        misses.append(float(not low <= values[row + 1, 0] <= high))
    return misses


@pytest.mark.parametrize("width", [0.6, 1.0, 1.5])
def test_coverage_becomes_what_was_promised_however_wrong_the_spread_was(width: float) -> None:
    misses = live(Calibration(), rows=3000, width=width)
    assert np.mean(misses[1000:]) == pytest.approx(0.10, abs=0.03)  # 5 % on each side


def test_the_factor_makes_up_for_a_spread_that_is_half_too_narrow() -> None:
    calibration = Calibration()
    live(calibration, rows=3000, width=0.5)
    assert calibration.below == pytest.approx(2.0, abs=0.5)
    assert calibration.above == pytest.approx(2.0, abs=0.5)


def test_whether_it_is_calibrated_is_not_said_before_enough_outcomes() -> None:
    calibration = Calibration()
    live(calibration, rows=LEAST_OUTCOMES, width=1.0)
    assert calibration.calibrated is None
    live(calibration, rows=LEAST_OUTCOMES, width=1.0)
    assert calibration.calibrated is not None


def test_forecasts_that_keep_their_promise_are_calibrated() -> None:
    calibration = Calibration()
    live(calibration, rows=1000, width=1.0)
    assert calibration.calibrated is True


def test_forecasts_that_no_factor_can_mend_are_not_calibrated() -> None:
    calibration = Calibration()
    live(calibration, rows=1000, width=0.1)
    assert calibration.calibrated is False


def test_the_factors_stay_within_their_bounds() -> None:
    narrow, wide = Calibration(), Calibration()
    live(narrow, rows=2000, width=0.01)
    live(wide, rows=2000, width=100.0)
    # The last row that happened to fall inside moved a factor a little off its bound.
    assert all(MOST_SPREAD - 0.1 < factor <= MOST_SPREAD for factor in np.concatenate(narrow.spread))
    assert np.concatenate(wide.spread).tolist() == [LEAST_SPREAD, LEAST_SPREAD]


def test_the_peak_of_the_last_two_steps_is_what_counts() -> None:
    calibration = Calibration()
    calibration.promise(0.0, 2 * STEP, np.full((10, 2, 1), 5.0))
    calibration.settle(make_observed(np.array([[1.0], [5.0], [2.0]]), end=2 * STEP))
    assert calibration.below < 1.0  # a peak of 5 is inside [5, 5], so both shrink
    assert calibration.above < 1.0


def test_a_hole_settles_nothing() -> None:
    calibration = Calibration()
    calibration.promise(0.0, 2 * STEP, np.full((10, 2, 1), 5.0))
    calibration.settle(make_observed(np.full((3, 1), 99.0), end=2 * STEP, missing=1))
    assert np.concatenate(calibration.spread).tolist() == [1.0, 1.0]


def test_the_same_origin_promises_once() -> None:
    calibration = Calibration()
    for _ in range(3):
        calibration.promise(0.0, STEP, np.full((10, 1, 1), 5.0))
    calibration.settle(make_observed(np.array([[5.0], [9.0]]), end=STEP))
    once = Calibration()
    once.promise(0.0, STEP, np.full((10, 1, 1), 5.0))
    once.settle(make_observed(np.array([[5.0], [9.0]]), end=STEP))
    assert calibration.spread == once.spread


def test_each_indicator_has_factors_of_its_own() -> None:
    calibration = Calibration()
    calibration.promise(0.0, STEP, np.full((10, 1, 2), 5.0))
    calibration.settle(make_observed(np.array([[5.0, 5.0], [5.0, 9.0]]), end=STEP))
    assert calibration.above[0] < 1.0 < calibration.above[1]


def test_a_shorter_horizon_settles_before_a_longer_one_that_was_promised_earlier() -> None:
    calibration = Calibration()
    calibration.promise(0.0, 10 * STEP, np.full((10, 1, 1), 5.0))
    calibration.promise(STEP, 2 * STEP, np.full((10, 1, 1), 5.0))
    calibration.settle(make_observed(np.array([[5.0], [9.0]]), end=2 * STEP))
    assert calibration.above > 1.0


def test_a_clock_set_back_forgets_what_was_promised() -> None:
    calibration = Calibration()
    calibration.promise(1000.0, 1015.0, np.full((10, 1, 1), 5.0))
    calibration.promise(0.0, STEP, np.full((10, 1, 1), 5.0))
    calibration.settle(make_observed(np.array([[5.0], [9.0]]), end=STEP))
    assert calibration.above > 1.0
    after = calibration.spread
    calibration.settle(make_observed(np.full((3, 1), 9.0), end=1015.0))
    assert calibration.spread == after


@pytest.mark.parametrize(("rows", "share"), [(1, 1.0), (10, 1.0), (40, 0.25)])
def test_a_jump_breaks_all_promises_of_a_long_horizon_and_counts_less_in_each(rows: int, share: float) -> None:
    calibration = Calibration()
    calibration.promise(0.0, rows * STEP, np.full((20, rows, 1), 1.0))
    calibration.settle(make_observed(np.full((rows + 1, 1), 5.0), end=rows * STEP))
    assert np.log(calibration.above) == pytest.approx(GAIN * (1 - OUTSIDE) * share)
