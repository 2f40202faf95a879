"""Random trees, and the forest of them that forecasts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.scores import crps
from foresail.forecasting.series.forest import UNSEEN, Forest, shared_leaves
from foresail.forecasting.series.task import make_task
from foresail.forecasting.series.trees import Trees, grow
from tests.unit.forecasting.series.tables import make_series


def make_tables(rows: int = 400, *, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Five regressors, of which the outcome follows the second alone."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(rows, 5))
    return inputs, np.where(inputs[:, 1] > 0.0, 10.0, -10.0) + 0.1 * rng.normal(size=rows)


def grown(inputs: FloatArray, outcomes: FloatArray, *, leaf: int = 5, seed: int = 0) -> Trees:
    return grow(inputs, outcomes, trees=20, questions=8, leaf=leaf, seed=seed)


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 120), leaf=st.integers(1, 20), seed=st.integers(0, 20))
def test_every_leaf_holds_enough_rows_and_every_row_is_in_one(rows: int, leaf: int, seed: int) -> None:
    inputs, outcomes = make_tables(rows, seed=seed)
    trees = grown(inputs, outcomes, leaf=leaf, seed=seed)
    leaves = trees.leaves(inputs)
    assert (trees.child[leaves] == 0).all()
    _, sizes = np.unique(leaves, return_counts=True)
    assert sizes.min() >= min(leaf, rows)
    assert all(np.unique(column).size >= 1 for column in leaves.T)


def test_trees_ask_what_the_outcome_depends_on() -> None:
    inputs, outcomes = make_tables()
    leaves = grown(inputs, outcomes).leaves(inputs)
    weights = shared_leaves(leaves, leaves) - UNSEEN
    same_side = (inputs[:, 1:2] > 0.0) == (inputs[:, 1] > 0.0)
    assert weights[same_side].sum() > 0.95 * weights.sum()


def test_outcomes_that_are_all_the_same_are_never_divided() -> None:
    inputs, _ = make_tables(50)
    assert grown(inputs, np.full(50, 3.0)).child.sum() == 0


def test_units_of_regressors_and_outcome_change_no_tree() -> None:
    inputs, outcomes = make_tables()
    first = grown(inputs, outcomes).leaves(inputs)
    scaled = inputs * np.array([2.0**40, 0.5, 1.0, 2.0**-30, 4.0])
    np.testing.assert_array_equal(first, grown(scaled, 1024.0 * outcomes).leaves(scaled))


def test_shares_of_leaves_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    here, past = rng.integers(3, size=(4, 6)), rng.integers(3, size=(9, 6))
    here, past = here + 3 * np.arange(6), past + 3 * np.arange(6)  # leaves have numbers of their own in each tree
    slow = np.zeros((4, 9))
    for row in range(4):
        for tree in range(6):
            alike = past[:, tree] == here[row, tree]
            slow[row] += alike / max(alike.sum(), 1)
    np.testing.assert_allclose(shared_leaves(here, past), slow + UNSEEN)


def test_a_forest_foresees_what_no_line_does() -> None:
    """The level rises after rows in which another column is far from zero, on either side, and falls after others."""
    rng = np.random.default_rng(1)
    other = rng.normal(size=(700, 2))
    ways = np.where(np.abs(other[:-1, 0]) > 0.67, 1.0, -1.0) + 0.01 * rng.normal(size=699)
    series = make_series(np.column_stack([np.cumsum(np.concatenate(([0.0], ways))), other]))
    task = make_task(series, 1, 500)
    found = Forest(task.lagged(task.carried), 1, None).quantiles(task, 0)
    unforeseen = 0.5  # CRPS of one or the other by chance
    assert crps(found.T, series.values[task.targets, 0]).mean() < 0.2 * unforeseen
