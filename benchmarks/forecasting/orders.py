"""Orders of the same quantiles: how the samples of requests, input and output tokens go together at one instant.

| order | samples go together as |
|---|---|
| independent | chance has it |
| past rows | outcomes of past rows stood in their forecasts: the empirical copula, and what ships |
| own mixing | the flow's M says, of independent normals |
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from benchmarks.forecasting.replicas import (
    INDEPENDENT,
    LEADS_SECONDS,
    OWN,
    PAST,
    SEEDS,
    TRAIN,
    compare,
    fare_instant,
    fleet_of,
)
from benchmarks.forecasting.work import Row
from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.dataset import Examples, make_examples
from foresail.forecasting.neural.model import FlowModel, restore_flow, warm_rows
from foresail.forecasting.series.copula import SAMPLES, couple, sample_levels, shuffle_columns
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.series import Series
from foresail.forecasting.series.task import Task, make_task


def measure_orders(data: str, series: Series) -> list[Row]:
    """Every lead time, both marginals, every order."""
    train = int(TRAIN * len(series))
    fleet = fleet_of(series.values[:train])
    rows = []
    for lead in LEADS_SECONDS:
        step = float(np.median(np.diff(series.times)))
        task = make_task(series, round(lead / step), train)
        for marginals, orders in _orders(task).items():
            found = {
                order: [fare_instant(drawn, task.values[task.targets], fleet) for drawn in seeds]
                for order, seeds in orders.items()
            }
            rows += compare(found, {"data": data, "of": marginals, "lead_seconds": lead, "when": "ready"})
    return rows


def _orders(task: Task) -> dict[str, dict[str, list[FloatArray]]]:
    """Samples (T, S, 3) of each marginal and order, those by chance several times."""
    warm = warm_rows(task)
    rolled = replace(task, train_rows=warm)
    mixture = make_model("mixture").quantiles(rolled)
    before = task.train_rows - warm
    model = FlowModel()
    model.fit(task)
    flow = FlowModel.restore(model.settings(), model.weights())  # as an artifact is: it learns no further
    bent = np.concatenate([mixture[:before], flow.quantiles(task)])
    asked = make_examples(rolled, mixture, seed=task.seed).rows(before, len(mixture))
    both = {
        name: {
            INDEPENDENT: [shuffle_columns(sample_levels(found[before:], task.levels), seed) for seed in range(SEEDS)],
            PAST: [_as_past_rows(rolled, found, before)],
        }
        for name, found in (("mixture", mixture), ("flow", bent))
    }
    own = [_as_mixed(model, asked, bent[before:], task.levels, seed) for seed in range(SEEDS)]
    both["flow"] |= {OWN: own}
    return both


def _as_past_rows(rolled: Task, quantiles: FloatArray, first: int) -> FloatArray:
    outcomes = rolled.values[rolled.targets]
    return couple(quantiles, outcomes, rolled.levels, horizon=rolled.horizon, first=first, seed=rolled.seed)


def _as_mixed(model: FlowModel, asked: Examples, quantiles: FloatArray, levels: FloatArray, seed: int) -> FloatArray:
    """Quantiles (T, Q, I) in the order of ε = M u, u independent."""
    flow = restore_flow(model.settings(), model.weights())
    with torch.no_grad():
        mixing = flow.given(torch.from_numpy(asked.context).float()).mixing.double().numpy()
    normals = np.random.default_rng(seed).standard_normal((len(quantiles), SAMPLES, mixing.shape[-1]))
    mixed = (normals @ mixing.transpose(0, 2, 1))[..., np.argsort(flow.order.numpy())]
    ranks = mixed.argsort(axis=1).argsort(axis=1)
    return np.take_along_axis(sample_levels(quantiles, levels), ranks, axis=1)
