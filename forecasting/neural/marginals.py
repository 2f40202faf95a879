"""Marginals: quantiles as distributions, whose scores are standard normal where they are right.

    z = Φ⁻¹(F(y)),     y = F⁻¹(Φ(z))

Between two quantiles z is linear in y; beyond the outermost it goes on as it did over the last few. Where quantiles are
equal F jumps, and any score of the jump may be meant: chance chooses (randomised PIT), which dequantises the outcome.

References:
    Czado, Gneiting and Held (2009), Predictive Model Assessment for Count Data, Biometrics 65.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from foresail.domain.timeseries import FloatArray

LIMIT = 4.0  # of a score: one in 30 000
TAIL_SHARE = 0.05  # of the levels, on each side, whose way goes on beyond the outermost


@dataclass(frozen=True, slots=True, eq=False)
class Marginals:
    """Distributions of T targets and I indicators.

    Args:
        quantiles: Ascending over Q, shape (T, Q, I).
        levels: Ascending in (0, 1), shape (Q,).
    """

    quantiles: FloatArray
    levels: FloatArray

    @property
    def knots(self) -> FloatArray:
        """Scores of the levels, shape (Q,)."""
        return normal_quantile(self.levels)

    def scores(self, values: FloatArray, chance: FloatArray | float = 0.5) -> FloatArray:
        """Scores of values (T, I) within ±LIMIT, NaN where a value is; `chance` in [0, 1] chooses within jumps."""
        below = (self.quantiles < values[:, None]).sum(axis=1)
        above = (self.quantiles <= values[:, None]).sum(axis=1)
        jumps = np.concatenate(([0.0], self.levels, [1.0]))
        first = np.where(below == 0, 0, below + 1)
        last = np.where(above == self.levels.size, self.levels.size + 1, above)
        low = jumps[first]
        jumped = normal_quantile(np.clip(low + chance * (jumps[last] - low), 1e-6, 1.0 - 1e-6))
        found = np.where(above > below, jumped, self._between(values, below))
        return np.where(np.isfinite(values), np.clip(found, -LIMIT, LIMIT), np.nan)

    def read(self, scores: FloatArray) -> FloatArray:
        """Values at scores, shape (T, W, I)."""
        found: FloatArray = read(*(_tensor(x) for x in (self.quantiles, self.knots, scores))).numpy()
        return found

    def _between(self, values: FloatArray, below: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> FloatArray:
        """Scores of values that equal no quantile, with `below` quantiles under them."""
        left = np.clip(below - 1, 0, self.levels.size - 2)
        low, high = (np.take_along_axis(self.quantiles, place[:, None], axis=1)[:, 0] for place in (left, left + 1))
        inside = self.knots[left] + _share(values - low, high - low) * (self.knots[left + 1] - self.knots[left])
        under, over = (slope.numpy() for slope in slopes(*map(_tensor, (self.quantiles, self.knots))))
        lowest, highest = self.quantiles[:, 0], self.quantiles[:, -1]
        beneath = self.knots[0] - _share(lowest - values, under, most=2.0 * LIMIT)
        beyond = self.knots[-1] + _share(values - highest, over, most=2.0 * LIMIT)
        return np.where(values < lowest, beneath, np.where(values > highest, beyond, inside))


def read(quantiles: Tensor, knots: Tensor, scores: Tensor) -> Tensor:
    """Values at scores (T, W, I) of distributions (T, Q, I) whose levels have the scores `knots` (Q,)."""
    left = (torch.searchsorted(knots, scores.contiguous(), right=True) - 1).clamp(0, knots.numel() - 2)
    low, high = quantiles.gather(1, left), quantiles.gather(1, left + 1)
    share = (scores - knots[left]) / (knots[left + 1] - knots[left])
    under, over = slopes(quantiles, knots)
    beyond = (scores - knots[0]).clamp(max=0.0) * under[:, None] + (scores - knots[-1]).clamp(min=0.0) * over[:, None]
    return low + share.clamp(0.0, 1.0) * (high - low) + beyond


def slopes(quantiles: Tensor, knots: Tensor) -> tuple[Tensor, Tensor]:
    """Change of value per score beyond the lowest and the highest quantile, shape (T, I) each."""
    reach = max(int(TAIL_SHARE * knots.numel()), 1)
    under = (quantiles[:, reach] - quantiles[:, 0]) / (knots[reach] - knots[0])
    over = (quantiles[:, -1] - quantiles[:, -1 - reach]) / (knots[-1] - knots[-1 - reach])
    return under, over


def normal_quantile(levels: FloatArray) -> FloatArray:
    """Φ⁻¹."""
    found: FloatArray = torch.special.ndtri(_tensor(np.asarray(levels))).numpy()
    return found


def _tensor(array: FloatArray) -> Tensor:
    """The same numbers, copied only where torch could write to what is not to be written to."""
    return torch.from_numpy(np.require(array, requirements=("C", "W")))


def _share(part: FloatArray, whole: FloatArray, most: float = 1.0) -> FloatArray:
    """Part over whole within [0, most]; of nothing, all of it."""
    least = np.maximum(whole, part / most)
    return np.divide(part, least, out=np.zeros_like(part), where=least > 0.0)
