from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.demand.trial import MIXTURE, TRIAL_SECONDS, Contest, Trial
from tests.unit.forecasting.demand.windows import DAY_ROWS, STEP_SECONDS, make_days, make_noise, make_past, replay

SOURCES = (MIXTURE, "last-value")


def live(trial: Trial, rows: int, *, mixture: float) -> list[float]:
    """Promise 50 for the next row where 50 comes, and something else in the mixture's name; rows of promises."""
    made: list[float] = []

    def draw(source: str) -> FloatArray:
        made.append(past.end)
        return np.full((20, 1, 3), mixture if source == MIXTURE else 50.0) * np.linspace(0.9, 1.1, 20)[:, None, None]

    for row in range(rows):
        past = make_past(np.full(20, 50.0) + 0.1 * row)
        past = type(past)(past.values, past.observed, past.step_seconds, past.end + row * STEP_SECONDS, 0)
        trial.settle(past)
        trial.contest.promise(past, 1, SOURCES, draw)
    return sorted(set(made))


def test_promises_are_made_now_and_then() -> None:
    assert np.diff(live(Trial(Contest()), 20, mixture=50.0)).tolist() == [TRIAL_SECONDS] * 4


def test_workloads_take_turns() -> None:
    assert np.diff(live(Trial(Contest(turn=0.5)), 20, mixture=50.0)).tolist()[0] == 0.5 * TRIAL_SECONDS


def test_a_mixture_that_is_right_stays() -> None:
    trial = Trial(Contest())
    live(trial, 200, mixture=50.0)
    assert trial.verdict.source == MIXTURE


def test_a_mixture_that_is_wrong_gives_way_and_it_is_said_why() -> None:
    trial = Trial(Contest())
    live(trial, 200, mixture=1e6)
    assert trial.verdict.source == "last-value"
    assert "mixture scored" in trial.verdict.reason
    assert trial.verdict.skill == 0.0


def test_skill_is_told_once_an_hour_of_forecasts_has_met_its_time_and_is_none_where_a_season_is_all_there_is() -> None:
    values, _ = make_days(9 * DAY_ROWS)
    answers = dict(replay(values, range(6 * DAY_ROWS, 7 * DAY_ROWS + 60), horizon_seconds=120.0))
    first, last = answers[6 * DAY_ROWS], answers[7 * DAY_ROWS + 59]
    assert first.skill is None
    assert last.skill == pytest.approx(0.0, abs=0.1)  # the reference is the best forecast there can be
    assert last.source == MIXTURE


def test_on_noise_the_mixture_has_skill_over_the_last_value() -> None:
    *_, (_, answer) = replay(make_noise(500), range(240, 500), horizon_seconds=120.0)
    assert answer.skill is not None
    assert answer.skill > 0.15
