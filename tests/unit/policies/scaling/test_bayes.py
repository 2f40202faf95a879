from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.policies.scaling.bayes import Choice, Limits, Offers, Rates, cheapest_first, weigh

UNBOUNDED = 200


def weigh_single(
    required: FloatArray, *, price: float = 4.0, ratio: float = 0.9, switching: float = 0.0, current: int = 0
) -> Offers:
    rates = Rates((price,), ratio, switching)
    return weigh(required[None, :], rates, current=[current], limits=Limits((0,), (UNBOUNDED,)), order=[0])


def choose_single(required: FloatArray, **others: Any) -> Choice:
    return weigh_single(required, **others).best


def test_a_certain_need_is_met_exactly() -> None:
    assert choose_single(np.full(50, 9.0)).counts == (9,)


def test_an_uncertain_need_is_met_at_the_critical_ratio() -> None:
    required = np.arange(0.5, 100.5)  # a hundred paths, spread evenly
    # A replica costs 1 - ratio of an unserved one: P(R > n) falls below 10 % at 90.
    assert choose_single(required, ratio=0.9).counts == (90,)


def test_a_dearer_promise_takes_more_replicas() -> None:
    required = np.random.default_rng(0).gamma(4, 3, size=400)
    chosen = [choose_single(required, ratio=ratio).total for ratio in (0.5, 0.8, 0.9, 0.95, 0.99)]
    assert chosen == sorted(set(chosen))


def test_small_fleets_weigh_how_much_is_lacking_not_only_how_often() -> None:
    # One path in ten lacks a hundredth of a replica at 1; a quantile would buy a whole one for it.
    required = np.array([0.5] * 9 + [1.01])
    assert choose_single(required, ratio=0.95).counts == (1,)
    assert choose_single(np.array([0.5] * 9 + [1.9]), ratio=0.95).counts == (2,)


def test_switching_weighs_against_small_changes() -> None:
    required = np.arange(0.5, 100.5)
    # A replica less saves 4 and costs 2 to give back, so the marginal path must be worth it.
    assert choose_single(required, switching=0.5, current=92).counts == (92,)
    assert choose_single(required, switching=0.5, current=99).counts == (95,)  # P(R > 95) is half of 10 %
    assert choose_single(required, switching=0.0, current=92).counts == (90,)


def test_no_need_takes_no_replica() -> None:
    assert choose_single(np.zeros(20), switching=0.5, current=8).counts == (0,)


def test_loss_is_exposed_per_count_and_least_at_the_choice() -> None:
    offers = weigh_single(np.random.default_rng(0).gamma(9, 1, size=200), current=3)
    losses = offers.by_total
    assert min(losses, key=losses.__getitem__) == offers.best.total
    assert set(range(offers.best.total + 3)) <= set(losses)


def test_the_ladder_takes_the_cheapest_variant_first() -> None:
    required = np.array([[10.0], [20.0]])  # a second-variant replica is worth half a first one
    rates = Rates((4.0, 1.5), 0.99)
    limits = Limits((0, 0), (12, 12))
    assert cheapest_first(required, rates.usd_per_hour, [0, 0]) == (1, 0)  # 30 against 40 USD/h
    choice = weigh(required, rates, current=[0, 0], limits=limits, order=[1, 0]).best
    # Twelve cheap ones carry 12/20, the rest takes four dear ones.
    assert choice.counts == (4, 12)


def test_minima_carry_work_before_the_ladder_begins() -> None:
    required = np.array([[10.0], [10.0]])
    limits = Limits((0, 3), (12, 12))
    choice = weigh(required, Rates((1.0, 2.0), 0.99), current=[0, 3], limits=limits, order=[0, 1]).best
    assert choice.counts == (7, 3)


def test_what_the_limits_leave_unserved_is_said() -> None:
    required = np.full((1, 5), 10.0)
    choice = weigh(required, Rates((1.0,), 0.99), current=[4], limits=Limits((0,), (6,)), order=[0]).best
    assert choice.counts == (6,)
    assert choice.unserved_replicas == pytest.approx(4)


def test_variants_of_equal_cost_keep_the_order_of_the_spec() -> None:
    required = np.ones((3, 4))
    assert cheapest_first(required, [2.0, 2.0, 2.0], [0, 0, 0]) == (0, 1, 2)


def test_the_variant_that_has_the_replicas_is_not_left_for_a_few_per_cent() -> None:
    required = np.ones((2, 4))
    assert cheapest_first(required, [2.0, 1.9], [5, 0]) == (0, 1)
    assert cheapest_first(required, [2.0, 1.7], [5, 0]) == (1, 0)
