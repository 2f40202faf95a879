from __future__ import annotations

import pytest

from foresail.domain.memory import WorkloadMemory
from foresail.domain.snapshot import WorkloadObservation
from foresail.policies.scaling.lead_time import DEFAULT_SECONDS, REMEMBERED, lead_time_seconds, merge_startups
from tests.builders import make_observation, make_variant, make_variant_observation, make_workload


def observe(*startups: tuple[float, ...]) -> WorkloadObservation:
    names = [f"v{i}" for i in range(len(startups))]
    workload = make_workload(variants=tuple(make_variant(name) for name in names))
    seen = [make_variant_observation(name, startup_seconds=s) for name, s in zip(names, startups, strict=True)]
    return make_observation(workload, variants=seen)


def test_it_is_the_ninetieth_percentile_of_start_ups_seen() -> None:
    assert lead_time_seconds(observe(tuple(float(s) for s in range(1, 11))), None) == 9


def test_the_slowest_variant_counts() -> None:
    assert lead_time_seconds(observe((60.0, 61.0), (240.0,)), None) == 240


def test_it_is_a_documented_default_when_none_was_seen() -> None:
    assert lead_time_seconds(observe(()), None) == DEFAULT_SECONDS


def test_start_ups_are_remembered_after_their_pods_are_gone() -> None:
    assert lead_time_seconds(observe(()), WorkloadMemory("uid", startup_seconds={"v0": (75.0,)})) == 75


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 1.0), (1e9, 3600.0), (float("nan"), DEFAULT_SECONDS)])
def test_absurd_times_are_bounded(seconds: float, expected: float) -> None:
    assert lead_time_seconds(observe((seconds,)), None) == expected


def test_the_same_pods_observed_again_count_once() -> None:
    assert merge_startups((1.0, 2.0, 3.0), (2.0, 3.0, 4.0)) == (1.0, 2.0, 3.0, 4.0)
    assert merge_startups((1.0, 2.0, 3.0), (1.0, 2.0, 3.0)) == (1.0, 2.0, 3.0)
    assert merge_startups((1.0,), (5.0, 6.0)) == (1.0, 5.0, 6.0)


def test_only_the_newest_are_kept() -> None:
    assert len(merge_startups(tuple(map(float, range(100))), (1000.0,))) == REMEMBERED
