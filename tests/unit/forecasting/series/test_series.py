from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.errors import InputError
from foresail.forecasting.series.series import parse_series


def test_iso_times_and_seconds_are_read_alike() -> None:
    iso = parse_series("date,load\n1970-01-01 00:00:00,1\n1970-01-01T00:10:00Z,2\n", "x.csv")
    seconds = parse_series("t,load\n0,1\n600,2\n", "x.csv")
    np.testing.assert_array_equal(iso.times, seconds.times)
    np.testing.assert_array_equal(iso.values, seconds.values)
    assert iso.columns == ("load",)


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "inf", "-Infinity"])
def test_an_empty_nan_or_infinite_cell_is_missing_and_never_zero(cell: str) -> None:
    series = parse_series(f"t,a,b\n0,1,5\n1,{cell},6\n2,3,7\n", "x.csv")
    assert np.isnan(series.values[1, 0])
    np.testing.assert_array_equal(series.carried()[:, 0], [1.0, 1.0, 3.0])


def test_before_the_first_value_the_first_one_is_carried() -> None:
    series = parse_series("t,a,b\n0,,\n1,4,\n2,,\n", "x.csv")
    np.testing.assert_array_equal(series.carried()[:, 0], [4.0, 4.0, 4.0])
    assert np.isnan(series.carried()[:, 1]).all()


def test_unsorted_rows_are_sorted_and_duplicates_merged_cell_by_cell() -> None:
    series = parse_series("t,a,b\n20,3,3\n0,1,1\n10,2,\n10,,9\n10,5,\n", "x.csv")
    np.testing.assert_array_equal(series.times, [0.0, 10.0, 20.0])
    np.testing.assert_array_equal(series.values, [[1.0, 1.0], [5.0, 9.0], [3.0, 3.0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t,load\n0,1\n1,high\n", "x.csv: load: line 3 is not a number, got 'high'; give a number"),
        ("t,load\n0,1_0\n", "load: line 2 is not a number, got '1_0'"),
        ("t,load\n0,1e300\n", "load: line 2 is too large, got '1e300'"),
        ("t,load\nmonday,1\n", "x.csv: t: line 2 is no time, got 'monday'"),
        ("t,load\n,1\n", "t: line 2 is no time, got ''"),
        ("t,load\nnan,1\n", "t: line 2 is no time, got 'nan'"),
        ("t,load\n0,1,2\n", "line 2: must have 2 cells, got 3"),
        ("t,load,load\n0,1,2\n", "header: column names must be unique and not empty, got 'load'"),
        ("0,1\n1,2\n", "header: holds numbers"),
        ("t\n0\n", "header: must name a time column and at least one indicator"),
        ("", "header: must name a time column"),
        ("t,load\n", "t: has no rows below the header"),
    ],
)
def test_what_cannot_be_read_is_refused_naming_column_and_cell(text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_series(text, "x.csv")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
