"""The protocol of rolling origins, the seat for a model with samples of its own, and quality on known processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.scores import crps
from foresail.forecasting.series.baselines import periods
from foresail.forecasting.series.evaluate import Evaluation, Rules, evaluate, find_coin_floor
from foresail.forecasting.series.panel import MODELS, make_model
from foresail.forecasting.series.series import Series, parse_series
from foresail.forecasting.series.task import Model, Task, make_task
from tests.unit.forecasting.series.tables import make_series, make_values

CHAT = Path(__file__).parents[4] / "examples" / "data" / "servegen-chat.csv"


class Oracle:
    """Knows the outcome of every target, and says so in samples of its own."""

    name = "oracle"
    parameters = 7

    def __init__(self) -> None:
        self.fitted_rows = 0

    def fit(self, task: Task) -> None:
        self.fitted_rows = task.train_rows

    def quantiles(self, task: Task) -> FloatArray:
        return np.repeat(task.values[task.targets][:, None, :], task.levels.size, axis=1)

    def samples(self, task: Task) -> FloatArray | None:
        return np.repeat(task.values[task.targets][:, None, :], 128, axis=1)


def run(series: Series, model: Model, horizon: int = 1, rules: Rules = Rules()) -> Evaluation:  # noqa: B008 - frozen
    return evaluate(series, model, horizon, rules, lambda: 0.0)


def test_training_is_the_first_rows_and_the_test_the_last() -> None:
    oracle = Oracle()
    found = run(make_series(make_values(103)), oracle, 3)
    assert oracle.fitted_rows == 72  # int(.7 * 103)
    np.testing.assert_array_equal(found.target_rows, np.arange(83, 103))  # int(.2 * 103) = 20


def test_a_model_may_bring_samples_of_its_own() -> None:
    found = run(make_series(make_values(100)), Oracle())
    assert found.samples.shape == (20, 128, 4)
    assert found.figures.crps == found.figures.mse == found.figures.energy_score == 0.0
    assert (found.figures.coverage_80, found.parameters) == (1.0, 7)


def test_forecasts_are_made_from_so_many_rows_before() -> None:
    series = make_series(np.arange(100.0)[:, None])
    for horizon in (1, 4):
        found = run(series, make_model("last"), horizon)
        # A straight line: the last value and what it always grew by in so many rows is the target itself.
        np.testing.assert_allclose(found.quantiles[:, :, 0], found.target_rows[:, None].repeat(100, axis=1))


def test_time_is_what_the_clock_says() -> None:
    ticks = iter([10.0, 12.0, 17.0])
    found = evaluate(make_series(make_values(100)), Oracle(), 1, Rules(), lambda: next(ticks))
    assert found.train_cpu_seconds == 7.0
    assert found.predict_milliseconds == pytest.approx(5000.0 / 30)  # for the rows behind the training part


def test_figures_are_scaled_by_the_training_part() -> None:
    values = make_values(200)
    found = run(make_series(values), make_model("last"))
    span = np.ptp(values[:140, 0])
    scaled, raw = found.figures.crps_per_column["c0"], found.raw.crps_per_column["c0"]
    assert scaled is not None
    assert raw == pytest.approx(scaled * span)


def test_the_floor_under_a_coin_is_its_share_of_the_mean() -> None:
    floor = find_coin_floor(make_series(make_values(400)), Rules(), 1)
    # A coin of .4 has half of Gini's mean difference .4 * .6 = .24, one of four columns.
    assert floor.columns["c1"] == pytest.approx(0.24, abs=0.03)
    assert floor.crps == pytest.approx(floor.columns["c1"] / 4)


def test_a_season_is_found_in_rows_whatever_the_step() -> None:
    for step in (15.0, 600.0, 86400.0):
        series = make_series(make_values(400, period=30)[:, :1], step_seconds=step)
        assert 30 in periods(make_task(series, 1, 280))


def test_noise_has_no_season() -> None:
    series = make_series(np.random.default_rng(0).normal(size=(400, 2)), step_seconds=7.0)
    assert periods(make_task(series, 1, 280)) == ()


@pytest.mark.parametrize("name", ["mixture", "ridge", "last"])
@pytest.mark.parametrize("horizon", [1, 4])
def test_coverage_of_an_autoregression_is_what_was_promised(name: str, horizon: int) -> None:
    rng = np.random.default_rng(0)
    values = np.zeros((1500, 3))
    for row in range(1, 1500):
        values[row] = 0.8 * values[row - 1] + rng.normal(size=3)
    found = run(make_series(values), make_model(name), horizon).figures
    assert found.coverage_80 == pytest.approx(0.80, abs=0.04)
    assert found.coverage_95 == pytest.approx(0.95, abs=0.03)
    assert found.violation_99 == pytest.approx(0.01, abs=0.012)


@pytest.mark.parametrize("name", ["mixture", "seasonal"])
@pytest.mark.parametrize("horizon", [1, 30])
def test_coverage_of_a_season_is_what_was_promised(name: str, horizon: int) -> None:
    rng = np.random.default_rng(0)
    season = 10.0 + 5.0 * np.sin(2.0 * np.pi * np.arange(1500) / 24.0)
    values = season[:, None] * rng.gamma(20.0, 1.0 / 20.0, size=(1500, 3))  # noise that the level shapes
    found = run(make_series(values), make_model(name), horizon).figures
    assert found.coverage_80 == pytest.approx(0.80, abs=0.04)
    assert found.coverage_95 == pytest.approx(0.95, abs=0.03)
    assert found.violation_99 == pytest.approx(0.01, abs=0.012)


def test_the_mixture_of_an_autoregression_is_near_the_best_that_can_be() -> None:
    rng = np.random.default_rng(0)
    values = np.zeros((1500, 1))
    for row in range(1, 1500):
        values[row] = 0.8 * values[row - 1] + rng.normal()
    found = run(make_series(values), make_model("mixture")).raw
    # The true law of the next row, scored on the same rows.
    law = np.quantile(rng.normal(size=100_000), (np.arange(100) + 0.5) / 100)
    best = crps(law[:, None] + 0.8 * values[1199:-1].T, values[1200:, 0]).mean()
    assert found.crps is not None
    assert best <= found.crps < 1.03 * best


@pytest.mark.parametrize("horizon", [1, 6])
def test_the_mixture_is_never_much_worse_than_the_best_of_the_others(horizon: int) -> None:
    chat = parse_series(CHAT.read_text(encoding="utf-8"), CHAT.name)
    small = make_series(make_values(400))
    for series in (chat, small):
        scores = {name: run(series, make_model(name), horizon).figures.crps or 0.0 for name in MODELS}
        assert scores["mixture"] <= 1.02 * min(scores.values())
