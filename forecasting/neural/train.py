"""Training: likelihood of dequantised scores and CRPS of the marginals; stopped by CRPS and energy score held out.

What is kept is the average of the weights over the last steps at the epoch that scored best on rows behind those it
learned from, or the identity where nothing scored better. Then each indicator is given as much of it as helped there.

References:
    Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, ICLR.
    Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging, SIAM J. Control Optim. 30.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
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

CRPS_LEVELS = 20
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
    """A trained flow.

    Args:
        flow: In evaluation mode.
        epochs: Passes that it took; 0 where the identity was best.
        score: Held out, the identity's being 1.
    """

    flow: Flow
    epochs: int
    score: float


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
    start = figures(flow, asked, noise)
    flow.trust.copy_(torch.isfinite(rows.scores).any(dim=0))
    best, best_score, best_epoch = copy.deepcopy(flow), 1.0, 0
    for epoch, loss, averaged in epochs(flow, rows, recipe, seed):
        score = _against(figures(averaged, asked, noise), start)
        if progress is not None:
            progress(epoch, loss, score)
        if score < best_score:
            best, best_score, best_epoch = copy.deepcopy(averaged), score, epoch
        if epoch - best_epoch >= recipe.patience:
            break
    return Fitted(best.eval(), best_epoch, best_score)


def epochs(flow: Flow, rows: Rows, recipe: Recipe, seed: int) -> Iterator[tuple[int, float, Flow]]:
    """Train, one pass at a time: number, mean loss, and the flow with averaged weights."""
    averaged = torch.optim.swa_utils.AveragedModel(
        flow, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.averaging)
    )
    optimizer = torch.optim.AdamW(flow.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    order = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # dropout
        for epoch in range(1, recipe.epochs + 1):
            flow.train()
            losses = []
            for part in torch.randperm(len(rows), generator=order).split(recipe.batch):
                loss = _loss(flow, rows.take(part), recipe)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(flow.parameters(), recipe.most_gradient)
                optimizer.step()
                averaged.update_parameters(flow)
                losses.append(float(loss.detach()))
            averaged.module.eval()
            yield epoch, float(np.mean(losses)), averaged.module


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
    return 0.5 * float(found[0].sum() / start[0].sum()) + 0.5 * found[1] / start[1]


def _to_rows(examples: Examples, width: FloatArray) -> Rows:
    missed = (examples.marginals.quantiles - examples.outcomes[:, None]) / width
    return Rows(
        torch.from_numpy(examples.scores.astype(np.float32)),
        torch.from_numpy(examples.context),
        torch.from_numpy(np.where(np.isfinite(missed), missed, 0.0).astype(np.float32)),
        torch.from_numpy(examples.marginals.knots.astype(np.float32)),
    )


def _usual_miss(examples: Examples) -> FloatArray:
    """Mean distance of outcomes from the middle of their forecast, 1 where that is 0, shape (I,)."""
    middle = examples.marginals.quantiles[:, examples.marginals.levels.size // 2]
    seen = np.isfinite(examples.scores)
    missed = np.where(seen, np.abs(examples.outcomes - middle), 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.where(missed > 0.0, missed, 1.0)
