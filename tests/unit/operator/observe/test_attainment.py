from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.snapshot import Known, Signal, Unknown
from foresail.domain.workload import Engine, Slo
from foresail.operator.observe.answers import Unavailable
from foresail.operator.observe.attainment import (
    Layout,
    count_within,
    observe_attainment,
    observe_pressure,
    read_buckets,
)
from foresail.operator.observe.labels import PodKey
from foresail.operator.observe.telemetry import Telemetry
from tests.builders import make_demand
from tests.fakes.prometheus import PodLoad
from tests.unit.operator.observe.telling import Series, make_series, tell, tell_of, to_vector

SLO = Slo(ttft_milliseconds=1000, tpot_milliseconds=40)
A, B = PodKey("prod", "a"), PodKey("prod", "b")


def buckets(pod: str, counts: dict[str, float]) -> Series:
    labels = {"namespace": "prod", "pod": pod, "engine": "vLLM"}
    return [(labels | {"le": bound}, count) for bound, count in counts.items()]


def observe(ttft: Series, tpot: Series, ready: list[PodKey], telemetry: Telemetry | None = None) -> Signal:
    telemetry = telemetry or tell_of({"a": PodLoad(), "b": PodLoad()})
    read = [read_buckets(to_vector(series)) for series in (ttft, tpot)]
    return observe_attainment(SLO, ready, [A, B], telemetry, *read)


GOOD = {"0.04": 100.0, "1.0": 100.0, "+Inf": 100.0}


def test_the_share_that_keeps_both_limits_is_their_product() -> None:
    ttft = {"0.5": 60.0, "1.0": 90.0, "+Inf": 100.0}
    tpot = {"0.025": 50.0, "0.05": 100.0, "+Inf": 100.0}
    # TTFT: 90 %. TPOT: 50 % and 15/25 of the next 50 %: 80 %.
    assert observe(buckets("a", ttft), buckets("a", tpot), [A]) == Known(pytest.approx(0.72))  # type: ignore[arg-type]


def test_pods_weigh_by_their_requests() -> None:
    ttft = buckets("a", GOOD) + buckets("b", {"1.0": 0.0, "+Inf": 300.0})
    assert observe(ttft, buckets("a", GOOD), [A, B]) == Known(0.25)


def test_without_requests_there_is_no_attainment() -> None:
    none = dict.fromkeys(GOOD, 0.0)
    signal = observe(buckets("a", none), buckets("a", none), [A])
    assert isinstance(signal, Unknown)
    assert signal.reason == "NoTraffic"


def test_requests_of_a_single_token_have_no_tpot_to_miss() -> None:
    assert observe(buckets("a", GOOD), buckets("a", dict.fromkeys(GOOD, 0.0)), [A]) == Known(1.0)


@pytest.mark.parametrize(
    ("telemetry", "reason"),
    [
        (tell_of({"a": PodLoad()}), "NoSeries"),
        (tell_of({"a": PodLoad(), "b": PodLoad(age_seconds=300.0)}), "StaleSeries"),
        (tell({**make_series({}), "ttft": Unavailable("PrometheusTimeout", "late")}), "NoSeries"),
        (tell(make_series({}), Unknown("ClockSkew", "check NTP")), "ClockSkew"),
    ],
)
def test_a_ready_pod_that_is_not_seen_makes_attainment_unknown(telemetry: Telemetry, reason: str) -> None:
    signal = observe(buckets("a", GOOD), buckets("a", GOOD), [A, B], telemetry)
    assert isinstance(signal, Unknown)
    assert signal.reason == reason


def test_histograms_that_are_not_there_or_not_answered_are_unknown() -> None:
    signal = observe(buckets("a", GOOD), [], [A])
    assert isinstance(signal, Unknown)
    assert "inter_token_latency" in signal.message
    late = tell({**make_series({"a": PodLoad()}), "tpot": Unavailable("PrometheusTimeout", "late")})
    assert observe(buckets("a", GOOD), [], [A], late) == Unknown("PrometheusTimeout", "late")
    nobody = observe_attainment(SLO, [], [], tell_of({}), {}, {})
    assert isinstance(nobody, Unknown)
    assert nobody.reason == "NoReadyReplicas"


def test_beyond_the_last_finite_bound_nothing_is_taken_to_pass() -> None:
    assert count_within({0.5: 60.0, math.inf: 100.0}, 1.0) == 60.0
    assert count_within({math.inf: 100.0}, 1.0) == 0.0
    assert count_within({}, 1.0) == 0.0


