"""The encoder: coarse indicators condition finer ones and not the other way round, and it starts saying nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: what needs no training is tested without")

import torch

from foresail.forecasting.neural.encoder import Encoder, Shape

SHAPE = Shape(indicators=3, features=5, width=8, dropout=0.5)


def make_encoder(levels: tuple[int, ...] = (0, 1, 2)) -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(SHAPE, levels)
    with torch.no_grad():
        for one in encoder.parameters():
            one.add_(0.3 * torch.randn(one.shape))
    return encoder.eval()


def changed_by(encoder: Encoder, asked: int) -> list[bool]:
    """Which indicators' parameters change when the context of one does."""
    context = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(1))
    other = context.clone()
    other[0, asked] += 1.0
    difference = (encoder(context)[0] - encoder(other)[0]).abs().amax(dim=(0, 2))
    return [bool(change > 1e-6) for change in difference]


@pytest.mark.parametrize(
    ("asked", "changed"), [(0, [True, True, True]), (1, [False, True, True]), (2, [False, False, True])]
)
def test_an_indicator_conditions_those_of_its_own_level_and_finer_ones(asked: int, changed: list[bool]) -> None:
    assert changed_by(make_encoder(), asked) == changed


def test_indicators_of_one_level_condition_each_other() -> None:
    assert changed_by(make_encoder((0, 0, 0)), 1) == [True, True, True]


def test_a_fresh_encoder_says_zero_whatever_the_context() -> None:
    heads, modes = Encoder(SHAPE, (0, 1, 2))(torch.randn(4, 3, 5))
    assert heads.shape == (4, 3, SHAPE.heads)
    assert modes.shape == (4, SHAPE.modes)
    assert not heads.any()
    assert not modes.any()


def test_features_are_taken_about_their_usual_middle_and_spread() -> None:
    """So that an affine change of a feature changes nothing once the encoder has seen how it is spread."""
    encoder, context = make_encoder(), torch.randn(200, 3, 5)
    encoder.standardise(context)
    plain = encoder(context)[0]
    encoder.standardise(1000.0 * context + 7.0)
    assert torch.allclose(encoder(1000.0 * context + 7.0)[0], plain, atol=1e-2)


def test_a_feature_that_never_varies_or_runs_wild_is_harmless() -> None:
    encoder = make_encoder()
    context = torch.zeros(50, 3, 5)
    encoder.standardise(context)
    context[0] = 1e30
    assert torch.isfinite(encoder(context)[0]).all()


def test_parameters_hardly_grow_with_the_number_of_indicators() -> None:
    def count(indicators: int) -> int:
        return sum(one.numel() for one in Encoder(Shape(indicators, 40), (0,) * indicators).parameters())

    assert count(11) < 15_000
    assert count(44) < 2 * count(11)
