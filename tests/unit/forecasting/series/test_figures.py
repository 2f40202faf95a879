"""Figures against slow references, from what is saved."""

from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.series.figures import Scored, make_figures
from tests.unit.forecasting.series.test_joint import naive_energy_score
from tests.unit.forecasting.test_scores import naive_crps

LEVELS = (np.arange(100) + 0.5) / 100


def make_scored(*, holes: bool = False) -> Scored:
    rng = np.random.default_rng(0)
    quantiles = np.sort(rng.normal(size=(12, 100, 2)), axis=1)
    outcomes = rng.normal(size=(12, 2))
    if holes:
        outcomes[3, 0] = outcomes[5] = np.nan
    return Scored(("a", "b"), LEVELS, quantiles, rng.permuted(quantiles, axis=1), outcomes)


def seen(scored: Scored) -> list[tuple[FloatArray, float]]:
    """Quantiles and outcome of every cell that was observed."""
    rows, columns = np.nonzero(np.isfinite(scored.outcomes))
    return [(scored.quantiles[t, :, i], float(scored.outcomes[t, i])) for t, i in zip(rows, columns, strict=True)]


@pytest.mark.parametrize("holes", [False, True])
def test_figures_equal_their_definitions(holes: bool) -> None:
    scored = make_scored(holes=holes)
    found = make_figures(scored, seed=0)
    cells = seen(scored)

    def read(quantiles: FloatArray, level: float) -> float:
        return float(np.interp(level, LEVELS, quantiles))

    def pinball(level: float) -> float:
        missed = [y - read(q, level) for q, y in cells]
        return float(np.mean([level * m if m > 0 else (level - 1.0) * m for m in missed]))

    assert found.crps == pytest.approx(np.mean([naive_crps(q, y) for q, y in cells]))
    assert found.mse == pytest.approx(np.mean([(q.mean() - y) ** 2 for q, y in cells]))
    assert found.coverage_80 == pytest.approx(np.mean([read(q, 0.1) <= y <= read(q, 0.9) for q, y in cells]))
    assert found.coverage_95 == pytest.approx(np.mean([read(q, 0.025) <= y <= read(q, 0.975) for q, y in cells]))
    assert found.violation_99 == pytest.approx(np.mean([y > read(q, 0.99) for q, y in cells]))
    assert found.pinball_90 == pytest.approx(pinball(0.9))
    assert found.pinball_99 == pytest.approx(pinball(0.99))
    whole = np.flatnonzero(np.isfinite(scored.outcomes).all(axis=1))
    energy = [naive_energy_score(scored.samples[t], scored.outcomes[t]) for t in whole]
    assert found.energy_score == pytest.approx(np.mean(energy))


def test_the_crps_by_column_has_the_crps_as_its_mean() -> None:
    found = make_figures(make_scored(), seed=0)
    assert set(found.crps_per_column) == {"a", "b"}
    assert found.crps == pytest.approx(np.mean([v for v in found.crps_per_column.values() if v is not None]))


def test_a_column_without_outcomes_has_no_score() -> None:
    scored = make_scored()
    scored.outcomes[:, 1] = np.nan
    found = make_figures(scored, seed=0)
    assert found.crps_per_column["b"] is None
    assert found.energy_score is None
    assert found.crps == found.crps_per_column["a"]


def test_scaling_divides_scores_by_the_span() -> None:
    scored = make_scored()
    plain = make_figures(scored, seed=0)
    halved = make_figures(scored.scaled(np.array([5.0, -1.0]), np.array([2.0, 2.0])), seed=0)
    assert plain.crps == pytest.approx(2.0 * (halved.crps or 0.0))
    assert plain.mse == pytest.approx(4.0 * (halved.mse or 0.0))
    assert plain.energy_score == pytest.approx(2.0 * (halved.energy_score or 0.0))
    assert plain.coverage_95 == halved.coverage_95
