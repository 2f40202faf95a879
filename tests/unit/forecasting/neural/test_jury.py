"""The jury: its CRPS is the CRPS, the identity scores 1, and each indicator is judged by itself."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: what needs no training is tested without")
pytest.importorskip("pyro", reason="pyro is not installed: what needs no training is tested without")

import torch

from foresail.forecasting.neural.flow import MOST_SHIFT, Flow
from foresail.forecasting.neural.jury import crps, make_jury, to_rows, usual_miss
from foresail.forecasting.scores import crps as crps_of_samples
from tests.unit.forecasting.neural.flows import make_examples, make_flow


def make_shifting_flow(by: float) -> Flow:
    """A flow that moves every indicator."""
    flow = make_flow()
    with torch.no_grad():
        flow.encoder.own[:, 0] = np.arctanh(by / MOST_SHIFT)
    return flow


def test_crps_is_that_of_the_quantiles_in_the_units_asked_for() -> None:
    examples, width = make_examples(60), np.array([1.0, 2.0, 4.0, 8.0])
    found = crps(make_flow().given(torch.zeros(60, 4, 5)), to_rows(examples, width)).detach().numpy()
    expected = crps_of_samples(examples.marginals.quantiles.transpose(1, 0, 2), examples.outcomes) / width
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_what_is_missing_counts_nothing() -> None:
    examples = make_examples(60)
    examples.scores[:, 1] = np.nan
    assert not crps(make_flow().given(torch.zeros(60, 4, 5)), to_rows(examples, np.ones(4)))[:, 1].any()


def test_the_identity_scores_one() -> None:
    rows = to_rows(make_examples(100), np.ones(4))
    assert make_jury(make_flow(), rows, 16, 0).score(make_flow()) == pytest.approx(1.0, abs=1e-3)


def test_indicators_that_fare_worse_keep_the_identity() -> None:
    """All are moved up; only the outcomes of two were."""
    examples = make_examples(300)
    examples.outcomes[:, :2] += 1.0
    rows = to_rows(examples, np.ones(4))
    flow = make_shifting_flow(1.0)
    score = make_jury(make_flow(), rows, 16, 0).score(flow)
    assert flow.trust.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert score < 0.9


def test_where_all_is_certain_there_is_nothing_to_win() -> None:
    examples = make_examples(20)
    examples.marginals.quantiles[:] = 0.0
    examples.outcomes[:] = 0.0
    rows = to_rows(examples, usual_miss(examples))
    assert np.isfinite(make_jury(make_flow(), rows, 16, 0).score(make_shifting_flow(1.0)))


def test_the_usual_miss_is_of_what_was_seen_and_never_zero() -> None:
    examples = make_examples(400, scale=3.0)
    examples.scores[:, 1] = np.nan
    examples.scores[::2, 2] = np.nan
    width = usual_miss(examples)
    assert width[1] == 1.0
    np.testing.assert_allclose(width[[0, 2, 3]], 3.0 * 0.798, rtol=0.15)
