"""Neither mixture is much worse than the best of its rivals on the recorded series that lie beside the checkout.

The mixture that serves is asked of demand only: of the fleets in test_servegen.py, of a conversation service here. On
Fisher's containers, ten minutes taken for 30 s, it does not hold: where demand jumps a thousandfold for one row
(container 8), the last value is three times as good.
"""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.evaluate import Rules, evaluate
from foresail.forecasting.series.panel import MODELS, make_model
from foresail.forecasting.series.series import Series, parse_series
from tests.unit.forecasting.demand.rivals import best_single, compete
from tests.unit.forecasting.demand.windows import TOKENS

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "data"
CONTAINERS = tuple(f"fisher/container{number}" for number in range(1, 11))
RECORDED = (*CONTAINERS, "servegen/m_large", "servegen/m_mid", "azure_llm_2023/conv")
FISHER = ("load", "cpu.busy", "net.if.in.bytes")
FLEET = ("requests_per_second", "mean_input_tokens", "mean_output_tokens")
ROWS = 500  # the last ones: what a test has time for
MUCH = 1.03  # of the best one's CRPS, which is only known afterwards
ROUNDING = 1e-5  # of the span of the training part, where the best one is exactly right


def load(name: str) -> Series:
    """Three columns of a recorded series."""
    path = FOLDER / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"{name}.csv is not beside the checkout (shared/data): nothing was measured on it")
    if name.startswith("azure"):
        return sum_conversation(path)
    series = parse_series(path.read_text(encoding="utf-8"), name)
    columns = FISHER if name.startswith("fisher") else FLEET
    values = series.carried()[-ROWS:, [series.columns.index(column) for column in columns]]
    return Series(name, columns, series.times[-ROWS:], values)


def sum_conversation(path: Path) -> Series:
    """Requests and tokens of each 10 s."""
    with path.open(encoding="utf-8") as file:
        rows = [
            (datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp(), row["ContextTokens"], row["GeneratedTokens"])
            for row in csv.DictReader(file)
        ]
    told = np.array(rows, dtype=np.float64)
    places = ((told[:, 0] - told[0, 0]) // 10.0).astype(np.intp)
    weights = (np.ones(len(told)), told[:, 1], told[:, 2])
    values: FloatArray = np.stack([np.bincount(places, weight) for weight in weights], axis=1)[:-1].astype(np.float64)
    return Series("conv", FLEET, told[0, 0] + 10.0 * np.arange(len(values)), values)


@pytest.mark.parametrize("name", RECORDED)
def test_the_mixture_for_any_series_is_never_much_worse_than_the_best_of_the_others(name: str) -> None:
    series = load(name)
    scores = {
        model: evaluate(series, make_model(model), 1, Rules(), lambda: 0.0).figures.crps or 0.0 for model in MODELS
    }
    mixture = scores.pop("mixture")
    assert mixture <= MUCH * min(scores.values()) + ROUNDING


def test_the_mixture_that_serves_is_never_much_worse_than_its_best_expert() -> None:
    values: FloatArray = load("azure_llm_2023/conv").values  # rows of 10 s, taken for 30 s
    demand = values / values.mean(axis=0) * 50.0 * TOKENS
    records = compete(demand, range(120, len(demand) - 4), lead_seconds=60.0)
    assert records["mixture"].crps <= MUCH * best_single(records)
