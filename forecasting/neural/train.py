"""Training: likelihood of dequantised scores and CRPS of the marginals; stopped by CRPS and energy score held out.

What is kept is the average of the weights over the last steps at the epoch that scored best on rows behind those it
learned from, or the identity where nothing scored better.

References:
    Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, ICLR.
    Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging, SIAM J. Control Optim. 30.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.dataset import Examples
from foresail.forecasting.neural.encoder import Shape
from foresail.forecasting.neural.flow import Flow
from foresail.forecasting.neural.hierarchy import find_hierarchy
from foresail.forecasting.neural.jury import Rows, crps, make_jury, to_rows, usual_miss
from foresail.forecasting.neural.optimizer import AdamW

AVERAGED_SHARE = 0.2  # of the steps so far, while these are few
Progress = Callable[[int, float, float], None]  # epoch, loss, score held out against the identity's


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a flow is trained."""

    epochs: int = 40
    patience: int = 10
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.02
    most_gradient: float = 1.0
    averaging: float = 0.98
    crps_weight: float = 1.0
    draws: int = 32


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained flow, and what it takes to go on training it.

    Args:
        course: At its best; of no epochs where nothing was better than the identity.
        width: What outcomes usually miss the middle of their forecast by, shape (I,).
        score: Held out, the identity's being 1.
    """

    course: Course
    width: FloatArray
    score: float

    @property
    def flow(self) -> Flow:
        """In evaluation mode."""
        return self.course.flow

    def go_on(self, examples: Examples, passes: int) -> Fitted:
        """Train on, with rows that have come since among the examples; the identity stays what it is."""
        if self.course.epochs == 0:
            return self
        course, rows = copy.deepcopy(self.course), to_rows(examples, self.width)
        for _ in range(passes):
            course.learn(rows)
        return Fitted(course, self.width, self.score)


def fit_flow(
    training: Examples,
    held_out: Examples,
    *,
    seed: int,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train on some rows; stop, and choose, by others that come after them."""
    recipe = Recipe() if recipe is None else recipe
    shape = Shape(training.scores.shape[1], training.context.shape[2])
    hierarchy = find_hierarchy(training.scores)
    flow = Flow(shape, hierarchy.order, hierarchy.levels, seed)
    width = usual_miss(training)
    flow.encoder.standardise(torch.from_numpy(training.context).float())
    rows = to_rows(training, width)
    jury = make_jury(flow.eval(), to_rows(held_out, width), recipe.draws, seed)
    course = Course(flow, recipe, seed)
    best, best_score = copy.deepcopy(course), 1.0
    for epoch in range(1, recipe.epochs + 1):
        loss = course.learn(rows)
        score = jury.score(course.flow)
        if progress is not None:
            progress(epoch, loss, score)
        if score < best_score:
            best, best_score = copy.deepcopy(course), score
        if epoch - best.epochs >= recipe.patience:
            break
    return Fitted(best, width, best_score)


class Course:
    """A flow in training: what it takes to go on.

    Args:
        flow: Trained in place.
        recipe: How.
        seed: Of the order of rows and of dropout.
    """

    def __init__(self, flow: Flow, recipe: Recipe, seed: int) -> None:
        self.recipe, self.seed, self.epochs, self._steps = recipe, seed, 0, 0
        self._flow = flow
        self._averaged = copy.deepcopy(flow).eval()
        self._optimizer = AdamW(flow.parameters(), rate=recipe.rate, decay=recipe.decay)

    @property
    def flow(self) -> Flow:
        """With averaged weights, in evaluation mode."""
        return self._averaged

    def learn(self, rows: Rows) -> float:
        """One pass; the mean loss."""
        self.epochs += 1
        self._flow.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + self.epochs)
            parts = torch.randperm(len(rows)).split(self.recipe.batch)
            losses = [self._step(rows.take(part)) for part in parts]
        return float(np.mean(losses))

    def _step(self, rows: Rows) -> float:
        loss = _loss(self._flow, rows, self.recipe)
        loss.backward()
        nn.utils.clip_grad_norm_(self._flow.parameters(), self.recipe.most_gradient)
        self._optimizer.step()
        with torch.no_grad():
            self._steps += 1
            share = max(1.0 - self.recipe.averaging, 1.0 / (1.0 + AVERAGED_SHARE * self._steps))
            for kept, now in zip(self._averaged.parameters(), self._flow.parameters(), strict=True):
                kept.lerp_(now, share)
        return float(loss.detach())


def _loss(flow: Flow, rows: Rows, recipe: Recipe) -> Tensor:
    given = flow.given(rows.context)
    likelihood = flow.log_density(given, rows.scores) / torch.isfinite(rows.scores).sum(dim=1).clamp(min=1)
    return recipe.crps_weight * crps(given, rows).mean() - likelihood.mean()
