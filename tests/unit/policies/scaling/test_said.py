from __future__ import annotations

import pytest

from foresail.policies.scaling.said import gist

SERIES = 'no series with labels {namespace="prod", pod="%s"}; check the scrape job'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("expected at 38 rps (95 %: 54)", "expected at 1,038.5 rps (95 %: 4e-05)"),
        ("least with no replica (0 USD/h)", "least with one replica (3.2 USD/h)"),
        ("least with twelve replicas", "least with 13 replicas"),
        (
            "one replica of h100 has been pending since 2026-11-23T11:48:20Z",
            "two replicas of h100 have been pending since 2026-11-24T08:00Z",
        ),
        ("at most 1 replica is added at once", "at most 2 replicas are added at once"),
        ("a capacity with 1 GPU", "a capacity with 2 GPUs"),
        (SERIES % "chat-5d9f-x7k2p", SERIES % "chat-5d9f-abcde"),
        (
            "1 of 5 ready pods cannot be measured (a): no answer",
            "4 of 6 ready pods cannot be measured (a, b, …): no answer",
        ),
    ],
)
def test_what_wavers_is_no_news(one: str, other: str) -> None:
    assert gist(one) == gist(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("prod/chat would stay at 5", "prod/chat stays at 5"),
        ("Demand is unknown: no series", "Demand is unknown: Prometheus did not answer"),
        ("within the last 300 s more were wanted", "within the last 300 s fewer were wanted"),
        ("pool h100 has free GPUs for two replicas", "the pools have no more free GPUs"),
        ("maxReplicas of h100 is 12", "minReplicas of h100 is 12"),
    ],
)
def test_another_cause_is_news(one: str, other: str) -> None:
    assert gist(one) != gist(other)
