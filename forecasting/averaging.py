"""Online Bayesian model averaging: an expert weighs what its discounted score says, in each band of quantile levels.

    w_k(t) ∝ exp(-η · L_k(t) / l(t)),   L_k(t) = Σ_{s ≤ t} δ^{t-s} · CRPS_k(s)

l is the experts' mean score, so that units do not matter. The weights of a target h rows ahead rest on targets up to
its origin only. Bands have weights of their own, as an expert's middle may be good and its tails bad; quantiles are
averaged level by level, which keeps them sharp, and put in order again where bands meet.

References:
    Berrisch and Ziel (2023), CRPS Learning, Journal of Econometrics 237.
    Hoeting et al. (1999), Bayesian Model Averaging: A Tutorial, Statistical Science 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.scores import pinball

RATE = 0.5
DISCOUNT = 0.998  # an outcome: half after 346; scores of the tails are rare and need a long memory
BANDS = 20


def softmax(logits: FloatArray) -> FloatArray:
    """Shares that sum to 1 over the first axis."""
    likely = np.exp(logits - logits.max(axis=0))
    return np.asarray(likely / likely.sum(axis=0))


def band_scores(quantiles: FloatArray, outcomes: FloatArray, levels: FloatArray) -> FloatArray:
    """Twice the mean pinball loss in each band, whose mean over the bands is the CRPS.

    Args:
        quantiles: Shape (K, T, Q).
        outcomes: NaN where missing, shape (T,).
        levels: Shape (Q,).

    Returns:
        Shape (T, B, K), NaN where the outcome is.
    """
    missed = outcomes[None, :, None] - quantiles
    losses = 2.0 * pinball(missed, levels)
    bands = [part.mean(axis=2) for part in np.array_split(losses, min(BANDS, levels.size), axis=2)]
    return np.stack(bands, axis=1).transpose(2, 1, 0)


def weigh_online(scores: FloatArray, horizon: int) -> FloatArray:
    """Weights at each target from the scores of targets that its origin knew.

    Args:
        scores: Shape (T, B, K); a row with NaN tells nothing and ages nothing.
        horizon: Rows from origin to target.

    Returns:
        Shape (T, B, K), summing to 1 over K; equal before any score is known.
    """
    weights = np.empty_like(scores)
    credit = Credit(np.zeros(scores.shape[1:]))
    for row in range(len(scores)):
        told = row - horizon
        if told >= 0:
            credit.note(scores[told])
        weights[row] = credit.weights
    return weights


@dataclass(slots=True)
class Credit:
    """What K experts have scored so far in each of B bands, and what they weigh for it; mutable.

    Args:
        losses: Discounted sums of scores, shape (B, K).
        seen: Discounted number of outcomes.
    """

    losses: FloatArray
    seen: float = 0.0

    @classmethod
    def earned(cls, scores: FloatArray, outcomes: float) -> Self:
        """After so many outcomes of these scores, shape (B, K), each."""
        seen = (1.0 - DISCOUNT**outcomes) / (1.0 - DISCOUNT)
        return cls(seen * scores, seen)

    def note(self, scores: FloatArray) -> None:
        """Add the scores of an outcome, shape (B, K); with a NaN they tell nothing and age nothing."""
        if np.isfinite(scores).all():
            self.losses = DISCOUNT * self.losses + scores
            self.seen = DISCOUNT * self.seen + 1.0

    @property
    def weights(self) -> FloatArray:
        """Shape (B, K), summing to 1 over K."""
        typical = self.losses.mean(axis=-1, keepdims=True) / max(self.seen, 1.0)
        excess = (self.losses - self.losses.min(axis=-1, keepdims=True)) / np.where(typical > 0.0, typical, 1.0)
        return softmax(-RATE * excess.T).T


def average(quantiles: FloatArray, weights: FloatArray) -> FloatArray:
    """Averaged quantiles; `quantiles` (K, T, Q) and `weights` (T, B, K) → (T, Q), ascending.

    What all experts agree on stays exactly so: averages are taken of differences from the first one.
    """
    spread = np.array_split(quantiles - quantiles[:1], weights.shape[1], axis=2)
    bands = [np.einsum("tk,ktq->tq", weights[:, band], part) for band, part in enumerate(spread)]
    return np.sort(quantiles[0] + np.concatenate(bands, axis=1), axis=1)
