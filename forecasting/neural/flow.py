"""The flow: scores z of all indicators in a row ↔ independent standard normals u, given what the origin knew.

    ε_i = spline_i((z_i - μ_i) · exp(a_i)),     ε = M u,     M lower triangular with rows of length 1

μ, a, the splines and M depend on the context. As the rows of M have length 1, ε_i is standard normal, so the marginal
of an indicator is exact without sampling: z_i = spline_i⁻¹(Φ⁻¹(q)) · exp(-a_i) + μ_i is its quantile at level q. M
joins the indicators, coarse ones first. All of it starts as the identity: the forecast that the scores are taken in.

References:
    Durkan et al. (2019), Neural Spline Flows, NeurIPS.
    Papamakarios et al. (2021), Normalizing Flows for Probabilistic Modeling and Inference, JMLR 22.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from pyro.distributions.transforms.spline import ConditionedSpline
from torch import Tensor, nn

from foresail.forecasting.neural.encoder import Encoder, Shape

BOUND = 4.5  # of the splines, which are the identity beyond
MOST_SHIFT = 1.5
MOST_LOG_SCALE = 0.7
IDENTITY_SLOPE = math.log(math.expm1(1.0 - 1e-3))  # softplus⁻¹; pyro adds the 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The flow of N rows: parameters as they follow from the context.

    Args:
        shift: μ, shape (N, I).
        log_scale: a, shape (N, I).
        spline: Widths, heights, slopes, shape (N, I, K or K - 1) each.
        mixing: M in the order of the hierarchy, shape (N, I, I).
    """

    shift: Tensor
    log_scale: Tensor
    spline: tuple[Tensor, Tensor, Tensor]
    mixing: Tensor

    def forward(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """ε of scores (…, N, I), and the logarithm of its slope there."""
        bent, log_slope = self._bend().spline_op((scores - self.shift) * self.log_scale.exp())
        return bent, log_slope + self.log_scale

    def inverse(self, normal: Tensor) -> Tensor:
        """Scores of ε, shape (…, N, I)."""
        straight, _ = self._bend().spline_op(normal, inverse=True)
        return straight * (-self.log_scale).exp() + self.shift

    def _bend(self) -> Any:
        return ConditionedSpline((*self.spline, None), bound=BOUND, order="quadratic")


class Flow(nn.Module):
    """A conditional normalizing flow over I indicators.

    Args:
        shape: Sizes.
        order: Indicators, coarse ones first.
        levels: The level of each.
        seed: Of the first weights.
    """

    def __init__(self, shape: Shape, order: tuple[int, ...], levels: tuple[int, ...], seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(shape, levels)
            self.mixing = nn.Parameter(torch.zeros(shape.indicators, shape.indicators))
            self.modes = nn.Parameter(0.02 * torch.randn(shape.modes, shape.indicators, shape.indicators))
        self.shape, self.levels = shape, levels
        self.register_buffer("order", torch.tensor(order, dtype=torch.long))
        self.register_buffer("trust", torch.ones(shape.indicators))

    @property
    def count(self) -> int:
        """Numbers that are fitted."""
        return sum(one.numel() for one in self.parameters())

    def given(self, context: Tensor) -> Given:
        """The flow under a context, shape (N, I, C)."""
        heads, modes = self.encoder(context)
        heads = heads * self.trust[:, None]
        bins = self.shape.bins
        shift, log_scale, widths, heights, slopes = heads.split([1, 1, bins, bins, bins - 1], dim=-1)
        spline = (
            torch.softmax(widths, dim=-1),
            torch.softmax(heights, dim=-1),
            nn.functional.softplus(slopes + IDENTITY_SLOPE),
        )
        return Given(
            MOST_SHIFT * torch.tanh(shift[..., 0]),
            MOST_LOG_SCALE * torch.tanh(log_scale[..., 0]),
            spline,
            self._mixing(modes),
        )

    def _mixing(self, modes: Tensor) -> Tensor:
        raw = self.mixing + torch.einsum("nk,kij->nij", modes, self.modes)
        rows = torch.tril(raw, diagonal=-1) + torch.eye(self.shape.indicators)
        return rows / rows.norm(dim=-1, keepdim=True)

    def log_prob(self, scores: Tensor, context: Tensor) -> Tensor:
        """Log density of scores (N, I), NaN where missing, which says nothing; shape (N,)."""
        return self.log_density(self.given(context), scores)

    def log_density(self, given: Given, scores: Tensor) -> Tensor:
        """The same where the context has been encoded."""
        seen = torch.isfinite(scores)
        normal, log_slope = given.forward(torch.where(seen, scores, 0.0))
        joint = _log_joint(normal[:, self.order], seen[:, self.order], given.mixing)
        return joint + torch.where(seen, log_slope, 0.0).sum(dim=-1)

    def draw(self, given: Given, noise: Tensor) -> Tensor:
        """Scores from independent standard normals (S, N, I), joint by row, shape (S, N, I)."""
        mixed = torch.einsum("nij,snj->sni", given.mixing, noise)
        return given.inverse(mixed[..., torch.argsort(self.order)])


def _log_joint(normal: Tensor, seen: Tensor, mixing: Tensor) -> Tensor:
    """Log density of what was seen of ε = M u, shape (N,)."""
    factor = mixing
    if not bool(seen.all()):
        # The marginal of a normal: strike out rows and columns, and put independent ones of value 0 there.
        both = seen[:, :, None] & seen[:, None, :]
        covariance = torch.where(both, mixing @ mixing.transpose(1, 2), 0.0)
        factor = torch.linalg.cholesky(covariance + torch.diag_embed((~seen).to(normal.dtype)))
    kept = torch.where(seen, normal, 0.0)
    alone = torch.linalg.solve_triangular(factor, kept[..., None], upper=False)[..., 0]
    logarithms = torch.log(torch.diagonal(factor, dim1=1, dim2=2)).sum(dim=-1)
    constant = 0.5 * math.log(2.0 * math.pi) * seen.sum(dim=-1)
    return -0.5 * alone.square().sum(dim=-1) - logarithms - constant
