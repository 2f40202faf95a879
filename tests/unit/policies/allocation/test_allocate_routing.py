from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.allocation import Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.routing import route


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A model of buckets from a flood to a trickle, and replicas that carry all of it on the fastest variants."""

    model: ModelDemand
    replicas: tuple[int, ...]
    load: FloatArray  # shape (V, B), infinite where a variant cannot serve


@st.composite
def cases(draw: st.DrawFn) -> Case:
    return carried(draw(st.integers(0, 2**32 - 1)))


def carried(seed: int) -> Case:
    generator = np.random.default_rng(seed)
    buckets, variants = generator.integers(2, 12), generator.integers(1, 5)
    rps = 10.0 ** generator.uniform(-8, 3, buckets)
    capacity = 10.0 ** generator.uniform(-1, 2, (variants, buckets))
    capacity[1:][generator.random((variants - 1, buckets)) < 0.3] = 0.0
    load = np.divide(rps, capacity, out=np.full_like(capacity, np.inf), where=capacity > 0.0)
    fastest = load.argmin(axis=0)
    replicas = tuple(int(np.ceil(load[place, fastest == place].sum())) for place in range(variants))
    own = tuple(Candidate(f"v{place}", "A", 1, 1.0, row[None]) for place, row in enumerate(capacity))
    return Case(ModelDemand("m", rps[None], own), replicas, load)


def loads(case: Case, routing: FloatArray) -> FloatArray:
    total: FloatArray = (routing[:, 0] * np.where(np.isfinite(case.load), case.load, 0.0)).sum(axis=1)
    return total


@settings(max_examples=100, deadline=None)
@given(cases())
def test_what_fits_is_served_to_the_last_request(case: Case) -> None:
    routed = route(case.model, case.replicas)
    assert not routed.left_rps.any()
    assert routed.plan.routing[:, 0].sum(axis=0) == pytest.approx(1.0, abs=1e-12)
    assert (loads(case, routed.plan.routing) <= np.array(case.replicas) + 1e-6).all()


def test_rounding_is_not_demand_that_is_left() -> None:
    """Of these, the solver serves all but a millionth of a bucket with 1e-7 rps and less."""
    for seed in range(300):
        assert not route((case := carried(seed)).model, case.replicas).left_rps.any(), seed


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_busiest_variant_is_as_little_busy_as_the_fastest_for_each_would_be(case: Case) -> None:
    plan = route(case.model, case.replicas).plan
    fastest = case.load.argmin(axis=0)
    simple = [float(row[fastest == place].sum()) for place, row in enumerate(case.load)]
    held = [(load, count) for load, count in zip(simple, case.replicas, strict=True) if count]
    assert plan.utilization.max() <= max(load / count for load, count in held) + 1e-5


@pytest.mark.parametrize("target", [1.0, 0.85, 0.5])
def test_no_more_is_taken_than_the_target_allows(target: float) -> None:
    own = Candidate("v", "A", 1, 1.0, np.array([[2.0, 1.0]]))
    model = ModelDemand("m", np.array([[3.0, 2.0]]), (own,), 1.0)
    routed = route(model, (2,), target)  # a load of 1.5 + 2
    assert routed.plan.utilization[0] == pytest.approx(target, abs=1e-6)
    served = model.demand_rps - routed.left_rps
    assert float((served / own.capacity_rps).sum()) == pytest.approx(2 * target, abs=2e-6)
    assert routed.left_rps[0, 0] == pytest.approx(
        max(0.0, 3.0 - 4.0 * target), abs=1e-5
    )  # the more of them per replica


def test_the_most_requests_are_served_not_the_most_buckets() -> None:
    own = Candidate("v", "A", 1, 1.0, np.array([[2.0, 1.0]]))
    routed = route(ModelDemand("m", np.array([[4.0, 1.0]]), (own,), 1.0), (2,))  # loads of 2 and 1
    assert routed.left_rps[0] == pytest.approx([0.0, 1.0], abs=1e-5)


def test_replicas_that_are_not_there_take_nothing() -> None:
    own = Candidate("v", "A", 1, 1.0, np.array([[2.0]]))
    routed = route(ModelDemand("m", np.array([[3.0]]), (own,), 1.0), (0,))
    assert routed.left_rps.tolist() == [[3.0]]
    assert routed.plan.routing.tolist() == [[[0.0]]]
    assert routed.plan.utilization.tolist() == [0.0]
