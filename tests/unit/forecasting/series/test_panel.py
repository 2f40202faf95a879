"""The mixture's online correction."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.scores import crps
from foresail.forecasting.series.panel import correct_online, make_mixture
from foresail.forecasting.series.task import Task, make_task
from tests.unit.forecasting.series.tables import make_series

TRAIN, SHIFT, ROWS = 50, 450, 850


def make_case(shift: float) -> tuple[Task, FloatArray]:
    """Standard normal outcomes that move by `shift` in row 450, and forecasts that never learn of it."""
    values = np.random.default_rng(0).normal(size=(ROWS, 2))
    values[SHIFT:] += shift
    task = make_task(make_series(values), 1, TRAIN)
    normal = np.array([NormalDist().inv_cdf(float(level)) for level in task.levels])
    return task, np.tile(normal[None, :, None], (ROWS - TRAIN, 1, 2))


def scores(task: Task, quantiles: FloatArray) -> FloatArray:
    return crps(quantiles.transpose(1, 0, 2), task.values[task.targets])


def test_after_a_shift_the_promise_is_kept_again() -> None:
    task, quantiles = make_case(2.0)
    corrected = correct_online(task, quantiles)
    later = slice(SHIFT - TRAIN + 72, None)
    outcomes = task.values[task.targets][later]
    assert (outcomes > quantiles[later, 98]).mean() > 0.3
    assert (outcomes > corrected[later, 98]).mean() < 0.03
    assert scores(task, corrected)[later].mean() < 0.7 * scores(task, quantiles)[later].mean()


def test_without_a_shift_correction_costs_next_to_nothing() -> None:
    task, quantiles = make_case(0.0)
    assert scores(task, correct_online(task, quantiles)).mean() == pytest.approx(
        scores(task, quantiles).mean(), rel=0.01
    )


def test_the_mixture_is_corrected_unless_told_otherwise() -> None:
    task, _ = make_case(2.0)
    static = make_mixture(corrects=False).quantiles(task)
    np.testing.assert_array_equal(make_mixture().quantiles(task), correct_online(task, static))
