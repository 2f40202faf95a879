from __future__ import annotations

import numpy as np
import torch
from torch import nn

from foresail.forecasting.neural.optimizer import AdamW


def make_module() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1))


def test_steps_are_those_of_the_paper() -> None:
    module = make_module()
    optimizer = AdamW(module.parameters(), rate=0.01, decay=0.1)
    expected = [one.detach().numpy().astype(np.float64) for one in module.parameters()]
    means, squares = [np.zeros_like(one) for one in expected], [np.zeros_like(one) for one in expected]
    inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
    for step in range(1, 21):
        module(inputs).square().mean().backward()
        gradients = [np.asarray(one.grad).astype(np.float64) for one in module.parameters()]
        optimizer.step()
        means = [0.9 * mean + 0.1 * new for mean, new in zip(means, gradients, strict=True)]
        squares = [0.999 * square + 0.001 * new**2 for square, new in zip(squares, gradients, strict=True)]
        expected = [
            one - 0.01 * (mean / (1.0 - 0.9**step) / (np.sqrt(square / (1.0 - 0.999**step)) + 1e-8) + 0.1 * one)
            for one, mean, square in zip(expected, means, squares, strict=True)
        ]

    for one, other in zip(module.parameters(), expected, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other, rtol=1e-3, atol=1e-5)
        assert one.grad is None
