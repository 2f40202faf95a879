"""Laws of what was learned: it comes back as it was written, and whatever stands there instead harms nobody."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from foresail.domain.memory import CapacityBelief, Learned
from foresail.operator.learned import has_moved, parse_learned, to_learned
from tests.property.operator.strategies import described_by, learned, spec_schema

SCHEMA = spec_schema("modeldeployments", "status")["properties"]["learned"]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SCHEMA["properties"]]), inner),
)


@given(learned)
def test_what_is_written_comes_back_within_its_digits(before: Learned) -> None:
    written = to_learned(before)
    after = parse_learned(json.loads(json.dumps(written)))

    assert after is not None
    assert math.isclose(after.log_feedback, before.log_feedback, abs_tol=1e-5)
    assert set(after.capacity) == set(before.capacity)
    for name, belief in before.capacity.items():
        expect_alike(after.capacity[name], belief)
    assert not has_moved(after, before)
    assert to_learned(after) == written


def expect_alike(one: CapacityBelief, other: CapacityBelief) -> None:
    assert (one.source, one.observations) == (other.source, other.observations)
    assert math.isclose(one.log_mean, other.log_mean, abs_tol=1e-5)
    assert math.isclose(one.log_most, other.log_most, abs_tol=1e-5)
    assert math.isclose(one.log_variance, other.log_variance, rel_tol=2e-5)
    assert math.isclose(one.seconds_per_input_token, other.seconds_per_input_token, rel_tol=1e-8)
    assert math.isclose(one.seconds_per_output_token, other.seconds_per_output_token, rel_tol=1e-8)


@given(values | described_by(SCHEMA))
def test_whatever_stands_there_is_read_as_finite_numbers_or_as_nothing(value: Any) -> None:
    read = parse_learned(value)
    if read is not None:
        numbers = [read.log_feedback, *(n for b in read.capacity.values() for n in (b.log_mean, b.log_variance))]
        assert all(map(math.isfinite, numbers))
        assert parse_learned(to_learned(read)) is not None


@given(
    st.builds(
        CapacityBelief,
        log_mean=st.floats(),
        log_variance=st.floats(),
        observations=st.integers(0),
        seconds_per_input_token=st.floats(),
        seconds_per_output_token=st.floats(),
        source=st.text(max_size=2000),
        log_most=st.floats(),
    ),
    st.floats(),
)
def test_whatever_was_learned_is_written_so_that_it_is_understood(belief: CapacityBelief, log_feedback: float) -> None:
    written = to_learned(Learned(log_feedback, {"h100": belief}))
    read = parse_learned(written)

    assert read is not None
    assert set(read.capacity) == {entry["name"] for entry in written.get("variants", [])}
