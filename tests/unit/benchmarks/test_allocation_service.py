from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.allocation.service import Arrivals, Service, late_share, poisson, serve
from benchmarks.allocation.simulate import (
    ALONE,
    CORRECTED,
    Size,
    learn,
    make_case,
    measure_headroom,
    measure_weights,
    plan,
)

TPOT = 0.1


def service(
    replicas: tuple[int, ...] = (1,), at_a_time: float = 2.0, idle: float = 0.5, tokens: float = 10.0
) -> Service:
    capacity = np.full((len(replicas), 1), at_a_time / (tokens * TPOT))
    return Service(replicas, capacity, np.full(len(replicas), idle), np.array([tokens]), TPOT)


def at(*seconds: float, drawn: float = 0.0) -> Arrivals:
    return Arrivals(np.array(seconds), np.zeros(len(seconds), np.int64), np.full(len(seconds), drawn))


def test_a_request_alone_is_quicker_than_was_promised() -> None:
    served = serve(service(), np.ones((1, 1)), at(0.0))
    assert served.seconds[0] == pytest.approx(10 * TPOT * (0.5 + 0.5 * 0.5))


def test_requests_up_to_the_capacity_keep_the_promise_exactly() -> None:
    served = serve(service(), np.ones((1, 1)), at(0.0, 0.0))
    np.testing.assert_allclose(served.seconds, 10 * TPOT)
    assert late_share(service(), served, at(0.0, 0.0), 0.0) == 0.0


def test_overload_stretches_all_that_runs_in_proportion() -> None:
    arrivals = at(0.0, 0.0, 0.0)
    served = serve(service(), np.ones((1, 1)), arrivals)
    np.testing.assert_allclose(served.seconds, 10 * TPOT * 1.5)
    assert late_share(service(), served, arrivals, 0.0) == 1.0


def test_a_short_overload_is_made_up_for_by_quick_tokens() -> None:
    arrivals = at(0.0, 0.6, 0.6)  # the first is nearly done before the others come
    served = serve(service(), np.ones((1, 1)), arrivals)
    assert served.seconds[0] == pytest.approx(0.6 + (10 - 0.6 / 0.075) * TPOT * 1.5)
    assert served.seconds[1] == pytest.approx(0.3 + 8 * TPOT)  # these begin in it and have nothing to make up with
    assert late_share(service(), served, arrivals, 0.0) == pytest.approx(2 / 3)


def test_the_least_loaded_replica_takes_a_request() -> None:
    served = serve(service((2,)), np.ones((1, 1)), at(0.0, 0.0))
    np.testing.assert_allclose(served.seconds, 10 * TPOT * 0.75)
    np.testing.assert_allclose(serve(service((2,)), np.ones((1, 1)), at(0.0, 0.1)).work_seconds[0], [0.5, 0.5])


def test_a_full_variant_is_passed_over_only_when_asked() -> None:
    both, weights = service((1, 1)), np.array([[1.0], [0.0]])
    arrivals = at(0.0, 0.0, 0.0)
    assert serve(both, weights, arrivals).seconds.max() == pytest.approx(10 * TPOT * 1.5)
    passed = serve(both, weights, arrivals, pass_over=True)
    assert passed.seconds.max() == pytest.approx(10 * TPOT)
    assert [work.sum() > 0 for work in serve(both, weights, at(0.0, 1.0)).work_seconds] == [True, False]


def test_requests_follow_the_weights() -> None:
    both, weights = service((1, 1)), np.array([[0.25], [0.75]])
    arrivals = Arrivals(np.arange(400.0), np.zeros(400, np.int64), (np.arange(400) + 0.5) / 400)
    first, second = (float(work.sum()) for work in serve(both, weights, arrivals).work_seconds)
    assert second == pytest.approx(3 * first)


def test_what_comes_in_the_warm_up_is_not_counted() -> None:
    arrivals = at(0.0, 0.0, 0.0, 50.0)
    served = serve(service(), np.ones((1, 1)), arrivals)
    assert late_share(service(), served, arrivals, 0.0) == 0.75
    assert late_share(service(), served, arrivals, 10.0) == 0.0


def test_a_variant_without_replicas_gets_nothing() -> None:
    with pytest.raises(ValueError, match="without replicas"):
        serve(service((0, 1)), np.array([[1.0], [0.0]]), at(0.0))


@given(st.lists(st.floats(0.0, 20.0), min_size=1, max_size=12), st.floats(0.1, 1.0), st.integers(1, 3))
def test_no_request_is_quicker_than_an_empty_batch_or_is_lost(seconds: list[float], idle: float, count: int) -> None:
    served = serve(service((count,), idle=idle), np.ones((1, 1)), at(*sorted(seconds), 30.0))
    assert np.isfinite(served.seconds).all()
    assert served.seconds.min() >= 10 * TPOT * idle - 1e-9
    assert served.work_seconds[0].sum() == pytest.approx((len(seconds) + 1) * 10 * TPOT / 2.0)


def test_poisson_arrivals_come_at_their_rates() -> None:
    arrivals = poisson(np.array([5.0, 20.0]), 1000.0, np.random.default_rng(0))
    counts = np.bincount(arrivals.bucket)
    np.testing.assert_allclose(counts, [5000, 20_000], rtol=0.05)
    assert (np.diff(arrivals.seconds) >= 0.0).all()


def test_correction_learns_how_far_a_variant_is_off() -> None:
    case = make_case("mixed", 32.0, 0)
    found = learn(case, np.random.default_rng(0))
    for capacity, truth, factor in zip(case.capacity_rps(), case.truth, found, strict=True):
        able = capacity > 0.0
        if able.any():
            load = case.demand_rps[able] / capacity[able]
            assert factor == pytest.approx(load.sum() / (load / truth[able]).sum(), abs=0.1)


def test_a_plan_with_head_room_costs_more_and_leaves_it() -> None:
    case = make_case("arena", 64.0, 0)
    full, easy = plan(case, 1.0), plan(case, 0.8)
    assert easy.usd_per_hour > full.usd_per_hour
    assert max(easy.plans["model"].utilization) <= 0.8 + 1e-6
    assert plan(case, 1.0, [1.1] * 5).usd_per_hour < full.usd_per_hour


def test_a_lower_target_is_dearer_and_more_in_time() -> None:
    rows = {(row["way"], row["target"]): row for row in measure_headroom(Size(32.0, 1, 500))["rows"]}
    assert rows[ALONE, 1.0]["cost"] == 1.0
    assert rows[ALONE, 0.8]["cost"] > 1.0
    assert rows[ALONE, 0.8]["in_time"] > rows[ALONE, 1.0]["in_time"]
    assert rows[CORRECTED, 0.8]["in_time"] > rows[CORRECTED, 1.0]["in_time"]


def test_replicas_are_as_busy_as_the_weights_have_it() -> None:
    for row in measure_weights((0.85,)):
        assert row["busiest"] <= 0.855
        assert row["busiest_by_throughput"] >= row["busiest"] - 1e-9
