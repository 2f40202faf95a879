from __future__ import annotations

from math import inf, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.policies.allocation.profiles.correction import MAX_LOG_CORRECTION, uncorrected


def test_a_lasting_factor_is_found() -> None:
    correction = uncorrected(0.3)
    for _ in range(40):
        correction = correction.observed(8.0, 10.0)

    assert correction.log_factor == pytest.approx(log(0.8), abs=0.01)
    assert correction.log_error < 0.1
    assert correction.observations == 40


def test_a_change_is_followed_after_long_agreement() -> None:
    correction = uncorrected(0.3)
    for _ in range(500):
        correction = correction.observed(10.0, 10.0)
    for _ in range(60):
        correction = correction.observed(5.0, 10.0)

    assert correction.log_factor == pytest.approx(log(0.5), abs=0.05)


def test_one_outlier_moves_it_by_less_than_a_twentieth() -> None:
    correction = uncorrected(0.3)
    for _ in range(100):
        correction = correction.observed(10.0, 10.0)

    assert abs(correction.observed(1000.0, 10.0).log_factor) < 0.05


@pytest.mark.parametrize("rate", [None, nan, inf, 0.0, -3.0])
def test_what_is_no_rate_changes_nothing(rate: float | None) -> None:
    correction = uncorrected(0.3)

    assert correction.observed(rate, 10.0) == correction
    assert correction.observed(10.0, 0.0) == correction


@given(st.lists(st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)), max_size=60))
def test_the_factor_is_bounded_and_the_error_never_grows_beyond_the_profiles(pairs: list[tuple[float, float]]) -> None:
    correction = uncorrected(0.3)
    for served, expected in pairs:
        correction = correction.observed(served, expected)

    assert abs(correction.log_factor) <= MAX_LOG_CORRECTION
    assert 0.0 < correction.log_error <= 0.3
