"""Fisher's protocol: 70/10/20, min-max scale of the training part, every test row one and twelve steps ahead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, median
from typing import Any

from benchmarks.forecasting.published import COSTED, DEMAND, HARMONY, UNINFORMATIVE
from benchmarks.forecasting.work import RANDOM, Job, Row
from foresail.forecasting.series.evaluate import Rules, find_coin_floor
from foresail.forecasting.series.series import Series

TWO_HOURS = 12


def fisher_jobs(containers: Mapping[int, Series], models: Sequence[str], seeds: int) -> Iterator[Job]:
    """One step ahead everywhere, two hours where costs are compared; what is random there again with further seeds."""
    for model in models:
        for number, series in containers.items():
            yield Job(_name(number), series, model, 1, Rules())
            if number in COSTED:
                yield Job(_name(number), series, model, TWO_HOURS, Rules())
                for seed in range(1, seeds if model in RANDOM else 1):
                    yield Job(_name(number), series, model, 1, Rules(seed=seed))


def coin_floor_of(containers: Mapping[int, Series]) -> float:
    """What no forecast's mean CRPS can be below, as two columns are drawn afresh at every row."""
    return mean(find_coin_floor(series, Rules(), 1).crps for series in containers.values())


def summarize_fisher(rows: Sequence[Row], containers: Sequence[int], model: str) -> dict[str, Any]:
    """A model's figures; means over containers of the first seed, and the range of what further seeds gave."""
    own = [row for row in rows if row["model"] == model and row["data"].startswith("fisher/")]
    one = [row for row in own if row["horizon"] == 1 and row["seed"] == 0]
    dear = [row for row in one if row["data"] in {_name(number) for number in COSTED}]
    violated = [row["columns"][name]["violation_99"] for row in one for name in DEMAND]
    two_hours = [row for row in own if row["horizon"] == TWO_HOURS]
    every_seed = [row for row in own if row["horizon"] == 1]
    return {
        "crps": mean(row["crps"] for row in one),
        "informative_crps": mean(informative(row, "crps") for row in one),
        "mse": mean(row["mse"] for row in one),
        "crps_of_container": {
            number: _over_seeds([row["crps"] for row in every_seed if row["data"] == _name(number)])
            for number in COSTED
            if number in containers
        },
        "two_hours_crps": mean(row["crps"] for row in two_hours) if two_hours else None,
        "two_hours_coverage_95": mean(informative(row, "coverage_95") for row in two_hours) if two_hours else None,
        "coverage_95": mean(informative(row, "coverage_95") for row in one),
        "coverage_95_range": _range([informative(row, "coverage_95") for row in one]),
        "violation_99": mean(violated),
        "worst_violation_99": max(violated),
        "newsvendor_share": newsvendor(dear) / HARMONY["newsvendor"] if dear else None,
        "energy_ratio": mean(row["energy_ratio"] for row in one),
        "train_cpu_seconds": median(row["train_cpu_seconds"] for row in one),
        "predict_milliseconds": median(row["predict_milliseconds"] for row in one),
        "parameters": max(row["parameters"] for row in one),
        "peak_mebibytes": max(row["peak_mebibytes"] for row in own),
    }


def informative(row: Row, figure: str) -> float:
    """Mean of a figure over the columns that can be foreseen."""
    return mean(float(column[figure]) for name, column in row["columns"].items() if name not in UNINFORMATIVE)


def newsvendor(rows: Sequence[Row]) -> float:
    """Mean cost of the .99 quantile at 99 : 1 over the columns that capacity would be bought for."""
    return mean(float(row["columns"][name]["newsvendor"]) for row in rows for name in DEMAND)


def _name(number: int) -> str:
    return f"fisher/{number}"


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _over_seeds(values: Sequence[float]) -> dict[str, float]:
    return {"median": median(values), "least": min(values), "most": max(values), "seeds": len(values)}
