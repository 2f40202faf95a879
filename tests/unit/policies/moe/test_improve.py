from __future__ import annotations

import numpy as np
import pytest

from foresail.policies.moe.balance import pack, place
from foresail.policies.moe.improve import improve, peaks
from foresail.policies.moe.placement import balance, gpu_loads
from foresail.policies.moe.replicate import replicate
from tests.unit.policies.moe.placements import make_loads


def test_the_heaviest_replica_stands_with_the_lightest() -> None:
    """150 with 10 and with 20, 90 with 80: 170. Two of 60 would stand together: one goes to a 150."""
    assert peaks(np.array([[300.0, 90, 80, 20, 10]]), np.array([[[2, 1, 1, 1, 1]]])).tolist() == [[170.0]]
    assert peaks(np.array([[300.0, 120, 20, 10]]), np.array([[[2, 2, 1, 1]]])).tolist() == [[210.0]]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_better_is_so_when_it_is_placed(seed: int) -> None:
    loads, gpus = make_loads(2, 12, seed=seed, skew=1.5), 10
    eplb = replicate(loads, 2 * gpus, gpus)
    scratch = place(loads, gpus, 2)
    *_, best = improve(loads, eplb, gpu_loads(loads, scratch).max(axis=1))
    assert (best.sum(axis=1) == 2 * gpus).all()
    assert best.min() >= 1
    changed = (best != eplb).any(axis=1)
    better = balance(loads, pack(loads / best, best, gpus, 2))
    assert (better[changed] < balance(loads, scratch)[changed]).all()


def test_the_best_that_is_possible_is_found() -> None:
    loads = np.array([[600.0, 560, 120, 120, 20, 10, 10, 10]])
    eplb = replicate(loads, 16, 8)
    *_, best = improve(loads, eplb, gpu_loads(loads, place(loads, 8, 2)).max(axis=1))
    assert peaks(loads, best[:, None])[0, 0] / 181.25 == pytest.approx(1.085057, abs=1e-6)  # 1450 over 8 GPUs


def test_many_large_layers_are_better_by_a_percent_and_none_is_worse() -> None:
    loads = -np.sort(-make_loads(58, 256), axis=1)
    eplb, scratch = replicate(loads, 320, 160), place(loads, 160, 2)
    *_, best = improve(loads, eplb, gpu_loads(loads, scratch).max(axis=1))
    assert (best.sum(axis=1) == 320).all()
    assert best.min() >= 1
    before, after = balance(loads, scratch), balance(loads, pack(loads / best, best, 160, 2))
    assert (after <= before * (1 + 1e-9)).all()
    assert after.mean() < 0.995 * before.mean()


def test_many_layers_that_are_balanced_are_left_as_they_are() -> None:
    loads = -np.sort(-make_loads(58, 256, skew=0.3), axis=1)
    eplb, busiest = replicate(loads, 320, 160), gpu_loads(loads, place(loads, 160, 2)).max(axis=1)
    *_, best = improve(loads, eplb, busiest)
    flat = busiest <= 1.05 * loads.sum(axis=1) / 160
    assert 5 < flat.sum() < 58
    assert (best == eplb)[flat].all()
    assert not (best == eplb)[~flat].all()
