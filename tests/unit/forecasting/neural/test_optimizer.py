from __future__ import annotations

import torch
from torch import nn

from foresail.forecasting.neural.optimizer import AdamW


def make_module() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1))


def test_steps_are_those_of_torch() -> None:
    ours, theirs = make_module(), make_module()
    optimizer = AdamW(ours.parameters(), rate=0.01, decay=0.1)
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1)
    inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(20):
        for module in (ours, theirs):
            module(inputs).square().mean().backward()
        optimizer.step()
        reference.step()
        reference.zero_grad()

    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
