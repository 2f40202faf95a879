"""How well capacities are predicted: `python -m benchmarks.allocation.profiles [FILE]`.

Each shipped matrix is held out in turn, under every SLO, and predicted from the roofline and the other matrices of that
SLO; then up to three of its buckets are measured, at places the belief itself asks for. A bucket asked for that turns
out not to be served is no point, and another is asked for. The roofline's constants, the
effects' sizes and some specs were chosen by looking at all matrices, so errors are somewhat flattered; and points are
measured without noise. The table goes to standard output, JSON to FILE when one is named.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.profiles.transfer import Belief, Known, believe
from foresail.profiles.shipped import catalog

POINTS = 3
ALLOWED = (0.20, 0.10)  # asked: without a point, and with three


@dataclass(frozen=True, slots=True)
class Row:
    """Errors of one held-out matrix: mean absolute percentage errors of the rate by the number of points, 0 to 3.

    `errors` are over the buckets that truth and prediction serve, `strict_errors` over all that truth serves: one that
    is wrongly predicted not to be served counts as 100 %.
    """

    slo: str
    model: str
    accelerator: str
    gpus: int
    errors: tuple[float, ...]
    strict_errors: tuple[float, ...]
    served_cells: int
    wrongly_unserved: int
    wrongly_served: int
    coverage: float  # of the 1-sigma band without a point; 0.68 is right
    milliseconds: float


def rate_error(belief: Belief, truth: FloatArray) -> float:
    """Mean absolute percentage error over the buckets that truth and prediction both serve."""
    predicted = belief.capacity_rps()
    both = (truth > 0.0) & (predicted > 0.0)
    return float(np.abs(predicted[both] / truth[both] - 1.0).mean())


def held_out(slo: str, index: int) -> Row | None:
    """Predict one matrix from the others; None where it serves nothing, or nothing is predicted to be served."""
    profiles = catalog().profiles[slo]
    target = profiles[index]
    truth = target.capacity_rps
    start = time.process_time()
    belief = believe(target.deployment, target.slo, target.buckets, profiles[:index] + profiles[index + 1 :])
    milliseconds = (time.process_time() - start) * 1e3
    predicted = belief.capacity_rps()
    both = (truth > 0.0) & (predicted > 0.0)
    if not both.any():
        return None
    inside = np.abs(np.log(predicted[both] / truth[both])) <= belief.log_error()[both]
    where, errors = target.deployment, _after_points(belief, target)
    served, missed = int((truth > 0.0).sum()), int(((truth > 0.0) & (predicted == 0.0)).sum())
    return Row(
        slo,
        where.model.name,
        where.accelerator.name,
        where.gpus,
        errors,
        tuple((error * both.sum() + missed) / served for error in errors),
        served,
        missed,
        int(((truth == 0.0) & (predicted > 0.0)).sum()),
        float(inside.mean()),
        milliseconds,
    )


def _after_points(belief: Belief, target: Known) -> tuple[float, ...]:
    errors = [rate_error(belief, target.capacity_rps)]
    asked: list[tuple[int, int]] = []
    while len(errors) <= POINTS and (cell := belief.next_cell(asked)) is not None:
        asked.append(cell)
        if target.capacity_rps[cell] > 0.0:
            belief = belief.measured(cell, float(target.capacity_rps[cell]))
            errors.append(rate_error(belief, target.capacity_rps))
    return tuple(errors + errors[-1:] * (POINTS + 1 - len(errors)))


def summary(rows: list[Row]) -> dict[str, dict[str, object]]:
    """Mean, median and worst error by the number of points, and how many matrices are within what was asked."""
    out: dict[str, dict[str, object]] = {}
    for slo in [*dict.fromkeys(row.slo for row in rows), "all"]:
        chosen = [row for row in rows if slo in {row.slo, "all"}]
        by_points = list(zip(*(row.errors for row in chosen), strict=True))
        first, last = by_points[0], by_points[-1]
        out[slo] = {
            "matrices": len(chosen),
            "mean": [statistics.fmean(errors) for errors in by_points],
            "median": [statistics.median(errors) for errors in by_points],
            "worst": [max(errors) for errors in by_points],
            "strict_mean": [
                statistics.fmean(errors) for errors in zip(*(r.strict_errors for r in chosen), strict=True)
            ],
            "within_asked": [sum(e <= ALLOWED[0] for e in first), sum(e <= ALLOWED[1] for e in last)],
            "wrongly_unserved": sum(row.wrongly_unserved for row in chosen) / sum(row.served_cells for row in chosen),
            "wrongly_served_cells": sum(row.wrongly_served for row in chosen),
            "coverage": statistics.fmean(row.coverage for row in chosen),
            "milliseconds": max(row.milliseconds for row in chosen),
        }
    return out


def measure_profiles() -> dict[str, Any]:
    """The summary."""
    return {**summary(_rows())}


def _rows() -> list[Row]:
    profiles = catalog().profiles
    return [row for slo in profiles for index in range(len(profiles[slo])) if (row := held_out(slo, index)) is not None]


def main() -> None:
    """Print the table; exit 0 whatever it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    arguments = parser.parse_args()
    rows = _rows()
    print(f"{'slo':15} {'model':32} {'accelerator':20} gpus  error with 0, 1, 2, 3 points   unserved/served wrongly")
    for row in rows:
        errors = " ".join(f"{error:6.1%}" for error in row.errors)
        wrong = f"{row.wrongly_unserved}/{row.wrongly_served} of {row.served_cells}"
        print(f"{row.slo:15} {row.model:32} {row.accelerator:20} {row.gpus:4}  {errors}   {wrong}")
    found = summary(rows)
    for slo, figures in found.items():
        print(slo, json.dumps(figures, default=float))
    if arguments.file is not None:
        arguments.file.write_text(json.dumps({"summary": found, "rows": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
