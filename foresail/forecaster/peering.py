"""What a workload that is too young for a flow is given instead: a prior over its peers, fitted on their kept pasts."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Final

import numpy as np

from foresail.domain.errors import InputError
from foresail.domain.timeseries import Window
from foresail.domain.workload import WorkloadKey
from foresail.forecaster.shelf import places, read_past, stamps
from foresail.forecasting.card import Card
from foresail.forecasting.demand.rehearsal import HISTORY_STEP_SECONDS, coarsen

LEAST_PEERS: Final = 3
LEAST_SECONDS: Final = 2 * 86_400.0  # of a peer's past: two of each hour of the day
STEPS: Final = 300  # of the fit


def fit_peers(folder: Path, key: WorkloadKey, past: Window, horizon_seconds: float, seed: int) -> tuple[Card, Any]:
    """A card and weights for a young workload.

    Args:
        folder: Of all artifacts.
        key: The young workload.
        past: What is known of it.
        horizon_seconds: What will be asked for.
        seed: Same seed and peers, same bytes.

    Raises:
        InputError: Too few peers have a past of two days.
    """
    from foresail.forecasting.neural.prior import fit_prior  # noqa: PLC0415 - torch

    peers = read_peers(folder, key, step_seconds=coarsen(past, HISTORY_STEP_SECONDS).step_seconds)
    if len(peers) < LEAST_PEERS:
        raise InputError(
            "peers",
            "count",
            f"{LEAST_PEERS} other workloads with a past of two days are needed to borrow from",
            value=len(peers),
            remedy="wait until they are trained",
        )
    prior = fit_prior(peers, seed=seed, steps=STEPS)
    card = Card(
        model="prior",
        indicators=past.indicators,
        step_seconds=past.step_seconds,
        horizons=(max(1, round(horizon_seconds / past.step_seconds)),),
        train_start=past.start,
        train_end=past.end,
        rows=len(past),
        settings={"serves": True, "why": f"too young for a model of its own, so it learns from {len(peers)} peers"},
        scores={},
        versions={"python": platform.python_version(), "numpy": np.__version__},
        seed=seed,
    )
    return card, prior.arrays()


def read_peers(folder: Path, key: WorkloadKey, *, step_seconds: float) -> list[Window]:
    """The newest kept past of every other workload, its first indicator, where it is long enough and on that step."""
    newest = [stamps(place)[:1] for other, place in places(folder) if other != key]
    pasts = [read_past(found[0]) for found in newest if found]
    known = [past for past in pasts if past is not None and past.step_seconds == step_seconds]
    return [_first(past) for past in known if past.end - past.start >= LEAST_SECONDS]


def _first(past: Window) -> Window:
    """Only the first indicator: they go together, and a workload counts once."""
    return Window(past.indicators[:1], past.step_seconds, past.end, past.values[:, :1], past.observed[:, :1])
