"""A recorded hour of a conversation service as demand by size bucket, and the replicas that could serve it."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import numpy as np

from foresail.domain.allocation import Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.profiles.shipped import catalog

MODEL, SLO = "meta-llama/Meta-Llama-3.1-8B", "tpot40"
# Of one GPU; round figures of 2025, to compare with one another.
USD_PER_HOUR = {
    "l40s": 1.84,
    "rtx_pro_6000_server": 2.5,
    "a100_sxm": 3.67,
    "h100_sxm": 7.516,
    "h200_sxm": 8.5,
    "b200_sxm": 12.0,
}


def read_windows(file: Path, *, window_seconds: float, offset_seconds: float, times: float) -> list[FloatArray]:
    """Demand of each whole window, shape (I, J) each.

    Args:
        file: CSV of Azure's public trace of 2023: TIMESTAMP, ContextTokens, GeneratedTokens.
        window_seconds: Length of a window.
        offset_seconds: From the first request to the first window.
        times: By which the rates are raised.
    """
    with file.open(encoding="utf-8") as opened:
        rows = [
            (datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp(), row["ContextTokens"], row["GeneratedTokens"])
            for row in csv.DictReader(opened)
        ]
    told = np.array(rows, dtype=np.float64)
    buckets = catalog().profiles[SLO][0].buckets
    window = np.floor((told[:, 0] - told[0, 0] - offset_seconds) / window_seconds).astype(np.int64)
    windows = int((told[-1, 0] - told[0, 0] - offset_seconds) // window_seconds)
    inside = (window >= 0) & (window < windows)
    row = np.minimum(np.searchsorted(buckets.input_edges, told[:, 1]), buckets.shape[0] - 1)
    column = np.minimum(np.searchsorted(buckets.output_edges, told[:, 2]), buckets.shape[1] - 1)
    demand = np.zeros((windows, *buckets.shape))
    np.add.at(demand, (window[inside], row[inside], column[inside]), times / window_seconds)
    return list(demand)


def make_model(startup_seconds: float) -> ModelDemand:
    """The model on one GPU of each of six types, without demand."""
    candidates = tuple(
        Candidate(name, name, 1, USD_PER_HOUR[name], known.capacity_rps, startup_seconds=startup_seconds)
        for known in catalog().profiles[SLO]
        for name in [known.deployment.accelerator.name]
        if known.deployment.model.name == MODEL
    )
    return ModelDemand(MODEL, np.zeros(catalog().profiles[SLO][0].buckets.shape), candidates)
