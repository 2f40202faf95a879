from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from foresail.domain.memory import CapacityBelief, Learned
from foresail.operator.learned import MAX_SOURCE, has_moved, parse_learned, to_learned

# 6 rps of 1000/250 tokens as learning has it after an hour, where a replica sustains half of that.
BELIEF = CapacityBelief(
    log_mean=math.log(0.5),
    log_variance=0.05**2,
    observations=40,
    seconds_per_input_token=1 / 10500,
    seconds_per_output_token=3 / 10500,
    source="6 rps at 1000/250",
    log_most=math.log(0.45),
)
LEARNED = Learned(math.log(1.3), {"h100": BELIEF})
WRITTEN: dict[str, Any] = {
    "feedbackFactor": "1.3",
    "variants": [
        {
            "name": "h100",
            "scale": "0.5",
            "deviation": "0.05",
            "observations": 40,
            "secondsPerInputToken": "0.0000952380952",
            "secondsPerOutputToken": "0.000285714286",
            "source": "6 rps at 1000/250",
            "most": "0.45",
        }
    ],
}


def with_belief(**changes: Any) -> Learned:
    return replace(LEARNED, capacity={"h100": replace(BELIEF, **changes)})


def test_it_is_written_in_decimals_that_people_can_read() -> None:
    assert to_learned(LEARNED) == WRITTEN
    assert to_learned(Learned()) == {"feedbackFactor": "1"}


def test_what_no_replica_was_seen_to_serve_is_not_written() -> None:
    entry = to_learned(with_belief(log_most=-math.inf))["variants"][0]
    assert "most" not in entry
    read = parse_learned({"feedbackFactor": "1", "variants": [entry]})
    assert read is not None
    assert read.capacity["h100"].log_most == -math.inf


@pytest.mark.parametrize(
    "change",
    [
        {"source": "x" * (MAX_SOURCE + 1)},
        {"log_mean": math.nan},
        {"log_mean": 1e9},
        {"log_mean": -40.0},
        {"log_variance": math.inf},
        {"log_variance": -1.0},
        {"seconds_per_input_token": 1e-40},
    ],
)
def test_a_belief_that_does_not_fit_is_not_written(change: dict[str, Any]) -> None:
    assert to_learned(with_belief(**change)) == {"feedbackFactor": "1.3"}


@pytest.mark.parametrize("factor", [math.nan, math.inf, -math.inf])
def test_a_factor_that_is_no_number_is_written_as_one(factor: float) -> None:
    assert to_learned(Learned(factor)) == {"feedbackFactor": "1"}


@pytest.mark.parametrize(
    "value",
    [None, 7, "1.3", [], {}, {"feedbackFactor": 1.3}]
    + [{"feedbackFactor": text} for text in ("NaN", "inf", "-1", "0", "1e3", "99", "1.3\n", "1,3", "", " 1", "\u0661")],
)
def test_what_is_no_factor_says_nothing(value: object) -> None:
    assert parse_learned(value) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", "x" * 64),
        ("scale", "0"),
        ("scale", "999999999"),
        ("scale", 0.5),
        ("deviation", "1000"),
        ("observations", "40"),
        ("observations", -1),
        ("observations", True),
        ("observations", 2**31),
        ("secondsPerInputToken", "-1"),
        ("secondsPerOutputToken", None),
        ("source", ["6 rps"]),
        ("source", "x" * (MAX_SOURCE + 1)),
    ],
)
def test_a_variant_that_is_not_understood_is_left_out_and_the_others_are_read(field: str, value: object) -> None:
    good = WRITTEN["variants"][0] | {"name": "a100"}
    read = parse_learned(WRITTEN | {"variants": [WRITTEN["variants"][0] | {field: value}, "nonsense", good]})
    assert read is not None
    assert set(read.capacity) == {"a100"}


@pytest.mark.parametrize("variants", [None, {}, "h100", [None], [{}]])
def test_variants_that_are_none_leave_the_factor(variants: object) -> None:
    assert parse_learned({"feedbackFactor": "1.3", "variants": variants}) == Learned(math.log(1.3))


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"log_mean": math.log(0.5 * 1.09)}, False),
        ({"log_mean": math.log(0.5 * 1.11)}, True),
        ({"log_mean": math.log(0.5 / 1.11)}, True),
        ({"source": "9 rps at 1000/250"}, True),
        ({"observations": 99, "log_variance": 0.1, "log_most": 0.0}, False),
    ],
)
def test_a_tenth_or_another_prior_is_a_move(change: dict[str, Any], *, moved: bool) -> None:
    assert has_moved(LEARNED, with_belief(**change)) is moved


def test_the_factor_and_new_variants_move_it_and_variants_that_are_gone_do_not() -> None:
    assert has_moved(None, Learned())
    assert has_moved(Learned(), Learned(math.log(1.11)))
    assert not has_moved(Learned(), Learned(math.log(1.09)))
    assert has_moved(Learned(), Learned(0.0, {"h100": BELIEF}))
    assert not has_moved(LEARNED, Learned(LEARNED.log_feedback))
