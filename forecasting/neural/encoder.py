"""The encoder: what the origin knew of each indicator → parameters of the flow.

All indicators share their weights and differ by a learned embedding, so parameters stay few however many there are. An
indicator attends to itself and to those of its own and coarser levels, never to finer ones.

References:
    Vaswani et al. (2017), Attention Is All You Need, NeurIPS.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

MOST_DEVIATIONS = 4.0
LEAST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a flow.

    Args:
        indicators: I.
        features: C, of one indicator's context.
        width: Of what is known of an indicator inside the encoder.
        bins: K, of a spline.
        modes: Ways in which the mixing depends on the context.
        dropout: Share of inner values left out in training.
    """

    indicators: int
    features: int
    width: int = 32
    bins: int = 8
    modes: int = 3
    dropout: float = 0.3

    @property
    def heads(self) -> int:
        """Parameters of one indicator's marginal."""
        return 3 * self.bins + 1


class Encoder(nn.Module):
    """Context (N, I, C) → parameters of the marginals (N, I, P) and weights of the mixing's modes (N, modes)."""

    def __init__(self, shape: Shape, levels: tuple[int, ...]) -> None:
        super().__init__()
        width = shape.width
        self.embedding = nn.Parameter(0.1 * torch.randn(shape.indicators, width))
        self.entry = nn.Sequential(nn.Linear(shape.features, width), nn.GELU(), nn.Dropout(shape.dropout))
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.body = nn.Sequential(
            nn.Linear(2 * width, width), nn.GELU(), nn.Dropout(shape.dropout), nn.Linear(width, width), nn.GELU()
        )
        self.heads, self.modes = nn.Linear(width, shape.heads), nn.Linear(width, shape.modes)
        self.own = nn.Parameter(torch.zeros(shape.indicators, shape.heads))  # what it needs whatever the context
        for last in (self.heads, self.modes):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        places = torch.tensor(levels)
        self.register_buffer("center", torch.zeros(shape.indicators, shape.features))
        self.register_buffer("spread", torch.ones(shape.indicators, shape.features))
        self.register_buffer("hidden", places[:, None] < places[None, :])  # (asking, asked): asked is finer

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Parameters, all zero at first, which is the identity."""
        known = ((context - self.center) / self.spread).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
        tokens = self.entry(known) + self.embedding
        found = self.body(torch.cat([tokens, self._attend(tokens)], dim=-1))
        return self.heads(found) + self.own, self.modes(found.mean(dim=1))

    def standardise(self, context: Tensor) -> None:
        """Take the usual middle and spread of each feature from a context to train on, shape (N, I, C)."""
        self.center.copy_(context.mean(dim=0))
        spread = context.std(dim=0)
        self.spread.copy_(torch.where(spread > LEAST_SPREAD, spread, 1.0))

    def _attend(self, tokens: Tensor) -> Tensor:
        likeness = self.query(tokens) @ self.key(tokens).transpose(1, 2) / tokens.shape[-1] ** 0.5
        return torch.softmax(likeness.masked_fill(self.hidden, -torch.inf), dim=-1) @ self.value(tokens)
