"""Training: it finds what the forecast lacks, leaves alone what lacks nothing, and does so the same way every time."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: what needs no training is tested without")
pytest.importorskip("pyro", reason="pyro is not installed: what needs no training is tested without")

import torch

from foresail.forecasting.neural.dataset import Examples
from foresail.forecasting.neural.train import Fitted, Recipe, fit_flow
from tests.unit.forecasting.neural.flows import make_examples

QUICK = Recipe(epochs=12, patience=4, rate=5e-3)


def fit(examples: Examples, *, recipe: Recipe = QUICK, seed: int = 0) -> Fitted:
    cut = len(examples) * 4 // 5
    return fit_flow(examples.rows(0, cut), examples.rows(cut, len(examples)), seed=seed, recipe=recipe)


def quantile(fitted: Fitted, examples: Examples, level: float) -> torch.Tensor:
    """Scores at a level, shape (N, I)."""
    normal = torch.special.ndtri(torch.tensor(level)).expand(1, *examples.scores.shape)
    with torch.no_grad():
        return fitted.flow.given(torch.from_numpy(examples.context).float()).inverse(normal)[0]


@pytest.fixture(scope="module")
def shifted() -> Fitted:
    return fit(make_examples(1200, shift=0.8, scale=0.6))


def test_it_finds_by_what_the_forecast_is_off(shifted: Fitted) -> None:
    """The first feature moves the outcome: so must it the middle."""
    fresh = make_examples(500, seed=9)
    middle = quantile(shifted, fresh, 0.5).numpy()
    assert np.corrcoef(middle.ravel(), fresh.context[:, :, 0].ravel())[0, 1] > 0.9
    assert shifted.score < 0.85


def test_it_finds_that_the_forecast_is_too_wide(shifted: Fitted) -> None:
    fresh = make_examples(500, seed=9)
    width = (quantile(shifted, fresh, 0.9) - quantile(shifted, fresh, 0.1)).mean()
    assert float(width) == pytest.approx(2.0 * 1.2816 * 0.6, rel=0.15)


def test_it_finds_that_indicators_go_together() -> None:
    fitted = fit(make_examples(1200, together=0.7))
    with torch.no_grad():
        mixing = fitted.flow.given(torch.zeros(1, 4, 5)).mixing[0]
    assert float((mixing @ mixing.T)[1, 0]) > 0.4
    assert fitted.score < 0.995


def test_a_perfect_forecast_is_left_about_as_it_is() -> None:
    examples = make_examples(1200)
    fitted = fit(examples)
    fresh = make_examples(500, seed=9)
    for level, expected in ((0.1, -1.2816), (0.5, 0.0), (0.9, 1.2816)):
        assert (quantile(fitted, fresh, level) - expected).abs().mean() < 0.15


def test_the_identity_is_kept_where_what_was_learned_does_not_hold() -> None:
    """What the rows held out say is the opposite of what those to learn from do, and neither is wider than forecast."""
    learned, held_out = (make_examples(600, shift=shift, scale=0.6, seed=1) for shift in (0.8, -0.8))
    fitted = fit_flow(learned, held_out, seed=0, recipe=QUICK)
    assert fitted.course.epochs == 0
    assert fitted.score == 1.0
    assert torch.allclose(quantile(fitted, held_out, 0.5), torch.zeros(1), atol=1e-3)
    assert fitted.go_on(learned, 2) is fitted


def test_going_on_changes_a_copy_only(shifted: Fitted) -> None:
    before = [one.clone() for one in shifted.flow.parameters()]
    further = shifted.go_on(make_examples(300, shift=0.8), 1)
    assert all(torch.equal(a, b) for a, b in zip(before, shifted.flow.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(before, further.flow.parameters(), strict=True))
    assert further.course.epochs == shifted.course.epochs + 1


def test_the_same_seed_trains_the_same_bytes_whatever_the_chance_around() -> None:
    examples = make_examples(400, shift=0.5)
    torch.manual_seed(1)
    first = fit(examples, recipe=Recipe(epochs=3))
    torch.manual_seed(2)
    second, other = fit(examples, recipe=Recipe(epochs=3)), fit(examples, recipe=Recipe(epochs=3), seed=1)
    assert list(map(torch.Tensor.tolist, first.flow.parameters())) == list(
        map(torch.Tensor.tolist, second.flow.parameters())
    )
    assert not torch.equal(next(first.flow.parameters()), next(other.flow.parameters()))


def test_rows_held_out_are_not_learned_from() -> None:
    """Only how long training lasts depends on them; so with one pass, nothing does."""
    examples = make_examples(400, shift=0.8, seed=2)
    learned = examples.rows(0, 300)
    recipe = Recipe(epochs=1, averaging=0.0)
    one = fit_flow(learned, examples.rows(300, 400), seed=0, recipe=recipe)
    two = fit_flow(learned, make_examples(100, shift=0.7, seed=3), seed=0, recipe=recipe)
    assert one.course.epochs == two.course.epochs == 1
    assert all(torch.equal(a, b) for a, b in zip(one.flow.parameters(), two.flow.parameters(), strict=True))


def test_progress_is_told_after_every_epoch() -> None:
    told: list[tuple[int, float, float]] = []
    examples = make_examples(400, shift=0.8)
    fit_flow(
        examples.rows(0, 300),
        examples.rows(300, 400),
        seed=0,
        recipe=Recipe(epochs=3),
        progress=lambda *what: told.append(what),
    )
    assert [epoch for epoch, _, _ in told] == [1, 2, 3]
    assert all(np.isfinite(loss) and score > 0.0 for _, loss, score in told)


def test_holes_are_no_obstacle() -> None:
    examples = make_examples(400, shift=0.8)
    examples.scores[np.random.default_rng(0).random(examples.scores.shape) < 0.3] = np.nan
    examples.outcomes[~np.isfinite(examples.scores)] = np.nan
    examples.scores[:, 2] = np.nan
    fitted = fit(examples)
    assert fitted.score < 1.0
    assert fitted.flow.trust.tolist() == [1.0, 1.0, 0.0, 1.0]
    assert all(torch.isfinite(one).all() for one in fitted.flow.parameters())
