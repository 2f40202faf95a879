"""All models, quickly: those that need no training as they are, and the flow, where torch is there, hardly trained."""

from __future__ import annotations

from importlib.util import find_spec

from foresail.forecasting.series.panel import FLOW, MODELS, make_model
from foresail.forecasting.series.task import Model

NAMES = (*MODELS, FLOW) if find_spec("torch") and find_spec("pyro") else MODELS


def make_quick_model(name: str) -> Model:
    """The model of that name."""
    if name != FLOW:
        return make_model(name)
    from foresail.forecasting.neural.model import FlowModel  # noqa: PLC0415 - torch is not everywhere
    from foresail.forecasting.neural.train import Recipe  # noqa: PLC0415

    return FlowModel(Recipe(epochs=3, rate=1e-2, batch=16, draws=8))
