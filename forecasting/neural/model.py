"""The flow as a model: the training-free mixture's forecast, moved by what a flow learned about its scores.

The mixture rolls on from early in the training part, so that its forecasts there are as honest as any, and the flow
learns from those. Behind the training part it goes on learning, a block at a time, and what it says is averaged with
the mixture by how both fared of late. Columns that it does not know keep the mixture's quantiles to the last bit.
Joint samples are the quantiles in the order of past rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.averaging import average, band_scores, weigh_online
from foresail.forecasting.neural.dataset import Examples, make_examples
from foresail.forecasting.neural.encoder import Shape
from foresail.forecasting.neural.flow import Flow
from foresail.forecasting.neural.train import Fitted, Progress, Recipe, fit_flow
from foresail.forecasting.series.copula import couple
from foresail.forecasting.series.panel import make_model
from foresail.forecasting.series.signs import keep_signs
from foresail.forecasting.series.task import Task

WARM_ROWS = 500  # of the training part, from which only the mixture learns
WARM_SHARE = 1.0 / 3.0  # at most
HELD_OUT = 0.15  # of the rows that are left
LEAST_ROWS = 100  # to train on; with fewer the mixture stays as it is
BLOCK_ROWS = 144  # behind the training part, after which the flow learns what has come since
PASSES_AFTER, PASSES = 6, 2  # over all rows: those held out included, and after each block

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
        self._fitted: Fitted | None = None
        self._answered: tuple[Task, FloatArray] | None = None
        self._known: tuple[Task, Examples] | None = None

    def fit(self, task: Task) -> None:
        """Train on the first `task.train_rows` rows; what came later changes nothing in it."""
        examples = self._examples(task)
        training = examples.rows(0, task.train_rows - warm_rows(task))
        cut = len(training) - int(HELD_OUT * len(training))
        if len(training) < LEAST_ROWS or not np.isfinite(training.scores[:cut]).any():
            self._fitted, self._flow = None, _identity(examples, task.seed)
        else:
            parts = training.rows(0, cut), training.rows(cut, len(training))
            chosen = fit_flow(*parts, seed=task.seed, recipe=self._recipe, progress=self._progress)
            self._fitted = chosen.go_on(training, PASSES_AFTER)
            self._flow = self._fitted.flow
        self.parameters = self._flow.count

    def quantiles(self, task: Task) -> FloatArray:
        """Quantiles of every target in raw units, ascending, shape (T, Q, I); kept, as samples are made of them."""
        if self._answered is None or self._answered[0] is not task:
            asked = self._asked(task)
            bent = [_bend(flow, asked.rows(start, end)) for flow, start, end in self._flows(task, asked)]
            self._answered = task, _weighed(task, asked, keep_signs(task, np.concatenate(bent)))
        return self._answered[1]

    def samples(self, task: Task) -> FloatArray:
        """Joint samples of every target, shape (T, S, I): quantiles in the order of past rows.

        Rows before the first target are forecast by the mixture alone.
        """
        examples, before = self._examples(task), task.train_rows - warm_rows(task)
        known = np.concatenate([examples.marginals.quantiles[:before], self.quantiles(task)])
        return couple(known, examples.outcomes, task.levels, horizon=task.horizon, first=before, seed=task.seed)

    def _flows(self, task: Task, asked: Examples) -> Iterator[tuple[Flow, int, int]]:
        """The flow of each block of targets: it goes on learning from what the block's first origin knew."""
        fitted = self._fitted
        if fitted is None or not task.refits:
            yield self._trained(), 0, len(asked)
            return
        examples, before = self._examples(task), task.train_rows - warm_rows(task)
        for start in range(0, len(asked), BLOCK_ROWS):
            if start > 0:
                fitted = fitted.go_on(examples.rows(0, before + start - task.horizon + 1), PASSES)
            yield fitted.flow, start, min(start + BLOCK_ROWS, len(asked))

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
        expected, found = self._trained().shape.indicators, len(task.series.columns)
        if expected != found:
            raise ValueError(f"the flow was trained on {expected} indicators, the series has {found}")
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


def _identity(examples: Examples, seed: int) -> Flow:
    width = examples.scores.shape[1]
    flow = Flow(Shape(width, examples.context.shape[2]), tuple(range(width)), (0,) * width, seed)
    flow.trust.zero_()
    return flow.eval()


def _bend(flow: Flow, asked: Examples) -> FloatArray:
    """Quantiles (T, Q, I) under a flow."""
    levels = torch.from_numpy(asked.marginals.knots).float()[:, None, None].expand(-1, *asked.scores.shape)
    with torch.no_grad():
        given = flow.given(torch.from_numpy(asked.context).float())
        scores = given.inverse(levels).transpose(0, 1).double().numpy()
    found = np.maximum.accumulate(asked.marginals.read(scores), axis=1)
    same = (flow.trust == 0.0).numpy() | ~np.isfinite(found).all(axis=1, keepdims=True)
    return np.where(same, asked.marginals.quantiles, found)


def _weighed(task: Task, asked: Examples, bent: FloatArray) -> FloatArray:
    """The mixture's quantiles and the flow's averaged online by how they fared, equal before that is known."""
    found = np.empty_like(bent)
    for i in range(bent.shape[2]):
        both = np.stack([asked.marginals.quantiles[:, :, i], bent[:, :, i]])
        weights = weigh_online(band_scores(both, asked.outcomes[:, i], task.levels), task.horizon)
        found[:, :, i] = average(both, weights)
    return found


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
