"""Demand in steps: rates that wobble around what exactly fills a GPU give one plan and not two in turn.

A rate is raised to the next of the levels exp(n · step) above it and its wobble. It keeps the level that it had as long
as that level covers it, and would be at most a wobble and a step too high for it:

    level / (room² · e^step) ≤ rate ≤ level,   room = (1 + wobble) / (1 - wobble)

Then whatever stays within ± wobble of some rate never leaves the level that its first value was given.
"""

from __future__ import annotations

import numpy as np

from foresail.domain.allocation import TRAFFIC_RPS
from foresail.domain.timeseries import FloatArray

STEP = 0.01  # of the rate's logarithm
WOBBLE = 0.005
ROUNDING = 1e-9  # a rate on a level is on it, whatever its last digit


def on_grid(
    demand_rps: FloatArray, held_rps: FloatArray | None = None, *, step: float = STEP, wobble: float = WOBBLE
) -> FloatArray:
    """The rates to plan for, never below the demand and above it by at most room² · e^step: 3 % by default.

    Args:
        demand_rps: Of any shape; what is no traffic stays as it is.
        held_rps: What this returned in the last cycle, same shape; None or another shape: there was none.
        step: Between two levels, above 0, as a difference of logarithms.
        wobble: Share of a rate by which it may vary and mean the same, 0…1.
    """
    room = (1.0 + wobble) / (1.0 - wobble)
    traffic = demand_rps > TRAFFIC_RPS
    logs = np.log(np.where(traffic, demand_rps * room, 1.0))
    fresh = np.where(traffic, np.maximum(np.exp(np.ceil(logs / step - ROUNDING) * step), demand_rps), demand_rps)
    if held_rps is None or held_rps.shape != demand_rps.shape:
        return fresh
    most = demand_rps * room**2 * np.exp(step) * (1.0 + ROUNDING)
    keeps = traffic & (held_rps >= demand_rps) & (held_rps <= most)
    return np.where(keeps, held_rps, fresh)
