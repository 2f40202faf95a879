"""What variants served, what waits, the token mix, the past, and laws of them all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.snapshot import Demand, Known, Signal, Unknown
from foresail.domain.timeseries import FloatArray
from foresail.domain.workload import Role
from foresail.operator.observe.answers import Unavailable
from foresail.operator.observe.demand import (
    MixMeter,
    RolePods,
    TokenMix,
    arrivals,
    arrivals_of_past,
    observe_sum,
)
from foresail.operator.observe.queries import Indicator
from foresail.operator.observe.replicas import VariantPods
from foresail.operator.observe.telemetry import Flow
from tests.builders import NOW
from tests.fakes.prometheus import PodLoad
from tests.unit.operator.observe.flows import GRACE, JUST_NOW, observe, ready, served, together, unknown, vars_of
from tests.unit.operator.observe.telling import Series, make_series, tell, tell_of


def test_what_a_variant_served_is_known_only_if_all_its_ready_pods_are() -> None:
    telemetry = tell_of({"a": PodLoad(rps=4.0, waiting_growth=3.0), "b": PodLoad(rps=2.0)})
    assert served(ready("a", "b"), telemetry) == Demand(6.0, 6000.0, 1500.0)
    assert served(ready("a", "c"), telemetry) is None
    assert served(VariantPods(), telemetry) is None
    others = together(ready("a"), ready("b", ready_after=None))
    assert served(others, telemetry) == Demand(4.0, 4000.0, 1000.0)  # b is not ready


@pytest.mark.parametrize("new", [PodLoad(rps=0.5), PodLoad(missing=frozenset({"growth"}))])
def test_a_pod_that_has_just_become_ready_serves_what_its_siblings_do(new: PodLoad) -> None:
    pods, telemetry = (
        together(ready("a", "b"), ready("new", **JUST_NOW)),
        tell_of({"a": PodLoad(), "b": PodLoad(rps=2.0), "new": new}),
    )
    assert served(pods, telemetry) == Demand(9.0, 9000.0, 2250.0)  # 4 and 2 rps, and as much as both on average


def test_where_all_pods_have_just_become_ready_they_count_as_they_are_seen() -> None:
    telemetry = tell_of({"a": PodLoad(rps=0.5), "b": PodLoad(rps=1.5)})
    assert served(ready("a", "b", **JUST_NOW), telemetry) == Demand(2.0, 2000.0, 500.0)


def test_the_queue_is_known_if_every_settled_pod_tells_it() -> None:
    telemetry = tell_of({"a": PodLoad(waiting=3.0), "b": PodLoad(waiting=4.0)})

    def queue(pods: VariantPods) -> Signal:
        parts = [RolePods(Role.UNIFIED, pods)]
        return observe_sum(Indicator.WAITING, parts, telemetry, now=NOW, grace_seconds=GRACE)

    assert queue(ready("a", "b")) == Known(7.0)
    assert queue(together(ready("a"), ready("new", **JUST_NOW))) == Known(3.0)
    assert unknown(queue(ready("new", **JUST_NOW))).reason == "NoSeries"  # nobody told of it, so it is not zero
    assert unknown(queue(ready("a", "c"))).reason == "NoSeries"
    assert unknown(queue(VariantPods())).reason == "NoReadyReplicas"


def test_the_token_mix_fades_in_ten_minutes() -> None:
    meter, flow = MixMeter(), Flow(1.0, 1000.0, 250.0, 0.0, 0.0)
    assert meter.note(flow, flow, NOW) == TokenMix(1000.0, 250.0)
    other = Flow(1.0, 2000.0, 250.0, 0.0, 0.0)
    mix = meter.note(other, other, NOW + 600.0)
    assert mix.input_tokens == pytest.approx(2000.0 - 1000.0 / math.e)
    silent = Flow(0.0, 0.0, 0.0, 0.0, 0.0)
    assert MixMeter().note(silent, silent, NOW) == TokenMix(None, None)


def test_the_past_is_made_by_the_same_formula() -> None:
    flow = Flow(4.0, 6000.0, 1000.0, 3.0, 2.0)
    past = arrivals_of_past(np.array([flow, flow]), np.array([flow, flow]), 15.0)
    now = arrivals(flow, flow, MixMeter().note(flow, flow, NOW))
    np.testing.assert_allclose(past, [vars_of(now), vars_of(now)])


def test_a_hole_in_the_past_stays_a_hole() -> None:
    flows: FloatArray = np.array([[4.0, 4000.0, 1000.0, 0.0, 0.0]] * 3)
    flows[1, 3] = np.nan
    past = arrivals_of_past(flows, flows, 15.0)
    np.testing.assert_array_equal(np.isnan(past), [[False] * 3, [True] * 3, [False] * 3])


rates = st.floats(0.0, 100.0)
loads = st.builds(PodLoad, rps=rates, waiting_growth=st.floats(-5.0, 5.0), running_growth=st.floats(-5.0, 5.0))
fleets = st.lists(loads, min_size=1, max_size=5).map(lambda found: {f"chat-{i}": load for i, load in enumerate(found)})


@given(fleets, st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_series_changes_nothing(fleet: dict[str, PodLoad], data: st.DataObject) -> None:
    series = make_series(fleet)
    shuffled: dict[str, Series | Unavailable] = {
        name: data.draw(st.permutations(entries)) for name, entries in series.items()
    }
    one, other = observe(tell({**series}), ready(*fleet)), observe(tell(shuffled), ready(*fleet))
    assert isinstance(one, Demand)
    assert isinstance(other, Demand)
    assert vars_of(one) == pytest.approx(vars_of(other))


@given(fleets, st.data())
@settings(max_examples=60, deadline=None)
def test_removing_series_makes_demand_unknown_and_never_smaller(fleet: dict[str, PodLoad], data: st.DataObject) -> None:
    series: dict[str, Series] = make_series(fleet)
    needed = [name for name in ("age", "growth", "finished", "prompt_tokens", "generation_tokens") if series[name]]
    name = data.draw(st.sampled_from(needed))
    gone = data.draw(st.sets(st.integers(0, len(series[name]) - 1), min_size=1))
    left: dict[str, Series | Unavailable] = {**series}
    left[name] = [entry for index, entry in enumerate(series[name]) if index not in gone]
    before, after = observe(tell({**series}), ready(*fleet)), observe(tell(left), ready(*fleet))
    assert isinstance(before, Demand)
    assert isinstance(after, Unknown)


@given(fleets, st.sampled_from(["other", "engines"]))
@settings(max_examples=40, deadline=None)
def test_doubling_series_changes_nothing(fleet: dict[str, PodLoad], job: str) -> None:
    series = make_series(fleet)
    doubled: dict[str, Series | Unavailable] = {
        name: entries + [(labels | {"job": job}, value) for labels, value in entries]
        for name, entries in series.items()
    }
    one, other = observe(tell({**series}), ready(*fleet)), observe(tell(doubled), ready(*fleet))
    assert one == other
