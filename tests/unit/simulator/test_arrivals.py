from __future__ import annotations

import numpy as np
import pytest

from foresail.simulator.arrivals import RateArrivals, make_arrivals
from foresail.simulator.trace import RateTrace, RequestTrace


def make_rates(*rates: float, cv: float = 1.0, step: float = 600.0) -> RateTrace:
    values = np.array(rates)
    same = np.ones_like(values)
    return RateTrace(step, values, 700 * same, 230 * same, cv * same)


def dispersion(arrivals: RateArrivals, seconds: float, duration: float) -> float:
    """Variance over mean of the counts in bins of some seconds."""
    times = [request.arrival_seconds for request in arrivals.between(0.0, duration)]
    counts = np.histogram(times, bins=round(duration / seconds), range=(0.0, duration))[0]
    return float(counts.var() / counts.mean())


def test_as_many_requests_come_as_the_trace_says() -> None:
    requests = RateArrivals(make_rates(20.0, cv=2.0)).between(0.0, 3000.0)
    assert len(requests) == pytest.approx(60_000, rel=0.02)
    assert np.mean([r.input_tokens for r in requests]) == pytest.approx(700, rel=0.02)
    assert np.mean([r.output_tokens for r in requests]) == pytest.approx(230, rel=0.02)


def test_requests_are_in_order() -> None:
    times = [request.arrival_seconds for request in RateArrivals(make_rates(20.0, 40.0)).between(3.0, 1111.0)]
    assert times == sorted(times)
    assert times[0] >= 3.0
    assert times[-1] < 1111.0


@pytest.mark.parametrize("cv", [0.5, 1.0, 2.0])
def test_bursts_are_as_large_as_the_variation_says(cv: float) -> None:
    # A renewal process has counts of variance cv² · mean over spans of many gaps.
    assert dispersion(RateArrivals(make_rates(20.0, cv=cv)), 5.0, 6000.0) == pytest.approx(cv * cv, rel=0.25)


def test_the_same_seed_gives_the_same_requests_in_whatever_pieces_they_are_asked_for() -> None:
    whole = RateArrivals(make_rates(10.0, 30.0), seed=3).between(0.0, 100.0)
    pieces = RateArrivals(make_rates(10.0, 30.0), seed=3)
    assert [r for number in range(1000) for r in pieces.between(number / 10, (number + 1) / 10)] == whole
    assert RateArrivals(make_rates(10.0, 30.0), seed=4).between(0.0, 100.0) != whole


def test_rates_change_smoothly_between_intervals() -> None:
    arrivals = RateArrivals(make_rates(10.0, 40.0))
    assert arrivals.expected(300.0).requests_per_second == pytest.approx(10.0)
    assert arrivals.expected(600.0).requests_per_second == pytest.approx(20.0)  # the middle of the logarithms
    assert arrivals.expected(600.0).input_tokens_per_second == pytest.approx(20.0 * 700)


def test_after_its_end_the_trace_goes_on_as_it_ended() -> None:
    requests = RateArrivals(make_rates(10.0)).between(5000.0, 6000.0)
    assert len(requests) == pytest.approx(10_000, rel=0.05)


def test_nothing_is_asked_where_the_trace_asks_nothing() -> None:
    assert RateArrivals(make_rates(0.0, 0.0)).between(0.0, 1000.0) == []


def test_single_requests_are_played_as_they_are() -> None:
    trace = RequestTrace(np.array([0.0, 1.0, 2.5]), np.array([10, 20, 30]), np.array([1, 2, 3]))
    arrivals = make_arrivals(trace)
    assert [tuple(request) for request in arrivals.between(0.5, 2.5)] == [(1.0, 20, 2)]


def test_single_requests_played_faster_keep_their_rate() -> None:
    times = np.sort(np.random.default_rng(0).uniform(0, 6000, 60_000))
    trace = RequestTrace(times, np.full(60_000, 100), np.full(60_000, 10))
    assert len(make_arrivals(trace, speed=20).between(0.0, 300.0)) == pytest.approx(3_000, rel=0.1)
