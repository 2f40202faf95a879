from __future__ import annotations

import numpy as np
import pytest

from foresail.domain.timeseries import FloatArray
from foresail.domain.workload import Slo
from foresail.policies.scaling.bayes import Limits, Rates, weigh
from foresail.policies.scaling.prices import critical_ratio, promised_share

SWITCHING = 0.1


def choose_promised(required: FloatArray, promise: float, *, current: int = 0) -> int:
    rates = Rates((4.0,), critical_ratio(promise, required, SWITCHING), SWITCHING)
    return weigh(required[None, :], rates, current=[current], limits=Limits((0,), (400,)), order=[0]).best.total


def unserved_share(required: FloatArray, replicas: int) -> float:
    return float(np.maximum(required - replicas, 0.0).mean() / required.mean())


@pytest.mark.parametrize("promise", [0.8, 0.95, 0.97, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_going_up_the_fewest_replicas_that_keep_the_promise_are_chosen(promise: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    required = random.gamma(4.0, random.uniform(0.2, 10.0), size=200)
    chosen = choose_promised(required, promise)
    fewest = next(n for n in range(400) if unserved_share(required, n) <= 1 - promise)
    gains = [unserved_share(required, n - 1) - unserved_share(required, n) for n in (fewest, max(chosen, 1))]
    assert chosen >= fewest
    assert gains[1] == pytest.approx(gains[0]) or chosen == fewest  # on sparse paths the next may gain just as much


def test_a_certain_need_is_met_to_the_promised_share() -> None:
    assert choose_promised(np.full(50, 9.3), 0.97) == 10  # nine would leave 3.2 % unserved
    assert choose_promised(np.full(50, 9.2), 0.97) == 9  # 2.2 %


def test_a_replica_that_is_there_already_is_given_back_less_readily_than_it_would_be_taken() -> None:
    required = np.random.default_rng(0).gamma(9.0, 1.0, size=200)
    chosen = choose_promised(required, 0.97)
    kept = [choose_promised(required, 0.97, current=chosen + more) for more in (1, 6)]
    assert chosen <= kept[0] <= chosen + 1
    assert kept[1] < chosen + 6


def test_a_greater_promise_needs_a_greater_probability() -> None:
    required = np.random.default_rng(1).gamma(4.0, 20.0, size=200)
    ratios = [critical_ratio(promise, required, 0.0) for promise in (0.9, 0.97, 0.99, 0.999)]
    assert ratios == sorted(ratios)
    assert 0.5 <= ratios[0] < ratios[-1] <= 0.999


def test_without_any_need_the_ratio_is_a_number_still() -> None:
    assert critical_ratio(0.97, np.zeros(10), SWITCHING) == pytest.approx(0.5)


def test_the_promise_stays_within_what_sample_paths_can_tell() -> None:
    assert promised_share(Slo(2000, 50, 95, 1.0)) == pytest.approx(0.999)
    assert promised_share(Slo(2000, 50, 95, 0.97)) == pytest.approx(0.97)
