"""The same on a production trace, where the file lies beside the checkout; skipped with a sentence where it does not.

Rows of ten minutes are taken for 30 s, as the sandbox compresses them twenty times. Rows below a quarter of the local
median are restarts of the recording, not demand, and count as holes.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from foresail.domain.timeseries import BoolArray, FloatArray
from tests.unit.forecasting.demand.rivals import best_single, compete

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "data" / "servegen"
DAY_SECONDS = 4320.0


def load_trace(name: str) -> tuple[FloatArray, BoolArray]:
    """Demand (rows, 3) and which rows are demand (rows,)."""
    path = FOLDER / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"{name}.csv is not beside the checkout (shared/data/servegen): nothing was measured on it")
    with path.open() as file:
        table = [
            [float(row[field]) for field in ("requests_per_second", "mean_input_tokens", "mean_output_tokens")]
            for row in csv.DictReader(file)
        ]
    rates = np.array(table)
    values = np.stack([rates[:, 0], rates[:, 0] * rates[:, 1], rates[:, 0] * rates[:, 2]], axis=1)
    local = np.array([np.median(rates[max(0, row - 18) : row + 19, 0]) for row in range(len(rates))])
    return values, rates[:, 0] >= 0.25 * local


@pytest.mark.parametrize(("name", "lead_seconds"), [("m_large", 120.0), ("m_mid", 60.0)])
def test_on_the_second_week_the_mixture_keeps_its_promises(name: str, lead_seconds: float) -> None:
    values, observed = load_trace(name)
    records = compete(
        values,
        range(len(values) // 2, len(values) - 6),
        lead_seconds=lead_seconds,
        observed=observed,
        period_seconds=DAY_SECONDS,
    )
    mixture = records["mixture"]
    assert mixture.crps <= 1.02 * best_single(records)
    assert mixture.crps < records["last-value"].crps
    assert mixture.crps < records["seasonal"].crps
    assert np.mean(mixture.inside_80) == pytest.approx(0.80, abs=0.03)
    assert np.mean(mixture.inside_95) == pytest.approx(0.95, abs=0.03)
    assert np.mean(mixture.above_99) <= 0.025
