from __future__ import annotations

import re

import pytest

from foresail.domain.workload import Engine
from foresail.operator.observe.queries import OWNER_PATTERN, SERIES, Indicator, Queries, escape, names_of


@pytest.mark.parametrize(
    ("pod", "owner"),
    [
        ("chat-h100-7d9c6b5f4-x2x4z", "chat-h100"),
        ("chat-7d9c6b5f4-bbbbb", "chat"),
        ("chat-h100-0", "chat-h100"),
        ("chat-12", "chat"),
        ("a-b-c-5f6b7c8d9-zzzzz", "a-b-c"),
    ],
)
def test_the_owner_of_a_pod_is_in_its_name(pod: str, owner: str) -> None:
    match = re.fullmatch(OWNER_PATTERN, pod)
    assert match is not None
    assert match[1] == owner


def test_a_pod_that_nobody_made_has_no_owner() -> None:
    assert re.fullmatch(OWNER_PATTERN, "chat") is None


def test_label_values_cannot_leave_their_quotes() -> None:
    assert escape('a"b\\c\nd') == 'a\\"b\\\\c\\nd'
    assert 'namespace="x\\"} or vector(1)"' in Queries(namespace='x"} or vector(1)').waiting()


def test_every_indicator_is_told_by_every_engine() -> None:
    assert SERIES.keys() == set(Indicator)
    for engines in SERIES.values():
        assert engines.keys() == {Engine.VLLM, Engine.SGLANG}
    assert names_of(Indicator.CACHE, Engine.SGLANG) == "sglang:token_usage"
    assert names_of(Indicator.CACHE) == "vllm:kv_cache_usage_perc or vllm:gpu_cache_usage_perc or sglang:token_usage"


def test_bounds_of_buckets_are_matched_literally() -> None:
    text = Queries().buckets(Indicator.TTFT, ["0.5", "+Inf", "1e+06"])
    assert 'le=~"[+]Inf|0[.]5|1e[+]06"' in text


def test_windows_follow_the_scrape_interval() -> None:
    assert "[15000ms])[20000ms:5000ms]" in Queries(scrape_seconds=5.0).rate(Indicator.FINISHED)


@pytest.mark.parametrize(
    ("scrape_seconds", "cycle_seconds", "expected"),
    [(2.0, 1.0, 8.0), (2.0, 15.0, 15.0), (15.0, 15.0, 60.0), (60.0, 15.0, 240.0), (2.0, 3600.0, 60.0)],
)
def test_windows_are_no_shorter_than_a_cycle(scrape_seconds: float, cycle_seconds: float, expected: float) -> None:
    assert Queries(scrape_seconds, cycle_seconds=cycle_seconds).window_seconds == expected


def test_one_workloads_past_can_be_asked_for_alone() -> None:
    text = Queries(namespace="prod", owners=("chat.a", "chat-b")).flows(15.0)
    assert 'namespace="prod",pod=~"(?:chat[.]a|chat-b)-.+"' in text
    assert "pod=~" not in Queries(namespace="prod").flows(15.0)
