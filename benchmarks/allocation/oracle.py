"""The optimum of small fleets by trying every plan: no branching, no presolve, no code of the product.

For every count of replicas of one model a linear program says what it must leave at least; it is built from dense rows
and solved by HiGHS' simplex with presolve off. Plans of several models are then put together in every way that the
stock of GPUs allows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import highspy
import numpy as np

from foresail.domain.allocation import AllocationProblem, ModelDemand
from foresail.domain.timeseries import FloatArray

Plan = tuple[float, tuple[float, ...]]  # USD per hour, GPUs by accelerator with a cap
OPTIMAL = highspy.HighsModelStatus.kOptimal


def least_usd_per_hour(problem: AllocationProblem) -> float | None:
    """Cost of the cheapest plan, None where there is none.

    Args:
        problem: Every candidate with `max_replicas`; it says how much there is to try.
    """
    stock = np.array([float(gpus) for gpus in problem.gpus.values()])
    best: dict[tuple[float, ...], float] = {tuple(0.0 * stock): 0.0}
    for model in problem.models:
        best = _joined(best, list(_plans(model, tuple(problem.gpus))), stock)
    return min(best.values(), default=None)


def _joined(
    best: dict[tuple[float, ...], float], plans: list[Plan], stock: FloatArray
) -> dict[tuple[float, ...], float]:
    """The cheapest way to use just so many GPUs of each accelerator, with one model more."""
    joined: dict[tuple[float, ...], float] = {}
    for (used, usd), (more_usd, more) in itertools.product(best.items(), plans):
        total = tuple(np.add(used, more).tolist())
        if np.all(np.array(total) <= stock):
            joined[total] = min(joined.get(total, math.inf), usd + more_usd)
    return joined


def _plans(model: ModelDemand, accelerators: tuple[str, ...]) -> Iterator[Plan]:
    """Every count of replicas that serves what must be served."""
    serve = _Serving(model)
    ranges = [range(one.min_replicas, (one.max_replicas or 0) + 1) for one in model.candidates]
    for replicas in itertools.product(*ranges):
        unserved = serve.least_unserved_usd(replicas)
        if unserved is None:
            continue
        pairs = list(zip(model.candidates, replicas, strict=True))
        gpus = (sum(n * one.gpus_per_replica for one, n in pairs if one.accelerator == name) for name in accelerators)
        yield unserved + sum(n * one.usd_per_hour for one, n in pairs), tuple(map(float, gpus))


class _Serving:
    """min Σ price_b · rps_b · u_b;  Σ_v x_vb + u_b = 1;  Σ_b rps_b / capacity_vb · x_vb ≤ replicas_v; dense."""

    def __init__(self, model: ModelDemand) -> None:
        rps = model.demand_rps.ravel()
        self._rps = rps[rps > 0.0]
        capacity = np.array([one.capacity_rps.ravel()[rps > 0.0] for one in model.candidates])
        self._variants, self._buckets = capacity.shape
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in (("output_flag", False), ("presolve", "off"), ("threads", 1), ("solver", "simplex")):
            self._highs.setOptionValue(option, value)
        self._highs.passModel(self._program(model, capacity))

    def least_unserved_usd(self, replicas: tuple[int, ...]) -> float | None:
        """In USD per hour, None when too little can be served."""
        if not self._buckets:
            return 0.0
        for row, count in enumerate(replicas):
            self._highs.changeRowBounds(row, -highspy.kHighsInf, float(count))
        self._highs.run()
        if self._highs.getModelStatus() != OPTIMAL:
            return None
        return float(self._highs.getInfo().objective_function_value)

    def _program(self, model: ModelDemand, capacity: FloatArray) -> Any:
        variants, buckets = self._variants, self._buckets
        usd = model.unserved_usd_per_request
        load = np.where(capacity > 0.0, self._rps / np.where(capacity > 0.0, capacity, 1.0), 0.0)
        fits = np.hstack([np.kron(np.eye(variants), np.ones(buckets)) * load.ravel(), np.zeros((variants, buckets))])
        served = np.hstack([np.tile(np.eye(buckets), variants), np.eye(buckets)])
        dense = np.vstack([fits, served])
        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = dense.shape
        lp.col_cost_ = np.concatenate([np.zeros(load.size), 3600.0 * (usd or 0.0) * self._rps])
        lp.col_lower_ = np.zeros(lp.num_col_)
        lp.col_upper_ = np.concatenate(
            [(capacity > 0.0).ravel().astype(float), np.full(buckets, float(usd is not None))]
        )
        lp.row_lower_ = np.concatenate([np.full(variants, -highspy.kHighsInf), np.ones(buckets)])
        lp.row_upper_ = np.concatenate([np.zeros(variants), np.ones(buckets)])
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.arange(lp.num_row_ + 1) * lp.num_col_
        lp.a_matrix_.index_ = np.tile(np.arange(lp.num_col_), lp.num_row_)
        lp.a_matrix_.value_ = dense.ravel()
        return lp
