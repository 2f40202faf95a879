"""The fit of a prior: it finds the population that workloads were drawn from, and the same one every time."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: what needs no training is tested without")
pytest.importorskip("pyro", reason="pyro is not installed: what needs no training is tested without")

import torch

from foresail.domain.timeseries import Window
from foresail.forecasting.demand.borrowed import Prior
from foresail.forecasting.demand.evidence import MEMORY, WAVES
from foresail.forecasting.neural.prior import fit_prior
from tests.unit.forecasting.demand.peers import as_window, hours, make_prior, make_workload

STEPS = 100
NOON = WAVES.size + int(np.flatnonzero(WAVES == 7.0)[0])
LEVELS = np.array([0.025, 0.1, 0.5, 0.9, 0.975])


def make_histories(count: int, *, rows: int = 240, seed: int = 0) -> list[Window]:
    rng = np.random.default_rng(seed)
    return [as_window(make_workload(make_prior(), rows, rng, level=10.0**n)) for n in range(count)]


@pytest.fixture(scope="module")
def fitted() -> tuple[Prior, list[float]]:
    losses: list[float] = []
    prior = fit_prior(make_histories(7), seed=0, steps=STEPS, progress=lambda _, loss: losses.append(loss))
    return prior, losses


def test_the_loss_falls_and_progress_is_told_at_every_step(fitted: tuple[Prior, list[float]]) -> None:
    losses = fitted[1]
    assert len(losses) == STEPS
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 30.0


def test_the_population_is_found(fitted: tuple[Prior, list[float]]) -> None:
    prior, truth = fitted[0], make_prior()
    assert prior.means[0, NOON] == pytest.approx(truth.means[0, NOON], abs=0.12)
    np.testing.assert_allclose(np.delete(prior.means[0], NOON), 0.0, atol=0.15)
    assert 0.05 < float(np.median(prior.spreads)) < 0.2
    assert np.exp(prior.noise[0]) == pytest.approx(0.2, rel=0.25)
    assert MEMORY[prior.rest.argmax()] == 4800.0


def test_a_workload_it_has_not_seen_is_covered_as_promised(fitted: tuple[Prior, list[float]]) -> None:
    rng, inside = np.random.default_rng(11), []
    for _ in range(40):
        demand = make_workload(make_prior(), 16, rng)
        found = fitted[0].learn(hours(6), demand[:6]).quantiles(hours(10, first=6), LEVELS)
        inside.append((found[:, 1] < demand[6:]) & (demand[6:] < found[:, 3]))
    assert np.mean(inside) == pytest.approx(0.80, abs=0.08)


def test_the_same_seed_gives_the_same_prior_and_touches_nobody_elses_chance() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two, other = (fit_prior(make_histories(3), seed=seed, steps=5).arrays() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)
    assert any(one[name].tobytes() != other[name].tobytes() for name in one)


def test_the_unit_of_a_history_does_not_matter() -> None:
    histories = make_histories(3)
    scaled = [
        Window(h.indicators, h.step_seconds, h.end, 1024.0 * h.values, h.observed) for h in histories
    ]  # a power of two: no rounding
    one, two = (fit_prior(given, seed=0, steps=5).arrays() for given in (histories, scaled))
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-6)


def test_one_workload_alone_with_holes_and_zeros_gives_a_prior_wider_than_many_do(
    fitted: tuple[Prior, list[float]],
) -> None:
    demand = make_workload(make_prior(), 240, np.random.default_rng(3))
    demand[40:70], demand[100:110] = np.nan, 0.0
    prior = fit_prior([as_window(demand)], seed=0, steps=STEPS)
    assert all(np.isfinite(value).all() for value in prior.arrays().values())
    assert np.median(prior.spreads) > 1.5 * np.median(fitted[0].spreads)


def test_unlike_workloads_become_archetypes() -> None:
    rng = np.random.default_rng(8)
    flipped = make_prior()
    flipped = Prior.restore({**flipped.arrays(), "means": -flipped.means})
    histories = [as_window(make_workload(p, 168, rng)) for p in [make_prior()] * 6 + [flipped] * 4]
    prior = fit_prior(histories, seed=0, steps=STEPS)
    assert len(prior.share) == 2
    assert prior.means[:, NOON].min() < -0.4
    assert prior.means[:, NOON].max() > 0.4
    night = make_workload(flipped, 24, rng)
    learned = prior.learn(hours(8), night[:8])
    assert int(learned.profile(hours(24)).argmin()) in range(9, 16)


def test_histories_that_cannot_be_fitted_are_refused_with_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="steps must agree"):
        fit_prior(
            [*make_histories(1), Window(("r",), 600.0, 0.0, np.ones((20, 1)), np.ones((20, 1), dtype=np.bool_))], seed=0
        )
    with pytest.raises(ValueError, match="none has 12 rows"):
        fit_prior([as_window(np.zeros(50)), as_window(np.ones(5))], seed=0)
    with pytest.raises(ValueError, match="none has 12 rows"):
        fit_prior([], seed=0)
    with pytest.raises(ValueError, match="at least 1"):
        fit_prior(make_histories(1), seed=0, steps=0)
