from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import DEMAND_INDICATORS, Window
from foresail.forecasting.past import on_rows, trust
from tests.builders import NOW, make_window


def test_a_hole_repeats_the_row_before_and_does_not_count() -> None:
    past = trust(make_window([5.0, None, 7.0]))
    assert past is not None
    assert past.values[:, 0].tolist() == [5.0, 5.0, 7.0]
    assert past.observed.tolist() == [True, False, True]


def test_holes_at_both_ends_are_cut_off() -> None:
    past = trust(make_window([None, 5.0, 6.0, None, None]))
    assert past is not None
    assert (len(past), past.stale_rows, past.end) == (2, 2, NOW - 30.0)  # two rows of 15 s


@pytest.mark.parametrize("nonsense", [np.inf, -np.inf, np.nan, -1.0])
def test_what_no_demand_can_be_was_not_observed(nonsense: float) -> None:
    window = make_window([5.0, 6.0, 7.0])
    values = window.values.copy()
    values[1, 2] = nonsense
    past = trust(Window(window.indicators, 15.0, NOW, values, window.observed.copy()))
    assert past is not None
    assert past.observed.tolist() == [True, False, True]
    assert past.values[1].tolist() == past.values[0].tolist()


def test_a_row_counts_only_when_every_indicator_was_observed() -> None:
    observed = np.array([[True, True, True], [True, False, True]])
    past = trust(Window(DEMAND_INDICATORS, 15.0, NOW, np.ones((2, 3)), observed))
    assert past is not None
    assert len(past) == 1


@pytest.mark.parametrize("rps", [[], [None, None]])
def test_nothing_observed_is_no_past(rps: list[float | None]) -> None:
    assert trust(make_window(rps)) is None


def test_columns_come_in_the_order_asked_for() -> None:
    past = trust(make_window([5.0]), DEMAND_INDICATORS[::-1])
    assert past is not None
    assert past.values.tolist() == [[1250.0, 5000.0, 5.0]]  # 5 rps of 250 output and 1,000 input tokens


def test_a_missing_column_is_no_past() -> None:
    assert trust(make_window([5.0]), ["gpu_seconds"]) is None


def test_rows_of_a_span_are_at_least_one() -> None:
    past = trust(make_window([5.0]))
    assert past is not None
    assert [past.rows(seconds) for seconds in (1.0, 60.0, 300.0)] == [1, 4, 20]


def test_since_a_row_beyond_the_end_nothing_is_left() -> None:
    past = trust(make_window([5.0, 6.0]))
    assert past is not None
    assert past.since(2) is None


def test_another_window_is_read_on_the_rows_of_a_past_and_beyond() -> None:
    past = trust(make_window([5.0, 6.0, 7.0]))
    assert past is not None
    instants = NOW + 60.0 * np.arange(-3.0, 3.0)
    other = Window(("a",), 60.0, float(instants[-1]), instants[:, None] - NOW, np.ones((6, 1), dtype=np.bool_))

    assert on_rows(other, past, 2)[:, 0].tolist() == [-30.0, -15.0, 0.0, 15.0, 30.0]
