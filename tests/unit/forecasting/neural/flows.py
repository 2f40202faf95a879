"""Flows and examples for tests: small, and stirred, as a flow that was never trained is the identity."""

from __future__ import annotations

import numpy as np
import torch

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.dataset import Examples
from foresail.forecasting.neural.encoder import Shape
from foresail.forecasting.neural.flow import Flow
from foresail.forecasting.neural.marginals import Marginals

SHAPE = Shape(indicators=4, features=5, width=8, bins=4)
LEVELS = (np.arange(50) + 0.5) / 50


def make_flow(shape: Shape = SHAPE, *, seed: int = 0) -> Flow:
    """A flow as training would find it at its start: the identity."""
    width = shape.indicators
    return Flow(shape, tuple(reversed(range(width))), tuple(i * 3 // width for i in range(width)), seed).eval()


def make_stirred_flow(shape: Shape = SHAPE, *, seed: int = 0, by: float = 0.3) -> Flow:
    """A flow with random weights."""
    flow = make_flow(shape, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for one in flow.parameters():
            one.add_(by * torch.randn(one.shape, generator=generator))
    return flow


def make_context(rows: int, shape: Shape = SHAPE, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, shape.indicators, shape.features, generator=torch.Generator().manual_seed(seed))


def make_examples(
    rows: int, *, shift: float = 0.0, scale: float = 1.0, together: float = 0.0, seed: int = 0
) -> Examples:
    """Outcomes of a process that its forecast, N(0, 1), knows all about but a shift by the first feature, a scale, and
    how much of every indicator is common to all."""
    rng = np.random.default_rng(seed)
    shape = (rows, SHAPE.indicators)
    context = rng.normal(size=(*shape, SHAPE.features))
    noise = together**0.5 * rng.normal(size=(rows, 1)) + (1.0 - together) ** 0.5 * rng.normal(size=shape)
    outcomes: FloatArray = shift * context[:, :, 0] + scale * noise
    knots = Marginals(np.zeros((1, LEVELS.size, 1)), LEVELS).knots
    marginals = Marginals(np.broadcast_to(knots[None, :, None], (rows, LEVELS.size, shape[1])).copy(), LEVELS)
    return Examples(marginals.scores(outcomes), context, marginals, outcomes)
