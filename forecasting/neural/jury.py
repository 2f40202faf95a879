"""The jury: how a flow scores on rows held out, by CRPS of its marginals and energy score of its draws.

It also says which indicators a flow helps there; the others keep the identity, so that what is learned about one, or
about how all go together, does not have to pay for another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.dataset import Examples
from foresail.forecasting.neural.flow import Flow, Given
from foresail.forecasting.neural.marginals import read
from foresail.forecasting.series.energy import energy_score

CRPS_LEVELS = 20


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


def crps(given: Given, rows: Rows) -> Tensor:
    """CRPS of each row and indicator over some levels, in what the indicator usually misses by; 0 where missing."""
    levels = (torch.arange(CRPS_LEVELS) + 0.5) / CRPS_LEVELS
    normal = torch.special.ndtri(levels)[:, None, None].expand(-1, *rows.scores.shape)
    values = read(rows.quantiles, rows.knots, given.inverse(normal).transpose(0, 1))
    levels = levels[None, :, None]
    losses = 2.0 * torch.maximum(-levels * values, (1.0 - levels) * values).mean(dim=1)
    return torch.where(torch.isfinite(rows.scores), losses, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Jury:
    """Rows held out, and what the identity scores on them.

    Args:
        rows: Behind those to learn from.
        noise: Standard normal, shape (S, N, I).
        crps: The identity's, by indicator, shape (I,).
        energy: The identity's energy score.
    """

    rows: Rows
    noise: Tensor
    crps: Tensor
    energy: float

    @torch.no_grad()
    def score(self, flow: Flow) -> float:
        """Mean of CRPS and energy score against the identity's; the flow is told which indicators it helps."""
        flow.trust.fill_(1.0)
        flow.trust.copy_(_mean_crps(flow, self.rows) < self.crps)
        found, least = _mean_crps(flow, self.rows), 1e-12  # nothing to win where all is certain
        crps_ratio = float(found.sum()) / max(float(self.crps.sum()), least)
        return 0.5 * crps_ratio + 0.5 * _energy(flow, self.rows, self.noise) / max(self.energy, least)


@torch.no_grad()
def make_jury(identity: Flow, rows: Rows, draws: int, seed: int) -> Jury:
    """A jury that compares with a flow before its training."""
    noise = torch.randn(draws, *rows.scores.shape, generator=torch.Generator().manual_seed(seed))
    return Jury(rows, noise, _mean_crps(identity, rows), _energy(identity, rows, noise))


def _mean_crps(flow: Flow, rows: Rows) -> Tensor:
    return crps(flow.given(rows.context), rows).mean(dim=0)


def _energy(flow: Flow, rows: Rows, noise: Tensor) -> float:
    given = flow.given(rows.context)
    drawn = read(rows.quantiles, rows.knots, flow.draw(given, noise).transpose(0, 1))
    drawn = torch.where(torch.isfinite(rows.scores)[:, None], drawn, 0.0).double().numpy()
    return float(energy_score(drawn, np.zeros_like(drawn[:, 0])).mean())


def to_rows(examples: Examples, width: FloatArray) -> Rows:
    """Examples as tensors, with `width` (I,) the unit of each indicator."""
    missed = (examples.marginals.quantiles - examples.outcomes[:, None]) / width
    return Rows(
        torch.from_numpy(examples.scores.astype(np.float32)),
        torch.from_numpy(examples.context).float(),
        torch.from_numpy(np.where(np.isfinite(missed), missed, 0.0).astype(np.float32)),
        torch.from_numpy(examples.marginals.knots.astype(np.float32)),
    )


def usual_miss(examples: Examples) -> FloatArray:
    """Mean distance of outcomes from the middle of their forecast, 1 where that is 0, shape (I,)."""
    middle = examples.marginals.quantiles[:, examples.marginals.levels.size // 2]
    seen = np.isfinite(examples.scores)
    missed = np.where(seen, np.abs(examples.outcomes - middle), 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.where(missed > 0.0, missed, 1.0)
