"""The flow where it serves: bending the mixture's paths every cycle.

Bending keeps the order of the paths at every step and of every indicator, so the dependence between indicators and
along the horizon stays that of the mixture's paths, which are rows of the past itself; the flow changes how far apart
they lie. Where it cannot serve, the mixture does, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import FloatArray, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.artifact import Card, Weights
from foresail.forecasting.calibrate import Calibration
from foresail.forecasting.context import make_context
from foresail.forecasting.gate import Verdict
from foresail.forecasting.neural.flow import Flow
from foresail.forecasting.neural.marginals import Marginals
from foresail.forecasting.neural.model import restore_flow
from foresail.forecasting.past import trust
from foresail.forecasting.rehearsal import FURTHER
from foresail.forecasting.serve import ForecastRequest, MixtureForecaster
from foresail.forecasting.trial import Trial

FLOW, MIXTURE = "flow", "mixture"
MARGIN = 0.02  # of the CRPS: a flow may score so much worse than the mixture before it gives way


def levels_of(count: int) -> FloatArray:
    """Levels of `count` sorted samples."""
    return (np.arange(count) + 0.5) / count


def bend(flow: Flow, samples: FloatArray, context: FloatArray) -> FloatArray:
    """The mixture's sorted samples as the flow has them, still sorted.

    Args:
        flow: Trained.
        samples: Shape (…, S, I).
        context: Shape (…, I, C).

    Returns:
        Shape (…, S, I), not negative.
    """
    flat = samples.reshape(-1, *samples.shape[-2:])
    known = context.reshape(len(flat), *context.shape[-2:]).astype(np.float32)
    marginals = Marginals(flat, levels_of(flat.shape[1]))
    knots = torch.from_numpy(marginals.knots.astype(np.float32))
    with torch.no_grad():
        scores = flow.given(torch.from_numpy(known)).inverse(knots[:, None, None].expand(-1, *known.shape[:2]))
    bent = marginals.read(scores.permute(1, 0, 2).numpy().astype(np.float64))
    return np.maximum(bent, 0.0).reshape(samples.shape)


class FlowForecaster:
    """Forecasts of one workload by its flow; whenever that cannot serve, the mixture's, with the reason.

    Args:
        card: As `train` made it.
        weights: Those of the card.
        samples: Paths per forecast.
        seed: Of the order in which paths are listed.
    """

    def __init__(self, card: Card, weights: Weights, *, samples: int = 200, seed: int = 0) -> None:
        self.card = card
        self._flow = restore_flow(card.settings["flow"], weights)
        self._mixture = MixtureForecaster(samples=samples, seed=seed)
        self._calibration = Calibration()
        self._trial = Trial(verdict=Verdict(FLOW, "", None), order=(FLOW, MIXTURE), margin=MARGIN)

    def forecast(self, key: WorkloadKey, request: ForecastRequest) -> Forecast | Unknown:
        """Forecast the workload; call it once per cycle."""
        made = self._mixture.forecast({key: request})[key]
        if not isinstance(made, Forecast):
            return made
        if made.source == "last-value":  # too little was seen lately, or it has fared best
            return made
        refused = self._refusal(request)
        if refused:
            return _stand_in(made, refused)
        ranked = np.sort(made.samples, axis=0)
        steps = tuple(range(1, ranked.shape[1] + 1))
        ordered = ranked.transpose(1, 0, 2)
        bent = bend(self._flow, ordered, make_context(request.recent, ordered, steps)).transpose(1, 0, 2)
        ranks = np.argsort(np.argsort(made.samples, axis=0, kind="stable"), axis=0)
        samples = np.take_along_axis(bent, ranks, axis=0)
        calibrated = self._settle(request.recent, {FLOW: samples, MIXTURE: made.samples})
        if calibrated is False:
            return _stand_in(made, "the flow no longer holds what it promises")
        if self._trial.verdict.source != FLOW:
            return _stand_in(made, self._trial.verdict.reason)
        scores = self.card.scores
        return replace(
            made,
            samples=samples,
            source=FLOW,
            reason=self.card.settings["why"],
            calibrated=calibrated,
            skill=1.0 - scores["crps"] / scores["crps_naive"] if scores.get("crps_naive") else None,
        )

    def _refusal(self, request: ForecastRequest) -> str:
        """Why the flow may not serve, empty when it may."""
        card = self.card
        if request.recent.indicators != card.indicators:
            return f"the flow was trained on {', '.join(card.indicators)}"
        if abs(request.recent.step_seconds - card.step_seconds) > 0.01 * card.step_seconds:
            return f"the flow was trained on steps of {card.step_seconds:g} s"
        if request.horizon_seconds > FURTHER * card.settings["horizon_seconds"]:
            return f"the flow was trained to look {card.settings['horizon_seconds']:g} s ahead"
        return "" if card.settings["serves"] else str(card.settings["why"])

    def _settle(self, recent: Window, said: Mapping[str, FloatArray]) -> bool | None:
        """Score what was promised and has come, and promise anew; whether the flow is calibrated."""
        past, steps = trust(recent), said[FLOW].shape[1]
        if past is not None:
            self._calibration.settle(past)
            self._calibration.promise(recent.end, recent.end + steps * recent.step_seconds, said[FLOW])
            self._trial.settle(past)
            self._trial.promise(past, steps, (FLOW, MIXTURE), said.__getitem__)
        return self._calibration.calibrated


def _stand_in(made: Forecast, why: str) -> Forecast:
    """The mixture's forecast, saying why it is not the flow's."""
    return replace(made, reason=f"{why}; instead: {made.reason}")
