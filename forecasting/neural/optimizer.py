"""AdamW.

torch has it too, but making one of its optimizers imports its compiler: 180 MB and seconds that nothing here needs.

References:
    Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, ICLR.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

FIRST, SECOND = 0.9, 0.999  # memories of the gradient and of its square
TINY = 1e-8


class AdamW:
    """Steps on parameters.

    Args:
        parameters: Changed in place.
        rate: Of learning.
        decay: Of weights, decoupled from their gradients.
    """

    def __init__(self, parameters: Iterable[Tensor], *, rate: float, decay: float) -> None:
        self._parameters = list(parameters)
        self._rate, self._decay = rate, decay
        self._moments = [(torch.zeros_like(one), torch.zeros_like(one)) for one in self._parameters]
        self._steps = 0

    @torch.no_grad()
    def step(self) -> None:
        """Move against the gradients, and forget them."""
        self._steps += 1
        first, second = (1.0 - memory**self._steps for memory in (FIRST, SECOND))
        for one, (mean, square) in zip(self._parameters, self._moments, strict=True):
            if one.grad is None:
                continue
            one.mul_(1.0 - self._rate * self._decay)
            mean.lerp_(one.grad, 1.0 - FIRST)
            square.mul_(SECOND).addcmul_(one.grad, one.grad, value=1.0 - SECOND)
            one.addcdiv_(mean / first, (square / second).sqrt().add_(TINY), value=-self._rate)
            one.grad = None
