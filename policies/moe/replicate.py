"""How many replicas each expert has: the next one goes to the expert with the most load on each, as in EPLB.

That rule makes the busiest replica as light as any counts can. An expert has no more replicas than there are GPUs, as
none stands twice on one.

References:
    DeepSeek-AI, 2025: Expert Parallelism Load Balancer, https://github.com/deepseek-ai/EPLB
"""

from __future__ import annotations

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.placement import IntArray


def replicate(loads: FloatArray, slots: int, most: int) -> IntArray:
    """Replicas of every expert.

    Args:
        loads: Shape (L, E).
        slots: Of all GPUs, at least E.
        most: Replicas that an expert may have: the number of GPUs.

    Returns:
        Shape (L, E): at least 1, in sum `slots`, or fewer where every expert has `most`.
    """
    layers, experts = loads.shape
    if slots < experts:
        raise ValueError(f"slots must be at least {experts}, one for each expert, got {slots}")
    found = np.ones((layers, experts), np.int64)
    share = loads.copy() if most > 1 else np.full_like(loads, -1.0)
    rows = np.arange(layers)
    for _ in range(min(slots, experts * most) - experts):
        hottest = share.argmax(axis=1)
        count = found[rows, hottest] + 1
        found[rows, hottest] = count
        share[rows, hottest] = np.where(count < most, loads[rows, hottest] / count, -1.0)
    return found
