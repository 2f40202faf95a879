"""The flow as a model: the training-free mixture's forecast, moved and joined by what a flow learned about its scores.

The mixture rolls on from early in the training part, so that its forecasts there are as honest as any, and the flow
learns from those. Columns that the flow does not help keep the mixture's quantiles to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.dataset import Examples, make_examples
from foresail.forecasting.neural.encoder import Shape
from foresail.forecasting.neural.flow import Flow
from foresail.forecasting.neural.train import Progress, Recipe, fit_flow
from foresail.forecasting.panel import make_model
from foresail.forecasting.rolling import read_between
from foresail.forecasting.task import Task

WARM_ROWS = 500  # of the training part, from which only the mixture learns
WARM_SHARE = 1.0 / 3.0  # at most
HELD_OUT = 0.15  # of the rows that are left
LEAST_ROWS = 100  # to train on; with fewer the mixture stays as it is
SAMPLES = 100

Weights = Mapping[str, NDArray[Any]]


class FlowModel:
    """The mixture under a conditional normalizing flow.

    Args:
        recipe: How to train.
        progress: Told of every epoch.
    """

    name = "flow"

    def __init__(self, recipe: Recipe | None = None, progress: Progress | None = None) -> None:
        self.parameters = 0
        self._recipe = Recipe() if recipe is None else recipe
        self._progress = progress
        self._flow: Flow | None = None
        self._known: tuple[Task, Examples] | None = None

    def fit(self, task: Task) -> None:
        """Train on the first `task.train_rows` rows; what came later changes nothing in it."""
        examples = self._examples(task)
        training = examples.rows(0, task.train_rows - warm_rows(task))
        held_out = int(HELD_OUT * len(training))
        width, features = examples.scores.shape[1], examples.context.shape[2]
        if len(training) < LEAST_ROWS or not np.isfinite(training.scores).any():
            self._flow = Flow(Shape(width, features), tuple(range(width)), (0,) * width, task.seed)
            self._flow.trust.zero_()
        else:
            cut = len(training) - held_out
            parts = training.rows(0, cut), training.rows(cut, len(training))
            fitted = fit_flow(*parts, seed=task.seed, recipe=self._recipe, progress=self._progress)
            self._flow = fitted.flow
        self._flow.eval()
        self.parameters = self._flow.count

    def quantiles(self, task: Task) -> FloatArray:
        """Quantiles of every target in raw units, ascending, shape (T, Q, I)."""
        asked = self._asked(task)
        normal = torch.from_numpy(asked.marginals.knots).float()[:, None, None].expand(-1, *asked.scores.shape)
        flow = self._trained()
        with torch.no_grad():
            scores = flow.given(torch.from_numpy(asked.context)).inverse(normal).transpose(0, 1).double().numpy()
        found = np.maximum.accumulate(asked.marginals.read(scores), axis=1)
        same = (flow.trust == 0.0).numpy() | ~np.isfinite(found).all(axis=(0, 1))
        return np.where(same, asked.marginals.quantiles, found)

    def samples(self, task: Task) -> FloatArray:
        """Joint samples of every target, shape (T, S, I): quantiles in the order of the flow's draws."""
        asked = self._asked(task)
        generator = torch.Generator().manual_seed(task.seed)
        count, width = asked.scores.shape
        noise = torch.randn(count, SAMPLES, width, generator=generator)
        flow = self._trained()
        with torch.no_grad():
            mixing = flow.given(torch.from_numpy(asked.context)).mixing
            drawn = (noise @ mixing.transpose(1, 2))[..., torch.argsort(flow.order)].numpy()
        ranks = drawn.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        places = (np.arange(SAMPLES) + 0.5) / SAMPLES
        quantiles = self.quantiles(task)
        at = np.interp(places, task.levels, np.arange(task.levels.size))
        return np.take_along_axis(read_between(quantiles, at), ranks, axis=1)

    def settings(self) -> dict[str, Any]:
        """All that is needed beside the weights to build it again, fit for JSON."""
        return save_flow(self._trained())[0]

    def weights(self) -> Weights:
        """Flat names and arrays."""
        return save_flow(self._trained())[1]

    @classmethod
    def restore(cls, settings: Mapping[str, Any], weights: Weights) -> FlowModel:
        """Build it again.

        Raises:
            ValueError: Settings or weights are not those of a flow; says which.
        """
        model = cls()
        model._flow = restore_flow(settings, weights)
        model.parameters = model._flow.count
        return model

    def _trained(self) -> Flow:
        if self._flow is None:
            raise ValueError("the flow must be fitted or restored before it forecasts")
        return self._flow

    def _asked(self, task: Task) -> Examples:
        examples = self._examples(task)
        return examples.rows(task.train_rows - warm_rows(task), len(examples))

    def _examples(self, task: Task) -> Examples:
        """All rows behind the warm ones; kept, as fitting and forecasting ask for the same."""
        if self._known is None or self._known[0] is not task:
            rolled = replace(task, train_rows=warm_rows(task))
            self._known = task, make_examples(rolled, make_model("mixture").quantiles(rolled), seed=task.seed)
        return self._known[1]


def warm_rows(task: Task) -> int:
    """Rows of the training part that only warm the mixture up."""
    return min(WARM_ROWS, int(WARM_SHARE * task.train_rows))


def save_flow(flow: Flow) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """A flow as settings fit for JSON, and weights by flat names."""
    settings = {"shape": asdict(flow.shape), "levels": list(flow.levels)}
    return settings, {name: tensor.detach().numpy().copy() for name, tensor in flow.state_dict().items()}


def restore_flow(settings: Mapping[str, Any], weights: Weights) -> Flow:
    """The flow that was saved.

    Raises:
        ValueError: Settings or weights are not those of a flow; says which.
    """
    try:
        shape = Shape(**settings["shape"])
        levels = tuple(int(level) for level in settings["levels"])
        flow = Flow(shape, tuple(range(shape.indicators)), levels, seed=0)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"settings are not those of a flow: {error!r}") from error
    expected = flow.state_dict()
    for name, tensor in expected.items():
        found = weights.get(name)
        if found is None or found.shape != tuple(tensor.shape):
            raise ValueError(
                f"weight {name} must have shape {tuple(tensor.shape)}, got {getattr(found, 'shape', None)}"
            )
    strange = sorted(set(weights) - set(expected))
    if strange:
        raise ValueError(f"weights {', '.join(strange)} belong to no flow of this shape")
    flow.load_state_dict({name: torch.from_numpy(np.array(weights[name])) for name in expected})
    return flow.eval()
