from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.policies.allocation.profiles.buckets import Buckets, resample

SOURCE = Buckets(np.array([64.0, 256.0, 1024.0]), np.array([32.0, 128.0]))
CAPACITY = np.array([[16.0, 8.0], [4.0, 2.0], [1.0, 0.0]])


def buckets(inputs: list[float], outputs: list[float]) -> Buckets:
    return Buckets(np.array(inputs), np.array(outputs))


def test_the_same_edges_change_nothing() -> None:
    assert resample(CAPACITY, SOURCE, SOURCE) == pytest.approx(CAPACITY)


def test_between_edges_the_logarithm_is_linear() -> None:
    found = resample(CAPACITY, SOURCE, buckets([128.0], [64.0]))

    assert found[0, 0] == pytest.approx((16.0 * 8.0 * 4.0 * 2.0) ** 0.25)


def test_beyond_the_largest_edge_nothing_is_served() -> None:
    assert (resample(CAPACITY, SOURCE, buckets([64.0, 1025.0], [129.0])) == 0.0).all()
    assert resample(CAPACITY, SOURCE, buckets([1025.0], [32.0]))[0, 0] == 0.0


def test_below_the_smallest_edge_the_smallest_buckets_capacity_holds() -> None:
    assert resample(CAPACITY, SOURCE, buckets([1.0], [1.0]))[0, 0] == pytest.approx(16.0)


def test_beside_a_bucket_that_cannot_be_served_nothing_is() -> None:
    found = resample(CAPACITY, SOURCE, buckets([512.0, 1024.0], [32.0, 64.0]))

    assert found[0, 1] == 0.0
    assert found[1, 1] == 0.0
    assert found[:, 0] == pytest.approx([2.0, 1.0])


@given(st.floats(1.0, 4096.0), st.floats(1.0, 512.0))
def test_no_length_gets_more_than_the_smallest_bucket_or_less_than_nothing(tokens_in: float, tokens_out: float) -> None:
    rate = resample(CAPACITY, SOURCE, buckets([tokens_in], [tokens_out]))[0, 0]

    assert 0.0 <= rate <= 16.0 + 1e-9
