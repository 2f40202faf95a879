"""Laws of the flow: it is its own inverse's inverse, its densities are densities, and it starts as the identity."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: what needs no training is tested without")
pytest.importorskip("pyro", reason="pyro is not installed: what needs no training is tested without")

import torch

from foresail.forecasting.neural.flow import Given
from tests.unit.forecasting.neural.flows import SHAPE, make_context, make_flow, make_stirred_flow

WIDTH = SHAPE.indicators


def make_scores(rows: int, *, seed: int = 1) -> torch.Tensor:
    return 1.5 * torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed))


def independent(scores: torch.Tensor, given: Given, order: torch.Tensor) -> torch.Tensor:
    """u of the scores of one row, shape (I,)."""
    normal = given.forward(scores[None])[0][:, order]
    return torch.linalg.solve_triangular(given.mixing, normal[..., None], upper=False)[0, :, 0]


@pytest.mark.parametrize("seed", range(4))
def test_the_inverse_undoes_the_flow(seed: int) -> None:
    flow, context = make_stirred_flow(seed=seed).double(), make_context(64).double()
    scores = make_scores(64).double()
    given = flow.given(context)
    normal, _ = given.forward(scores)
    assert torch.allclose(given.inverse(normal), scores, atol=1e-5)
    assert not torch.allclose(normal, scores, atol=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_the_log_determinant_is_that_of_the_jacobian(seed: int) -> None:
    """With all of the map z → u by automatic differentiation, as one would compute it without knowing its shape."""
    flow, context = make_stirred_flow(seed=seed).double(), make_context(8, seed=seed).double()
    scores = make_scores(8, seed=seed).double()
    for row in range(len(scores)):
        given = flow.given(context[row : row + 1])
        whiten = partial(independent, given=given, order=flow.order)
        jacobian = torch.autograd.functional.jacobian(whiten, scores[row])
        base = -0.5 * whiten(scores[row]).square().sum() - 0.5 * WIDTH * math.log(2.0 * math.pi)
        expected = base + torch.linalg.slogdet(jacobian).logabsdet
        found = flow.log_prob(scores[row : row + 1], context[row : row + 1])[0]
        assert float(found.detach()) == pytest.approx(float(expected.detach()), abs=1e-6)


def test_densities_of_one_indicator_integrate_to_one() -> None:
    flow, context = make_stirred_flow().double(), make_context(1).double()
    line = torch.linspace(-9.0, 9.0, 4001, dtype=torch.float64)
    for i in range(WIDTH):
        scores = torch.full((line.numel(), WIDTH), torch.nan, dtype=torch.float64)
        scores[:, i] = line
        density = flow.log_prob(scores, context.expand(line.numel(), -1, -1)).exp().detach()
        assert float(torch.trapezoid(density, line)) == pytest.approx(1.0, abs=1e-3)


def test_what_is_missing_is_integrated_out() -> None:
    """The density of three indicators is the integral over the fourth."""
    flow, context = make_stirred_flow().double(), make_context(1).double()
    scores = make_scores(1).double()
    line = torch.linspace(-9.0, 9.0, 4001, dtype=torch.float64)
    for i in range(WIDTH):
        whole = scores.repeat(line.numel(), 1)
        whole[:, i] = line
        integrated = torch.trapezoid(flow.log_prob(whole, context.expand(line.numel(), -1, -1)).exp(), line)
        without = scores.clone()
        without[:, i] = torch.nan
        assert float(flow.log_prob(without, context).exp().detach()) == pytest.approx(
            float(integrated.detach()), rel=1e-3
        )


def test_a_row_of_which_nothing_is_known_says_nothing() -> None:
    flow = make_stirred_flow()
    scores = torch.full((3, WIDTH), torch.nan)
    assert torch.equal(flow.log_prob(scores, make_context(3)), torch.zeros(3))


def test_an_untrained_flow_is_the_identity() -> None:
    flow, context, scores = make_flow(), make_context(32), make_scores(32)
    given = flow.given(context)
    normal, log_slope = given.forward(scores)
    assert torch.allclose(normal, scores, atol=1e-3)
    assert torch.allclose(log_slope, torch.zeros(32, WIDTH), atol=3e-3)  # pyro's outermost slope is .999
    assert torch.allclose(given.mixing, torch.eye(WIDTH).expand(32, -1, -1))
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(scores).sum(dim=1)
    assert torch.allclose(flow.log_prob(scores, context), expected, atol=1e-2)


def test_every_parameter_gets_a_gradient() -> None:
    flow = make_stirred_flow().train()
    given = flow.given(make_context(64))
    loss = -flow.log_density(given, make_scores(64)).mean() + given.inverse(make_scores(64)).square().mean()
    loss.backward()
    for name, one in flow.named_parameters():
        assert one.grad is not None, name
        assert one.grad.abs().max() > 0.0, name


def test_conditioning_matters() -> None:
    flow, scores = make_stirred_flow(), make_scores(16)
    here, there = flow.log_prob(scores, make_context(16)), flow.log_prob(scores, make_context(16, seed=5))
    assert not torch.allclose(here, there, atol=1e-2)


def test_trust_leads_back_to_the_identity_one_indicator_at_a_time() -> None:
    flow, context, scores = make_stirred_flow(), make_context(16), make_scores(16)
    flow.trust[1] = 0.0
    normal, _ = flow.given(context).forward(scores)
    assert torch.allclose(normal[:, 1], scores[:, 1], atol=1e-3)
    assert not torch.allclose(normal[:, 0], scores[:, 0], atol=1e-2)


def test_draws_have_the_marginals_that_are_read_without_drawing() -> None:
    flow, context = make_stirred_flow(), make_context(1)
    given = flow.given(context)
    noise = torch.randn(20_000, 1, WIDTH, generator=torch.Generator().manual_seed(0))
    drawn = flow.draw(given, noise)[:, 0].detach().numpy()
    levels = torch.tensor([0.1, 0.5, 0.9])
    exact = given.inverse(torch.special.ndtri(levels)[:, None, None].expand(-1, 1, WIDTH))[:, 0].detach().numpy()
    np.testing.assert_allclose(np.quantile(drawn, levels.numpy(), axis=0), exact, atol=0.06)


def test_draws_go_together_as_the_mixing_says() -> None:
    flow, context = make_stirred_flow(), make_context(1)
    given = flow.given(context)
    noise = torch.randn(20_000, 1, WIDTH, generator=torch.Generator().manual_seed(0))
    normal, _ = given.forward(flow.draw(given, noise)[:, 0][:, None])
    found = torch.corrcoef(normal[:, 0, flow.order].T).detach().numpy()
    expected = (given.mixing @ given.mixing.transpose(1, 2))[0].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert np.abs(expected - np.eye(WIDTH)).max() > 0.2
