from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.operator.apportion import apportion

shares = st.lists(st.just(0.0) | st.floats(1e-6, 1.0), min_size=1, max_size=16).filter(lambda some: sum(some) > 0)


@given(shares=shares, total=st.integers(1, 1_000_000))
def test_parts_sum_to_the_total_and_none_is_off_by_one(shares: list[float], total: int) -> None:
    parts = apportion(shares, total)
    assert sum(parts) == total
    for share, part in zip(shares, parts, strict=True):
        exact = share * total / math.fsum(shares)
        assert abs(part - exact) < 1.0 + 1e-6
        assert part == 0 or share > 0.0


@pytest.mark.parametrize(
    ("shares", "parts"),
    [
        ([0.7, 0.3], [70, 30]),
        ([0.29, 0.71], [29, 71]),  # 28.999999999999996 in floats
        ([1.0, 1.0, 1.0], [34, 33, 33]),
        ([0.004, 0.996], [0, 100]),
        ([0.0, 1.0], [0, 100]),
    ],
)
def test_the_largest_remainders_are_rounded_up(shares: list[float], parts: list[int]) -> None:
    assert apportion(shares, 100) == parts