@given(
    st.lists(st.tuples(st.floats(0.001, 10.0), st.floats(0.0, 100.0)), max_size=6, unique_by=lambda entry: entry[0]),
    st.floats(0.001, 12.0),
    st.floats(0.0, 1.0),
)
def test_a_longer_limit_never_passes_fewer(entries: list[tuple[float, float]], limit: float, more: float) -> None:
    counts = dict(entries) | {math.inf: 100.0}
    assert 0.0 <= count_within(counts, limit) <= count_within(counts, limit + more) + 1e-9 <= 100.0 + 1e-6


def test_the_bounds_around_each_limit_are_chosen_for_every_series() -> None:
    layout = Layout()
    bounds = [("a", "0.1"), ("a", "0.5"), ("a", "1"), ("a", "+Inf"), ("b", "0.75"), ("b", "2.5"), ("b", "x")]
    layout.learn(to_vector([({"__name__": name, "le": bound}, 1.0) for name, bound in bounds]))
    assert layout.around([0.75]) == {"0.5", "1", "0.75", "+Inf"}
    assert layout.around([0.2, 0.2, 9.0]) == {"0.1", "0.5", "0.75", "1", "2.5", "+Inf"}
    assert Layout().around([1.0]) == {"+Inf"}


def test_counts_that_are_no_numbers_are_left_out() -> None:
    series = buckets("a", {"1.0": math.nan, "+Inf": 5.0, "odd": 3.0})
    assert read_buckets(to_vector(series)) == {Engine.VLLM: {A: {math.inf: 5.0}}, Engine.SGLANG: {}}
    assert read_buckets(Unavailable("PrometheusTimeout", "late")) == {Engine.VLLM: {}, Engine.SGLANG: {}}


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (PodLoad(cache=0.4, tpot_seconds=0.02), 0.5),
        (PodLoad(cache=0.9, tpot_seconds=0.02), 0.9),
        (PodLoad(tpot_seconds=0.06), 1.5),
        (PodLoad(tpot_seconds=math.nan), 0.4),  # nothing was generated
        (PodLoad(waiting=1.0, waiting_growth=0.02), 0.5),  # the one that waits for the next iteration
        (PodLoad(waiting=40.0, waiting_growth=0.5), 1.0),  # 25 in the mean, of which 4 a second are served
        (PodLoad(waiting=40.0, waiting_growth=1.3), 0.5),  # a burst of the last seconds
        (PodLoad(waiting=5.0, waiting_growth=-1.0), 1.0),
        (PodLoad(missing=frozenset({"cache"})), None),
        (PodLoad(missing=frozenset({"cache"}), waiting=40.0), 1.0),
        (PodLoad(missing=frozenset({"cache"}), tpot_seconds=0.06), 1.5),
        (PodLoad(missing=frozenset({"tpot_mean"})), None),
        (PodLoad(missing=frozenset({"tpot_mean"}), cache=1.0), 1.0),
        (PodLoad(missing=frozenset({"tpot_mean", "cache"}), waiting=40.0), 1.0),
        (PodLoad(missing=frozenset({"tpot_mean", "cache", "growth"})), None),
        (PodLoad(missing=frozenset({"growth"}), waiting=40.0), 0.5),
        (PodLoad(age_seconds=90.0), None),
    ],
)
def test_pressure_is_the_tightest_of_cache_pace_and_queue(load: PodLoad, expected: float | None) -> None:
    served = make_demand(load.rps)
    assert observe_pressure(SLO, [A], tell_of({"a": load}), served, window_seconds=60.0) == expected


def test_a_sign_that_one_of_several_pods_does_not_tell_is_unknown() -> None:
    served, lacking = make_demand(8.0), PodLoad(missing=frozenset({"cache"}))
    assert observe_pressure(SLO, [A, B], tell_of({"a": PodLoad(), "b": lacking}), served, window_seconds=60.0) is None
    unborn = PodLoad(missing=frozenset({"tpot_mean"}))  # an engine may make the histogram with its first request
    assert observe_pressure(SLO, [A, B], tell_of({"a": PodLoad(), "b": unborn}), served, window_seconds=60.0) == 0.5


def test_without_ready_pods_there_is_no_pressure() -> None:
    assert observe_pressure(SLO, [], tell_of({}), None, window_seconds=60.0) is None
