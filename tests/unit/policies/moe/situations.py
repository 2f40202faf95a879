"""Situations for tests of width: DeepSeek-V3 on 32 H200s, as in the published calibration, and random ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.decision import Demand, Group, Situation, Weights
from foresail.policies.moe.limits import Engine

EXPERT_BYTES = 44_050_944
DEEPSEEK_V3 = Weights(EXPERT_BYTES, 256, 58, 671e9 - EXPERT_BYTES * 256 * 58, 70_272)
ENGINE = Engine("vllm", 256, 32, 32, most_gpus=64, step_gpus=2)
GROUP = Group(1, 2000.0, spare_in_fabric=32, spare_elsewhere=224)


def steady(load: float, horizon_seconds: int, **group: Any) -> Situation:
    """Demand that stays at a multiple of what serves."""
    paths = np.full((1, horizon_seconds // 10), load * 32 * 2000.0)
    return Situation(DEEPSEEK_V3, ENGINE, replace(GROUP, **group), Demand(paths, 10.0))


def with_paths(paths: FloatArray, **group: Any) -> Situation:
    """Demand of any paths, a column each 15 s."""
    return replace(steady(1.0, 10, **group), demand=Demand(paths, 15.0))


def random_paths(seed: int, paths: int = 20, steps: int = 40) -> FloatArray:
    """Ramps, falls and spikes around what serves, each path with its own end."""
    chance = np.random.default_rng(seed)
    start, end = chance.uniform(0.4, 1.3), chance.uniform(0.3, 2.4)
    ends = np.maximum(end + chance.normal(0.0, chance.uniform(0.02, 0.5), paths), 0.05)
    share = np.clip(np.arange(steps) / chance.integers(5, steps), 0.0, 1.0)
    noise = chance.normal(1.0, 0.05, (paths, steps))
    found: FloatArray = 64_000.0 * np.maximum((start + (ends[:, None] - start) * share) * noise, 0.0)
    return found
