"""The paper's own semantics: a bucket is cut into slices of equal rate, and each slice goes to one variant.

References:
    Griggs, Liu, Yu, Kim, Chiang, Cheung, Stoica, 2024, Mélange: Cost Efficient Large Language Model Serving by
    Exploiting GPU Heterogeneity, https://arxiv.org/abs/2404.14527, §5.4
"""

from __future__ import annotations

import numpy as np

from foresail.domain.allocation import ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.program import ModelColumns, traffic_of
from foresail.policies.allocation.routing import Routed, plan_of


def route_slices(model: ModelDemand, columns: ModelColumns, x: FloatArray, slices: int) -> Routed:
    """A plan whose shares are those of the program: whole slices, which no other routing may split.

    Args:
        model: Demand and variants.
        columns: Where the model stands in the program.
        x: Shape (columns,), a solution.
        slices: Of each bucket.
    """
    traffic = traffic_of(model)
    replicas = tuple(int(count) for count in x[columns.replicas])
    shares = np.zeros(traffic.load.shape)
    shares[columns.pair_bucket, columns.pair_variant] = np.abs(x[columns.shares]) / slices  # no minus zero
    left = np.zeros(model.demand_rps.size)
    left[traffic.bucket] = traffic.rps * np.rint(slices * (1.0 - shares.sum(axis=1))) / slices
    return Routed(plan_of(model, replicas, traffic, shares), left.reshape(model.demand_rps.shape))
