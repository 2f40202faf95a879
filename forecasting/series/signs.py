"""Signs: what has never been below zero is not forecast to be.

Residuals around a base know nothing of where a column ends: of a rate that has just fallen to nearly nothing, they
would foresee less than nothing.
"""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.task import Task


def keep_signs(task: Task, quantiles: FloatArray) -> FloatArray:
    """Quantiles of all targets, shape (T, Q, I), not below zero where nothing that the origin knew was."""
    lowest = np.fmin.accumulate(task.values, axis=0)  # NaN is passed over
    never = task.lagged(lowest)[task.targets] >= 0.0
    return np.where(never[:, None], np.maximum(quantiles, 0.0), quantiles)
