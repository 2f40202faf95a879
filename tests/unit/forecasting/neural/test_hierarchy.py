"""The hierarchy: who tells most about the others comes first, by whatever name, unit or order of the columns."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.neural.hierarchy import find_hierarchy


def make_family(rows: int = 600, *, seed: int = 0) -> FloatArray:
    """Column 2 drives columns 0, 3 and 4; column 1 and 5 go alone."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(rows, 6))
    for child in (0, 3, 4):
        scores[:, child] = 0.7 * scores[:, 2] + 0.7 * scores[:, child]
    return scores


def test_what_drives_the_others_is_coarsest_and_what_goes_alone_finest() -> None:
    found = find_hierarchy(make_family())
    assert found.order[0] == 2
    assert set(found.order[-2:]) == {1, 5}
    assert found.levels[2] == 0
    assert found.levels[1] == found.levels[5] == 2


def test_what_tells_of_the_next_rows_counts_too() -> None:
    scores = np.random.default_rng(0).normal(size=(600, 6))
    scores[1:, :2] += scores[:-1, 4:5]
    assert find_hierarchy(scores).order[0] == 4


@given(st.permutations(range(6)))
def test_the_order_of_columns_does_not_matter(order: list[int]) -> None:
    scores = make_family()
    assert order[find_hierarchy(scores[:, order]).order[0]] == 2
    plain, moved = find_hierarchy(scores).levels, find_hierarchy(scores[:, order]).levels
    assert [plain[i] for i in order] == list(moved)


@given(st.floats(0.1, 10.0))
def test_monotone_changes_of_a_column_do_not_matter(power: float) -> None:
    scores = make_family()
    bent = np.sign(scores) * np.abs(scores) ** power
    assert find_hierarchy(bent) == find_hierarchy(scores)


def test_holes_and_columns_that_are_never_seen_are_bearable() -> None:
    scores = make_family()
    scores[np.random.default_rng(1).random(scores.shape) < 0.3] = np.nan
    scores[:, 5] = np.nan
    found = find_hierarchy(scores)
    assert found.order[0] == 2
    assert sorted(found.order) == list(range(6))
    assert found.levels[5] == 2


def test_one_column_is_a_hierarchy() -> None:
    assert find_hierarchy(np.zeros((3, 1))).levels == (0,)
