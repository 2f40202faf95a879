"""How good the forecasts are, on demand made here: never timed, always the same seeds."""

from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from tests.unit.forecasting.demand.rivals import best_single, compete
from tests.unit.forecasting.demand.windows import DAY_ROWS, STEP_SECONDS, TOKENS, make_days, make_noise, replay

DAY_SECONDS = DAY_ROWS * STEP_SECONDS


def make_regimes(rows: int, *, seed: int) -> FloatArray:
    """Demand whose level jumps now and then, with noise that remembers a minute."""
    rng = np.random.default_rng(seed)
    level, noise = np.zeros(rows), np.zeros(rows)
    for row in range(1, rows):
        level[row] = 0.97 * level[row - 1] + (rng.normal() * 0.5 if rng.random() < 0.05 else 0.0)
        noise[row] = 0.6 * noise[row - 1] + 0.1 * rng.normal()
    requests = 100.0 * np.exp(level + noise)
    return np.asarray(requests[:, None] * TOKENS * np.exp(0.03 * rng.normal(size=(rows, 3))))


@pytest.mark.parametrize("name", ["noise", "regimes"])
def test_the_mixture_is_no_worse_than_the_best_single_expert(name: str) -> None:
    values = make_noise(1000) if name == "noise" else make_regimes(1000, seed=0)
    records = compete(values, range(300, 996), lead_seconds=120.0)
    assert records["mixture"].crps <= 1.02 * best_single(records)


def test_where_one_expert_is_exactly_right_the_mixture_loses_little() -> None:
    """On a random walk nothing beats the last value, and whatever is mixed in or recalibrated can only cost."""
    walk = 100.0 * np.exp(0.05 * np.cumsum(np.random.default_rng(0).normal(size=1000)))
    records = compete(walk[:, None] * TOKENS, range(300, 996), lead_seconds=120.0)
    assert records["mixture"].crps <= 1.04 * best_single(records)


def test_coverage_is_within_three_points_of_what_is_promised() -> None:
    values = make_regimes(3000, seed=1)
    record = compete(values, range(300, 2996, 2), lead_seconds=120.0)["mixture"]
    assert np.mean(record.inside_80) == pytest.approx(0.80, abs=0.03)
    assert np.mean(record.inside_95) == pytest.approx(0.95, abs=0.03)
    assert np.mean(record.above_99) <= 0.025  # the level jumps in 5 % of the rows, which nothing announces


def test_on_a_daily_pattern_the_mixture_beats_the_naive_ones_and_uses_the_season() -> None:
    values, _ = make_days(9 * DAY_ROWS)
    records = compete(values, range(6 * DAY_ROWS, 9 * DAY_ROWS - 6, 3), lead_seconds=120.0, period_seconds=DAY_SECONDS)
    assert records["mixture"].crps < 0.85 * records["last-value"].crps
    assert records["mixture"].crps <= 1.02 * min(record.crps for record in records.values())


def test_a_ramp_is_foreseen_before_it_comes() -> None:
    """At the foot of the morning, two minutes before: the median leads what is seen now, and by about as much."""
    values, pattern = make_days(13 * DAY_ROWS)
    lead = 4  # rows of 30 s
    foot = [day * DAY_ROWS + row for day in range(9, 12) for row in range(DAY_ROWS * 7 // 8, DAY_ROWS + 8, 2)]
    # From seven eighths of the day until past its turn the pattern rises steadily.
    foreseen, coming, now = [], [], []
    for row, answer in replay(values, iter(foot), horizon_seconds=150.0):
        foreseen.append(float(np.median(answer.samples[:, lead - 1, 0])))
        coming.append(pattern[row + lead])
        now.append(pattern[row])
        assert "a season of 1.2 h" in answer.reason
    rise = np.mean(coming) - np.mean(now)
    assert np.mean(foreseen) - np.mean(now) > 0.7 * rise
    assert np.mean(np.array(foreseen) > np.array(now)) > 0.8


def test_forecasts_that_met_their_time_say_whether_they_are_calibrated() -> None:
    answers = [answer for _, answer in replay(make_noise(700), range(240, 700), horizon_seconds=120.0)]
    assert answers[0].calibrated is None
    assert answers[-1].calibrated is True


def test_the_mixture_follows_a_jump_of_the_level_within_minutes() -> None:
    values = np.concatenate([make_noise(300, spread=0.05), 3.0 * make_noise(100, spread=0.05, seed=1)])
    answers = dict(replay(values, range(299, 312), horizon_seconds=120.0))
    assert np.median(answers[299].samples[:, -1, 0]) == pytest.approx(50.0, rel=0.1)
    assert np.median(answers[311].samples[:, -1, 0]) > 120.0  # six minutes after 50 became 150
