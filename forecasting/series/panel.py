"""A panel: experts that are asked together about each column; alone, each is one of the baselines.

| model | experts |
|---|---|
| last | last value + residuals of 288 rows |
| marginal | the last 144 rows |
| seasonal | a period ago + residuals; the last value where no period was found |
| ridge | regression from the last value + residuals of 288 rows |
| mixture | all of these in several forms, smoothed levels, analogs and a forest; averaged online and corrected |

The flow is no panel, but is asked for by name as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.averaging import average, band_scores, weigh_online
from foresail.forecasting.series.adaptive import adapt
from foresail.forecasting.series.analogs import Analogs
from foresail.forecasting.series.baselines import (
    EVERY_KIND,
    Around,
    Expert,
    last_value,
    marginal,
    periods,
    seasonal,
    smoothed,
)
from foresail.forecasting.series.forest import Forest
from foresail.forecasting.series.ridge import Regression, regress
from foresail.forecasting.series.signs import keep_signs
from foresail.forecasting.series.task import Model, Task

WINDOW = 288
LONG_WINDOW = 1000
MARGINAL_WINDOW = 144
MIXED_MARGINALS = (36, 72, 144, 288, 1000)
MIXED_LASTS = (72, 288, 1000)
MIXED_SHARES = (0.2, 0.4)


class Panel:
    """Experts of one kind or several, as one model."""

    def __init__(
        self, name: str, seat: Callable[[Task], tuple[Sequence[Expert], int]], *, corrects: bool = False
    ) -> None:
        self.name = name
        self.parameters = 0
        self._seat = seat
        self._corrects = corrects

    def fit(self, task: Task) -> None:
        """Nothing: experts learn as rows arrive, the training part among them."""

    def quantiles(self, task: Task) -> FloatArray:
        """Quantiles of every target in raw units, ascending, shape (T, Q, I)."""
        experts, self.parameters = self._seat(task)
        columns = [self._column(task, experts, column) for column in range(len(task.series.columns))]
        quantiles = keep_signs(task, np.stack(columns, axis=2))
        return correct_online(task, quantiles) if self._corrects else quantiles

    def samples(self, task: Task) -> FloatArray | None:  # noqa: ARG002 - as the protocol has it
        """None: each column is forecast on its own."""
        return None

    def _column(self, task: Task, experts: Sequence[Expert], column: int) -> FloatArray:
        asked = [expert for expert in experts if task.kinds[column] in expert.serves] or list(experts)
        quantiles = np.stack([expert.quantiles(task, column) for expert in asked])
        if len(asked) == 1:
            return np.sort(quantiles[0], axis=1)
        scores = band_scores(quantiles, task.values[task.targets, column], task.levels)
        return average(quantiles, weigh_online(scores, task.horizon))


def correct_online(task: Task, quantiles: FloatArray) -> FloatArray:
    """Forecasts, shape (T, Q, I), averaged online with the same ones corrected by how they fared.

    After a shift of the regime the corrected ones soon weigh most, elsewhere they cost next to nothing.
    """
    outcomes = task.values[task.targets]
    corrected = keep_signs(task, adapt(quantiles, outcomes, task.levels, horizon=task.horizon))
    columns = []
    for column, outcome in enumerate(outcomes.T):
        both = np.stack([quantiles[:, :, column], corrected[:, :, column]])
        columns.append(average(both, weigh_online(band_scores(both, outcome, task.levels), task.horizon)))
    return np.stack(columns, axis=2)


def make_model(name: str) -> Model:
    """The model of that name: a panel, or the flow, which needs torch.

    Raises:
        KeyError: There is none.
    """
    if name == FLOW:
        from foresail.forecasting.neural.model import FlowModel  # noqa: PLC0415 - torch, in gigabytes

        return FlowModel()
    return make_mixture() if name == "mixture" else Panel(name, _SEATS[name])


def make_mixture(*, corrects: bool = True) -> Panel:
    """The mixture, whose levels are corrected online unless told otherwise."""
    return Panel("mixture", _mixture, corrects=corrects)


@dataclass(frozen=True, slots=True)
class _Regressed:
    """Experts that rest on one regression."""

    regression: Regression

    def around(self, anchor: int, window: int) -> Around:
        return Around(f"ridge-{anchor}-{window}", self.regression.expected[anchor], window)

    def analogs(self) -> list[Analogs]:
        found = self.regression
        return [
            Analogs("analogs-ridge", found.expected[0], found.expected[0], found.first),
            Analogs("analogs-last", found.anchors[0], found.expected[0], found.first),
        ]


def _last(task: Task) -> tuple[Sequence[Expert], int]:
    return [last_value(task, WINDOW)], 0


def _marginal(task: Task) -> tuple[Sequence[Expert], int]:
    return [marginal(task, MARGINAL_WINDOW)], 0


def _seasonal(task: Task) -> tuple[Sequence[Expert], int]:
    found = periods(task)
    return ([seasonal(task, found[0], LONG_WINDOW)] if found else [last_value(task, WINDOW)]), 0


def _ridge(task: Task) -> tuple[Sequence[Expert], int]:
    found = regress(task, next(iter(periods(task)), None))
    return [Around("ridge", found.expected[0], WINDOW, EVERY_KIND)], found.parameters // len(found.anchors)


def _mixture(task: Task) -> tuple[Sequence[Expert], int]:
    found = periods(task)
    regression = regress(task, next(iter(found), None))
    regressed = _Regressed(regression)
    experts: list[Expert] = [
        *(marginal(task, window) for window in MIXED_MARGINALS),
        *(last_value(task, window) for window in MIXED_LASTS),
        *(smoothed(task, share, WINDOW) for share in MIXED_SHARES),
        *(seasonal(task, period, LONG_WINDOW) for period in found),
        *(regressed.around(anchor, WINDOW) for anchor in range(len(regression.anchors))),
        regressed.around(0, LONG_WINDOW),
        *regressed.analogs(),
        Forest(regression.expected[0], regression.first, next(iter(found), None)),
    ]
    return experts, regression.parameters


_SEATS = {"mixture": _mixture, "last": _last, "marginal": _marginal, "seasonal": _seasonal, "ridge": _ridge}
MODELS = tuple(_SEATS)  # those that need no training
FLOW = "flow"
