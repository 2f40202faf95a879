"""What the mixture must be as good as: single experts and the seasonal naive, with residuals of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.forecasting.demand.experts import PLAIN, SCALES, make_experts
from foresail.forecasting.demand.mixture import Mixture
from foresail.forecasting.demand.paths import draw, usable_origins
from foresail.forecasting.past import Past, trust
from foresail.forecasting.scores import crps
from foresail.forecasting.season import profile
from tests.unit.forecasting.demand.windows import STEP_SECONDS, make_demand_window, replay

SECONDS_PER_TOKEN = np.array([0.0, 1.0 / 12_000.0, 0.25e-3])  # work: what one replica needs for a token
HISTORY_ROWS = 1920


@dataclass
class Record:
    """How forecasts of the peak of work fared."""

    losses: list[float] = field(default_factory=list)
    inside_80: list[bool] = field(default_factory=list)
    inside_95: list[bool] = field(default_factory=list)
    above_99: list[bool] = field(default_factory=list)

    def note(self, peaks: FloatArray, outcome: float) -> None:
        """Score samples of a peak, shape (S,)."""
        low, high, lower, higher, most = np.quantile(peaks, [0.1, 0.9, 0.025, 0.975, 0.99])
        self.losses.append(float(crps(peaks[:, None], np.array([outcome]))[0]))
        self.inside_80.append(bool(low <= outcome <= high))
        self.inside_95.append(bool(lower <= outcome <= higher))
        self.above_99.append(bool(outcome > most))

    @property
    def crps(self) -> float:
        """Mean CRPS."""
        return float(np.mean(self.losses))


def compete(
    values: FloatArray,
    rows: range,
    *,
    lead_seconds: float,
    observed: BoolArray | None = None,
    period_seconds: float | None = None,
) -> dict[str, Record]:
    """The mixture and its rivals forecast the peak of work over [lead, lead + 15 s] from each row; by name.

    A row of 30 s is the whole span. Outcomes that were not observed score nobody.
    """
    seen = np.ones(len(values), dtype=np.bool_) if observed is None else observed
    step = round(lead_seconds / STEP_SECONDS)
    records: dict[str, Record] = {}
    for row, answer in replay(values, rows, horizon_seconds=lead_seconds + 30.0, observed=seen):
        if not seen[row + step]:
            continue
        outcome = float(values[row + step] @ SECONDS_PER_TOKEN)
        records.setdefault("mixture", Record()).note(answer.samples[:, step - 1] @ SECONDS_PER_TOKEN, outcome)
        for name, samples in _rivals(values, seen, row, step, period_seconds).items():
            records.setdefault(name, Record()).note(samples[:, step - 1] @ SECONDS_PER_TOKEN, outcome)
    return records


def _rivals(
    values: FloatArray, seen: BoolArray, row: int, step: int, period_seconds: float | None
) -> dict[str, FloatArray]:
    past = _known(values, seen, row, 240)
    reach = step + past.stale_rows
    experts = make_experts(past, reach, _season(_known(values, seen, row, HISTORY_ROWS), past, reach, period_seconds))
    origins = usable_origins(past, reach, warm_up_rows=10)
    answers = {}
    for index, name in enumerate(experts.names):
        if name == "seasonal-level":
            continue
        answers[name] = draw(experts, past, origins, only(index, len(experts.names), reach), count=200)[
            :, past.stale_rows :
        ]
    return answers


def only(index: int, experts: int, steps: int) -> Mixture:
    """A mixture in which one expert has all the say, and noise grows as that of arrivals does."""
    weights = np.zeros((steps, experts, 3))
    weights[:, index] = 1.0
    scales = np.zeros((len(SCALES), 3))
    scales[0] = 1.0
    return Mixture(weights, scales)


def _known(values: FloatArray, seen: BoolArray, row: int, rows: int) -> Past:
    start = max(0, row + 1 - rows)
    past = trust(make_demand_window(values[start : row + 1], observed=seen[start : row + 1]))
    assert past is not None
    return past


def _season(history: Past, past: Past, reach: int, period_seconds: float | None) -> list[FloatArray]:
    if period_seconds is None:
        return []
    offsets = (np.arange(len(past) + reach, dtype=np.float64) - (len(past) - 1)) * STEP_SECONDS
    found = profile(history, period_seconds, offsets=offsets, ahead_seconds=reach * STEP_SECONDS)
    return [] if found is None else [found]


def best_single(records: dict[str, Record]) -> float:
    """Mean CRPS of the best plain expert, chosen with hindsight."""
    return min(records[name].crps for name in PLAIN)
