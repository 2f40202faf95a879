"""A regime shift: half-way through the test part demand grows by half, or its noise doubles, and stays so.

Altered are the columns that capacity would be bought for. What is asked is how soon the .99 quantile is exceeded about
as seldom as it promises again, and what that costs. With one row in a hundred, one column alone would tell little; so
rows exceeded in a window are counted over all columns and containers together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.forecasting.published import DEMAND
from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.forecasting.scores import pinball
from foresail.forecasting.series.copula import read_at
from foresail.forecasting.series.evaluate import Rules, scale, split
from foresail.forecasting.series.panel import correct_online, make_mixture
from foresail.forecasting.series.series import Series
from foresail.forecasting.series.task import make_task

LEVEL = 1.5
NOISE = 2.0
LOCAL_ROWS = 36  # on each side: what noise is about
WINDOW_ROWS = 36
DAY_ROWS = 144
TARGET = 0.01
TOLERATED = 2.0 * TARGET
STATIC, CORRECTED = "mixture, not corrected", "mixture"
NO_SHIFT = "none"
KINDS = (NO_SHIFT, "level", "noise")


def shifted(series: Series, kind: str) -> tuple[Series, int]:
    """The series with its demand altered from the middle of the test part on, and the row where that begins."""
    row = (split(series, Rules(), 1)[1] + len(series)) // 2
    values = series.values.copy()
    for name in DEMAND:
        column = values[:, series.columns.index(name)]
        if kind == "level":
            column[row:] *= LEVEL
        elif kind == "noise":
            local = np.array(
                [np.nanmedian(column[max(i - LOCAL_ROWS, 0) : i + LOCAL_ROWS + 1]) for i in range(column.size)]
            )
            column[row:] = local[row:] + NOISE * (column[row:] - local[row:])
    return replace(series, values=values), row


def measure_shift(containers: Mapping[int, Series], kind: str) -> dict[str, dict[str, Any]]:
    """How the mixture fares from the shift on, one step ahead, without and with its levels corrected online."""
    parts = [_forecast(*shifted(series, kind)) for series in containers.values()]
    rows = min(len(outcomes) for outcomes, _ in parts)
    figures = {}
    for place, name in enumerate((STATIC, CORRECTED)):
        missed = np.concatenate([outcomes[:rows] - tops[place][:rows] for outcomes, tops in parts], axis=1)
        exceeded = missed > 0.0
        figures[name] = {
            "rows_until_kept": rows_until_kept(exceeded),
            "violation_99_first_day": float(exceeded[:DAY_ROWS].mean()),
            "violation_99_later": float(exceeded[DAY_ROWS:].mean()) if rows > DAY_ROWS else None,
            "newsvendor": float(100.0 * pinball(missed, 0.99).mean()),
        }
    return figures


def rows_until_kept(exceeded: BoolArray) -> int | None:
    """Rows from the shift to the end of the first window in which at most twice as much was exceeded as promised.

    Args:
        exceeded: Rows from the shift on, columns of all containers, shape (n, C).

    Returns:
        None where there is no such window.
    """
    sums = np.cumsum(np.concatenate(([0.0], exceeded.mean(axis=1))))
    rates = (sums[WINDOW_ROWS:] - sums[:-WINDOW_ROWS]) / WINDOW_ROWS
    kept = np.flatnonzero(rates <= TOLERATED)
    return int(kept[0]) + WINDOW_ROWS if kept.size else None


def _forecast(series: Series, row: int) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Outcomes from the row on, and the .99 quantiles without and with correction, scaled, shape (n, D) each."""
    train = split(series, Rules(), 1)[0]
    task = make_task(series, 1, train)
    columns = [series.columns.index(name) for name in DEMAND]
    span = scale(series, train)[1][columns]
    static = make_mixture(corrects=False).quantiles(task)
    tops = [
        read_at(found[row - train :, :, columns], task.levels, np.array([0.99]))[:, 0] / span
        for found in (static, correct_online(task, static))
    ]
    return series.values[row:, columns] / span, (tops[0], tops[1])
