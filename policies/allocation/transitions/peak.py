"""The demand to plan for when what starts now serves only later: the most of each bucket until then."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from foresail.domain.allocation import Candidate
from foresail.domain.errors import InputError
from foresail.domain.timeseries import FloatArray


def steps_ahead(candidates: Sequence[Candidate], step_seconds: float, decision_seconds: float = 0.0) -> int:
    """Steps of a forecast until what the next decision starts could serve, at least 1.

    Args:
        candidates: The slowest start counts.
        step_seconds: Between two rows of the forecast, above 0.
        decision_seconds: Until the next decision.
    """
    slowest = max((candidate.startup_seconds for candidate in candidates), default=0.0)
    return max(ceil((slowest + decision_seconds) / step_seconds), 1)


def peak_demand(
    now_rps: FloatArray, forecast_rps: FloatArray, steps: int, *, quantile: float | None = None
) -> FloatArray:
    """The demand now or the most that is forecast for a bucket within the steps, shape (I, J).

    The peak of each path is taken first and the quantile over paths then: paths peak at different times, so quantiles
    of instants would be lower.

    Args:
        now_rps: Shape (I, J).
        forecast_rps: Shape (H, I, J), or (S, H, I, J) for sampled paths.
        steps: First rows that count, at least 1; beyond the horizon nothing is known and nothing is added.
        quantile: Over the paths, 0…1; for paths only.

    Raises:
        InputError: Shapes do not fit, a value is missing, or the quantile is.
    """
    _check(now_rps, forecast_rps, quantile)
    if quantile is None:
        peak: FloatArray = forecast_rps[:steps].max(axis=0)
    else:
        peak = np.quantile(forecast_rps[:, :steps].max(axis=1), quantile, axis=0)
    return np.maximum(now_rps, peak, dtype=np.float64)


def _check(now_rps: FloatArray, forecast_rps: FloatArray, quantile: float | None) -> None:
    paths = forecast_rps.ndim - now_rps.ndim == 2
    if forecast_rps.shape[-now_rps.ndim :] != now_rps.shape or not (paths or forecast_rps.ndim - now_rps.ndim == 1):
        wanted = f"does not end with the buckets of the demand, {now_rps.shape}"
        raise _refused("forecast_rps", wanted, forecast_rps.shape, "forecast the same buckets")
    if forecast_rps.size == 0 or not np.isfinite(forecast_rps).all():
        problem = "has rates that are missing or not finite"
        raise _refused("forecast_rps", problem, forecast_rps.shape, "plan for the demand now where nothing is forecast")
    if paths != (quantile is not None) or not 0.0 <= (quantile or 0.0) <= 1.0:
        problem = "is a share 0…1 for sampled paths and None for a single one"
        raise _refused("quantile", problem, quantile, "name one, such as 0.8, or drop it")


def _refused(field: str, problem: str, value: object, remedy: str) -> InputError:
    return InputError("demand forecast", field, problem, value=value, remedy=remedy)
