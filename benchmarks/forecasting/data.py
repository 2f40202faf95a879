"""The series that are forecast. They are not shipped: a folder holds them, and what is not in it is said to be absent.

| folder | holds | rows |
|---|---|---|
| fisher | ten containers of a cloud, eleven indicators each | 10 minutes, a month |
| azure_llm_2023 | requests of a conversation service | summed here to 10 s, an hour |
| servegen | two fleets of model servers | 10 minutes, two weeks |
"""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.series import Series, parse_series

CONTAINERS = tuple(range(1, 11))
FLEETS = ("m_large", "m_mid")
STEP_SECONDS = 10.0
CONVERSATION = (
    "requests_per_second",
    "input_tokens_per_second",
    "output_tokens_per_second",
    "mean_input",
    "mean_output",
)


def read_containers(folder: Path, numbers: tuple[int, ...]) -> dict[int, Series]:
    """Those of Fisher's containers that are there, by number."""
    found = {number: _read(folder / "fisher" / f"container{number}.csv") for number in numbers}
    return {number: series for number, series in found.items() if series is not None}


def read_fleets(folder: Path) -> dict[str, Series]:
    """Those of the ServeGen fleets that are there, by name; columns as they are in the file."""
    found = {name: _read(folder / "servegen" / f"{name}.csv") for name in FLEETS}
    return {name: series for name, series in found.items() if series is not None}


def read_conversation(folder: Path) -> Series | None:
    """The Azure conversation trace in rows of 10 s, the last, unfinished one left out."""
    path = folder / "azure_llm_2023" / "conv.csv"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        requests = np.array(
            [
                (
                    datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp(),
                    float(row["ContextTokens"]),
                    float(row["GeneratedTokens"]),
                )
                for row in csv.DictReader(file)
            ]
        )
    return binned(requests)


def binned(requests: FloatArray) -> Series:
    """Requests (n, 3), each an instant in seconds, input and output tokens, in rows of 10 s; no requests, no means."""
    places = ((requests[:, 0] - requests[0, 0]) // STEP_SECONDS).astype(np.intp)
    rows = int(places.max())
    counts, inputs, outputs = (
        np.bincount(places, weights, minlength=rows + 1)[:rows]
        for weights in (np.ones(len(requests)), requests[:, 1], requests[:, 2])
    )
    some = np.where(counts > 0.0, counts, np.nan)
    values = np.stack(
        [counts / STEP_SECONDS, inputs / STEP_SECONDS, outputs / STEP_SECONDS, inputs / some, outputs / some], axis=1
    )
    return Series("conversation", CONVERSATION, requests[0, 0] + STEP_SECONDS * np.arange(rows), values)


def _read(path: Path) -> Series | None:
    return parse_series(path.read_text(encoding="utf-8"), path.name) if path.is_file() else None
