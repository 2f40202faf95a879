"""The flow where it serves: bending the mixture's paths every cycle, as many as its weight allows.

Bending keeps the order of the paths at every step and of every indicator, so the dependence between indicators and
along the horizon stays that of the mixture's paths, which are rows of the past itself; the flow changes how far apart
they lie.

Flow and mixture are averaged as experts are (averaging.py): a share of the paths, the flow's weight, is bent, each in
all its steps and indicators; the others stay. The weight follows from how both scored on the rows held out from the
training, and on what has come since. Where no path is bent, the mixture serves and says why.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from foresail.domain.forecast import Forecast
from foresail.domain.snapshot import Unknown
from foresail.domain.timeseries import FloatArray, Window
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.artifact import Weights
from foresail.forecasting.averaging import Credit
from foresail.forecasting.card import Card
from foresail.forecasting.demand.calibrate import Calibration
from foresail.forecasting.demand.context import make_context
from foresail.forecasting.demand.promises import Kept
from foresail.forecasting.demand.rehearsal import FURTHER
from foresail.forecasting.demand.serve import ForecastRequest, MixtureForecaster
from foresail.forecasting.demand.trial import MIXTURE, Contest
from foresail.forecasting.neural.flow import Flow
from foresail.forecasting.neural.marginals import Marginals
from foresail.forecasting.neural.model import restore_flow
from foresail.forecasting.past import Past, trust
from foresail.forecasting.scores import crps

FLOW = "flow"
EXPERTS = (FLOW, MIXTURE)


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
        self._contest = Contest()
        held_out = np.array([[card.scores["crps"], card.scores["crps_mixture"]]])
        self._credit = Credit.earned(held_out, card.settings["outcomes"])

    def forecast(self, key: WorkloadKey, request: ForecastRequest) -> Forecast | Unknown:
        """Forecast the workload; call it once per cycle."""
        made = self._mixture.forecast({key: request})[key]
        if not isinstance(made, Forecast) or made.source != MIXTURE:  # what it rests on gave way
            return made
        refused = self._refusal(request)
        if refused:
            return _stand_in(made, refused)
        bent = self._bend_all(request.recent, made.samples)
        calibrated = self._settle(request.recent, {FLOW: bent, MIXTURE: made.samples})
        if calibrated is False:
            return _stand_in(made, "the flow no longer holds what it promises")
        weight = float(self._credit.weights[0, 0])
        # Paths come in an order of chance that every cycle shares, so any first of them are as good a sample as any.
        count = round(weight * len(bent))
        if count == 0:
            return _stand_in(made, f"the flow weighs nothing: it scored {self._ratio:.2f} times the mixture's CRPS")
        return replace(
            made,
            samples=np.concatenate([bent[:count], made.samples[count:]]),
            source=FLOW,
            reason=f"{self.card.settings['why']}; with what came since it weighs {weight:.0%} beside the mixture",
            calibrated=calibrated if weight >= 0.5 else made.calibrated,
            skill=self._skill(weight),
        )

    def _bend_all(self, recent: Window, samples: FloatArray) -> FloatArray:
        """Every path of the mixture, shape (S, H, I), as the flow has it, in the same order."""
        order = np.argsort(samples, axis=0, kind="stable")
        ranked = np.take_along_axis(samples, order, axis=0).transpose(1, 0, 2)
        steps = tuple(range(1, samples.shape[1] + 1))
        bent = bend(self._flow, ranked, make_context(recent, ranked, steps)).transpose(1, 0, 2)
        return np.take_along_axis(bent, np.argsort(order, axis=0), axis=0)

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

    def _settle(self, recent: Window, said: dict[str, FloatArray]) -> bool | None:
        """Score what was promised and has come, and promise anew; whether the flow is calibrated."""
        past, steps = trust(recent), said[FLOW].shape[1]
        if past is not None:
            self._calibration.settle(past)
            self._calibration.promise(recent.end, recent.end + steps * recent.step_seconds, said[FLOW])
            for kept in self._contest.due(past):
                self._credit.note(_scores(past, kept))
            self._contest.promise(past, steps, EXPERTS, said.__getitem__)
        return self._calibration.calibrated

    @property
    def _ratio(self) -> float:
        """The flow's CRPS over the mixture's."""
        flow, mixture = self._credit.losses[0]
        return float(flow / mixture) if mixture > 0.0 else 1.0

    def _skill(self, weight: float) -> float | None:
        """What was saved of the naive forecast's CRPS on the rows held out, at least: CRPS is convex."""
        scores = self.card.scores
        both = weight * scores["crps"] + (1.0 - weight) * scores["crps_mixture"]
        return 1.0 - both / scores["crps_naive"] if scores.get("crps_naive") else None


def _scores(past: Past, kept: Kept[dict[str, FloatArray]]) -> FloatArray:
    """CRPS over mean demand, as training has it: mean over the indicators that had any lately, shape (1, 2)."""
    size = past.values.mean(axis=0)
    if not size.any():
        return np.full((1, len(EXPERTS)), np.nan)
    return np.array([[(crps(kept.said[name], kept.peak)[size > 0.0] / size[size > 0.0]).mean() for name in EXPERTS]])


def _stand_in(made: Forecast, why: str) -> Forecast:
    """The mixture's forecast, saying why it is not the flow's."""
    return replace(made, reason=f"{why}; instead: {made.reason}")
