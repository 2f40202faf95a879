"""Training: likelihood of dequantised scores and CRPS of the marginals; stopped by CRPS and energy score held out.

What is kept is the average of the weights over the last steps at the epoch that scored best on rows behind those it
learned from, or the identity where nothing scored better. Then each indicator is given as much of it as helped there.

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
from foresail.forecasting.energy import energy_score
from foresail.forecasting.neural.dataset import Examples
from foresail.forecasting.neural.encoder import Shape
from foresail.forecasting.neural.flow import Flow, Given
from foresail.forecasting.neural.hierarchy import find_hierarchy
from foresail.forecasting.neural.marginals import read
from foresail.forecasting.neural.optimizer import AdamW

CRPS_LEVELS = 20
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
        course, rows = copy.deepcopy(self.course), _to_rows(examples, self.width)
        for _ in range(passes):
            course.learn(rows)
        return Fitted(course, self.width, self.score)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Examples as tensors; quantiles are about the outcome, in units of what the indicator usually misses it by."""

    scores: Tensor
    context: Tensor
    quantiles: Tensor
    knots: Tensor

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: Tensor) -> Rows:
        """Some of the rows."""
        return Rows(self.scores[rows], self.context[rows], self.quantiles[rows], self.knots)


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
    width = _usual_miss(training)
    rows, asked = _to_rows(training, width), _to_rows(held_out, width)
    noise = torch.randn(recipe.draws, *asked.scores.shape, generator=torch.Generator().manual_seed(seed))
    flow.encoder.standardise(rows.context)
    start = figures(flow, asked, noise)
    flow.trust.copy_(torch.isfinite(rows.scores).any(dim=0))
    course = Course(flow, recipe, seed)
    best, best_score = copy.deepcopy(course), 1.0
    for epoch in range(1, recipe.epochs + 1):
        loss = course.learn(rows)
        score = _against(figures(course.flow, asked, noise), start)
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


def crps(given: Given, rows: Rows) -> Tensor:
    """CRPS of each row and indicator over some levels, in what the indicator usually misses by; 0 where missing."""
    levels = (torch.arange(CRPS_LEVELS) + 0.5) / CRPS_LEVELS
    normal = torch.special.ndtri(levels)[:, None, None].expand(-1, *rows.scores.shape)
    values = read(rows.quantiles, rows.knots, given.inverse(normal).transpose(0, 1))
    levels = levels[None, :, None]
    losses = 2.0 * torch.maximum(-levels * values, (1.0 - levels) * values).mean(dim=1)
    return torch.where(torch.isfinite(rows.scores), losses, 0.0)


@torch.no_grad()
def figures(flow: Flow, rows: Rows, noise: Tensor) -> tuple[Tensor, float]:
    """Mean CRPS of each indicator, shape (I,), and mean energy score."""
    flow.eval()
    given = flow.given(rows.context)
    drawn = read(rows.quantiles, rows.knots, flow.draw(given, noise).transpose(0, 1))
    drawn = torch.where(torch.isfinite(rows.scores)[:, None], drawn, 0.0).double().numpy()
    return crps(given, rows).mean(dim=0), float(energy_score(drawn, np.zeros_like(drawn[:, 0])).mean())


def _against(found: tuple[Tensor, float], start: tuple[Tensor, float]) -> float:
    """Mean of CRPS and energy score, each in units of the identity's."""
    least = 1e-12  # nothing to win where all is certain
    crps_ratio = float(found[0].sum()) / max(float(start[0].sum()), least)
    return 0.5 * crps_ratio + 0.5 * found[1] / max(start[1], least)


def _to_rows(examples: Examples, width: FloatArray) -> Rows:
    missed = (examples.marginals.quantiles - examples.outcomes[:, None]) / width
    return Rows(
        torch.from_numpy(examples.scores.astype(np.float32)),
        torch.from_numpy(examples.context).float(),
        torch.from_numpy(np.where(np.isfinite(missed), missed, 0.0).astype(np.float32)),
        torch.from_numpy(examples.marginals.knots.astype(np.float32)),
    )


def _usual_miss(examples: Examples) -> FloatArray:
    """Mean distance of outcomes from the middle of their forecast, 1 where that is 0, shape (I,)."""
    middle = examples.marginals.quantiles[:, examples.marginals.levels.size // 2]
    seen = np.isfinite(examples.scores)
    missed = np.where(seen, np.abs(examples.outcomes - middle), 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.where(missed > 0.0, missed, 1.0)
