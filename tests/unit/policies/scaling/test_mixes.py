from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.policies.scaling.bayes import (
    Limits,
    Rates,
    cheapest_first,
    expected_loss,
    expected_unserved,
    weigh,
    worth_of,
)
from foresail.policies.scaling.mixes import variant_mixes

prices = st.sampled_from([0.7, 1.0, 1.7, 2.5, 4.0, 9.8])
needs = st.floats(0.2, 9.0)


def test_a_small_replica_takes_the_rest_that_would_leave_a_large_one_idle() -> None:
    """Ten large ones carry 10; for 10.2, an eleventh would idle for the most part where a small one will do."""
    required = np.array([[10.2], [40.8]]) * np.ones((1, 50))
    offers = weigh(
        required,
        Rates((4.0, 1.2), 0.99),
        current=[0, 0],
        limits=Limits((0, 0), (30, 90)),
        order=cheapest_first(required, [4.0, 1.2], [0, 0]),
    )
    assert offers.best.counts == (10, 1)


def test_the_bounds_hold_for_all_but_the_end_of_the_ladder() -> None:
    limits = Limits((1, 2), (3, 5), beyond=4)
    counts = weigh(np.full((2, 9), 30.0), Rates((1.0, 2.0), 0.9), current=[3, 9], limits=limits, order=[0, 1]).counts
    assert (counts >= [1, 2]).all()
    assert (counts <= [3, 9]).all()
    assert counts.max(axis=0).tolist() == [3, 9]


def test_many_variants_are_tried_without_end_of_counts() -> None:
    worth, most = np.linspace(0.3, 2.0, 16), np.full(16, 400)
    counts = variant_mixes(worth, 300.0, current=np.arange(16), least=np.zeros(16, int), most=most)
    assert len(counts) < 16 * 15 * 2 * 4 * 3 + 3
    assert (counts @ worth >= 299.0).any()


def test_a_need_beyond_all_counting_takes_all_there_is() -> None:
    """A spike in the data may ask for more replicas than an integer holds."""
    bounds = {"current": np.array([1, 1]), "least": np.array([0, 0]), "most": np.array([5, 7])}
    assert [5, 7] in variant_mixes(np.array([1.0, 1e-3]), 1e18, **bounds).tolist()


@given(
    st.lists(st.tuples(prices, needs), min_size=2, max_size=2),
    st.sampled_from([0.5, 0.9, 0.99]),
    st.floats(0.0, 0.6),
    st.lists(st.integers(0, 6), min_size=2, max_size=2),
)
@settings(max_examples=150, deadline=None)
def test_of_two_variants_the_best_of_all_counts_is_found(
    variants: list[tuple[float, float]], ratio: float, spread: float, current: list[int]
) -> None:
    """Of every count there is, where the need is known; elsewhere the quantile is a guide, good to a few per cent."""
    usd, alone = zip(*variants, strict=True)
    required = np.array(alone)[:, None] * np.exp(spread * np.linspace(-2, 2, 21))[None, :]
    rates, order = Rates(usd, ratio, 0.3), cheapest_first(required, usd, current)
    best = weigh(required, rates, current=current, limits=Limits((0, 0), (40, 40)), order=order).best
    every = np.array(list(product(range(41), repeat=2)))
    worth = worth_of(required, order[0])
    unserved = expected_unserved(every, required[order[0]], worth)
    least = expected_loss(every, unserved, rates, current=current, reference=order[0]).min()
    assert best.loss_usd_per_hour <= least * (1.0 + (1e-9 if spread == 0.0 else 0.05)) + 1e-9
