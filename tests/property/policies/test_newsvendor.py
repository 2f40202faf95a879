from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.policies.scaling.bayes import Limits, Rates, weigh

paths = st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=30)
ratios = st.floats(0.5, 0.995)
MOST = 60


def newsvendor_loss(count: int, required: list[float], price: float, ratio: float, switching: float, now: int) -> float:
    """The textbook: a replica too many costs its price, one too few price · ratio / (1 - ratio)."""
    idle = sum(max(count - need, 0.0) for need in required) / len(required)
    lacking = sum(max(need - count, 0.0) for need in required) / len(required)
    return price * idle + price * ratio / (1 - ratio) * lacking + price * switching * abs(count - now)


@given(paths, st.floats(0.1, 20), ratios, st.floats(0, 0.5), st.integers(0, 40))
def test_a_single_variant_is_the_plain_newsvendor(
    required: list[float], price: float, ratio: float, switching: float, now: int
) -> None:
    rates, limits = Rates((price,), ratio, switching), Limits((0,), (MOST,))
    choice = weigh(np.array([required]), rates, current=[now], limits=limits, order=[0]).best
    losses = [newsvendor_loss(n, required, price, ratio, switching, now) for n in range(MOST + 1)]
    assert losses[choice.total] <= min(losses) + 1e-6
    # Both count the same but for the price of what is required anyway.
    paid_anyway = price * sum(required) / len(required)
    assert choice.loss_usd_per_hour == pytest.approx(losses[choice.total] + paid_anyway, abs=1e-6)


@given(st.floats(0.01, 40), ratios)
def test_without_uncertainty_it_is_the_hpas_formula(need: float, ratio: float) -> None:
    """The HPA takes ceil(current · usage / target) = ceil(demand / capacity), with a tolerance; ours is 1 - ratio."""
    choice = weigh(np.array([[need]]), Rates((1.0,), ratio), current=[0], limits=Limits((0,), (MOST,)), order=[0]).best
    lacking = need - math.floor(need)
    if abs(lacking - (1 - ratio)) > 1e-6:
        assert choice.total == math.floor(need) + (lacking > 1 - ratio)


@given(paths, ratios, st.floats(1.0, 2.0))
def test_more_need_never_takes_fewer_replicas(required: list[float], ratio: float, growth: float) -> None:
    totals = [
        weigh(
            np.array([required]) * factor, Rates((1.0,), ratio), current=[0], limits=Limits((0,), (MOST,)), order=[0]
        ).best.total
        for factor in (1.0, growth)
    ]
    assert totals[0] <= totals[1]


@given(paths, st.tuples(st.floats(0.2, 5), st.floats(0.2, 5)), st.floats(0.3, 3), st.integers(0, 6), st.integers(0, 6))
def test_nothing_on_a_ladder_of_two_variants_is_better_than_what_is_found(
    required: list[float], prices: tuple[float, float], worth: float, first_most: int, second_least: int
) -> None:
    ratio, second_most = 0.9, second_least + 8
    needs = np.array([required, [need / worth for need in required]])
    limits = Limits((0, second_least), (first_most, second_most))
    choice = weigh(needs, Rates(prices, ratio), current=[0, 0], limits=limits, order=[0, 1]).best

    def loss(first: int, second: int) -> float:
        lacking = sum(max(need - first - worth * second, 0.0) for need in required) / len(required)
        return first * prices[0] + second * prices[1] + prices[0] / (1 - ratio) * lacking

    rungs = [(n, second_least) for n in range(first_most + 1)]
    rungs += [(first_most, n) for n in range(second_least + 1, second_most + 1)]
    assert loss(*choice.counts) <= min(loss(*rung) for rung in rungs) + 1e-6
