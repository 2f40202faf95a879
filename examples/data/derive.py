"""Derive servegen-chat.csv from the arrivals of one ServeGen model, summed over its clients into 10-minute rows.

    python examples/data/derive.py INPUT.csv examples/data/servegen-chat.csv

INPUT has the columns time_s, requests_per_second, mean_input_tokens, mean_output_tokens, arrival_cv (others are left
out). What is done is told in the README beside this file.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("time_s", "requests_per_second", "mean_input_tokens", "mean_output_tokens", "arrival_cv")
DECIMALS = (0, 3, 1, 1, 2)
ROWS = 1968  # 13 days 16 hours; what follows needs more replicas than the examples' cluster has
SCALE = 0.12  # half of the time about four replicas of the simulated engine are needed
DROPOUT_SHARE = 0.25  # of the local median
NEIGHBORHOOD = 18  # rows on each side: three hours


def is_dropout(rates: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows in which the source lost data: no requests, or fewer than a quarter of the local median."""
    medians = [np.median(rates[max(0, row - NEIGHBORHOOD) : row + NEIGHBORHOOD + 1]) for row in range(len(rates))]
    return (rates <= 0) | (rates < DROPOUT_SHARE * np.array(medians))


def derive(source: Path) -> tuple[NDArray[np.float64], int]:
    """The rows of the derived series, and how many of them were interpolated."""
    with source.open(newline="") as file:
        table = np.array([[float(row[name]) for name in COLUMNS] for row in csv.DictReader(file)])
    lost = is_dropout(table[:, 1])
    rows = np.arange(len(table))
    for column in range(1, len(COLUMNS)):
        table[lost, column] = np.interp(rows[lost], rows[~lost], table[~lost, column])
    table[:, 1] *= SCALE
    return table[:ROWS], int(lost[:ROWS].sum())


def main() -> int:
    """Read, derive, write."""
    source, target = (Path(argument) for argument in sys.argv[1:3])
    table, interpolated = derive(source)
    with target.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in table:
            writer.writerow(f"{value:.{places}f}" for value, places in zip(row, DECIMALS, strict=True))
    sys.stderr.write(f"{len(table)} rows, {interpolated} interpolated\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
