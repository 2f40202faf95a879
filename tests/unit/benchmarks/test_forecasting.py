from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.forecasting.data import binned, read_containers
from benchmarks.forecasting.published import DEMAND, UNINFORMATIVE
from benchmarks.forecasting.run import ForecastSettings, forecast_tables, judge_forecasts, measure_forecasts
from benchmarks.forecasting.shift import WINDOW_ROWS, measure_shift, rows_until_kept, shifted
from benchmarks.forecasting.work import Job, measure
from benchmarks.tables import make_console
from foresail.forecasting.series.evaluate import Rules

ROWS = 200
RATES = ("requests_per_second", "mean_input_tokens", "mean_output_tokens")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small containers and one fleet; no conversation, no second fleet."""
    rng = np.random.default_rng(0)
    for place in ("fisher/container1.csv", "fisher/container8.csv", "servegen/m_mid.csv"):
        columns = RATES if "servegen" in place else (*DEMAND, *sorted(UNINFORMATIVE))
        values = 10.0 + np.cumsum(rng.normal(size=(ROWS, len(columns))), axis=0)
        lines = [",".join((str(600 * i), *(f"{value:.6g}" for value in row))) for i, row in enumerate(values)]
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join((",".join(("time", *columns)), *lines)) + "\n")
    return tmp_path


def test_every_model_gets_the_same_rows_and_what_is_absent_is_said(folder: Path) -> None:
    told: list[str] = []
    report = measure_forecasts(ForecastSettings(folder, (1, 8), ("last", "ridge")), told.append)
    assert report["absent"] == ["m_large", "conversation"]
    assert "m_large, conversation" in told[0]
    jobs = [
        {(row["data"], row["horizon"]) for row in report["rows"] if row["model"] == name} for name in report["models"]
    ]
    assert jobs[0] == jobs[1] >= {("fisher/1", 1), ("fisher/1", 12), ("servegen/m_mid", 6)}
    assert report["fisher"]["last"]["crps_of_container"][8]["seeds"] == 1
    assert judge_forecasts(report) == []  # neither of the two is ours to judge
    console = make_console()
    with console.capture() as captured:
        for table in forecast_tables(report):
            console.print(table)
    assert all(text in captured.get() for text in ("HARMONY", "coin flips", "m_mid, 120 min ahead"))
    assert report["replicas"] == []  # neither the mixture nor the flow competes


def test_without_any_data_nothing_is_measured_and_nothing_is_met(tmp_path: Path) -> None:
    told: list[str] = []
    report = measure_forecasts(ForecastSettings(tmp_path), told.append)
    assert "container10" in told[0]
    assert judge_forecasts(report) == []
    assert list(forecast_tables(report)) == []


def test_figures_of_a_column_that_is_known_exactly_are_perfect(folder: Path) -> None:
    series = read_containers(folder, (1,))[1]
    flat = series.values.copy()
    flat[:, 0] = 7.0
    row = measure(Job("x", type(series)("x", series.columns, series.times, flat), "last", 1, Rules()))
    column = row["columns"][series.columns[0]]
    assert column == {"crps": 0.0, "crps_over_mean": 0.0, "coverage_95": 1.0, "violation_99": 0.0, "newsvendor": 0.0}
    assert row["energy_ratio"] > 0.0


def test_a_shift_alters_demand_from_the_middle_of_the_test_part_on(folder: Path) -> None:
    series = read_containers(folder, (1,))[1]
    for kind in ("level", "noise"):
        altered, row = shifted(series, kind)
        assert row == 180
        np.testing.assert_array_equal(altered.values[:row], series.values[:row])
        others = [i for i, name in enumerate(series.columns) if name not in DEMAND]
        np.testing.assert_array_equal(altered.values[:, others], series.values[:, others])
    level = shifted(series, "level")[0].values[180:, 0]
    np.testing.assert_allclose(level, 1.5 * series.values[180:, 0])


def test_a_shift_is_measured_over_all_containers(folder: Path) -> None:
    found = measure_shift(read_containers(folder, (1, 8)), "level")
    assert {"mixture", "mixture, not corrected"} == set(found)
    assert all(figures["newsvendor"] > 0.0 for figures in found.values())
    assert all(figures["violation_99_first_day"] > 0.0 for figures in found.values())


def test_the_promise_is_kept_again_at_the_end_of_the_first_window_that_keeps_it() -> None:
    exceeded = np.zeros((200, 4), dtype=np.bool_)
    assert rows_until_kept(exceeded) == WINDOW_ROWS
    exceeded[:50] = True
    exceeded[50, 0] = True  # with the 35 rows behind it 1 of 144; row 49 alone is 4 of them, more than 2 %
    assert rows_until_kept(exceeded) == 50 + WINDOW_ROWS
    assert rows_until_kept(np.ones((100, 4), dtype=np.bool_)) is None


def test_requests_become_rows_of_ten_seconds_without_the_last() -> None:
    requests = np.array([[100.0, 10, 1], [109.9, 30, 3], [131.0, 8, 8], [145.0, 9, 9]])
    series = binned(requests)
    np.testing.assert_allclose(series.values[:, 0], [0.2, 0.0, 0.0, 0.1])
    np.testing.assert_allclose(series.values[0], [0.2, 4.0, 0.4, 20.0, 2.0])
    assert np.isnan(series.values[1, 3:]).all()
