from __future__ import annotations

import pytest

from foresail.policies.scaling.said import essence, gist

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
        (
            "pending (0/9 nodes are available: 3 of them are full)",
            "pending (0/12 nodes are available: 5 of them are full)",
        ),
        ("failed (500 i/o timeout after 5.003s)", "failed (500 i/o timeout after 1m0.2s)"),
        ("read tcp 10.0.0.1:53321->10.0.0.2:9090: reset", "read tcp 10.0.0.1:41234->10.0.0.2:9090: reset"),
        ("no sample for 45 s, at 12 rps.", "no sample for 60 s, at 9 rps."),
        ("it takes twice 3 s; 95% of them", "it takes twice 5 s; 90% of them"),
        ("at most 1 replica is added at once", "at most 2 replicas are added at once"),
        ("a capacity with 1 GPU", "a capacity with 2 GPUs"),
        (SERIES % "chat-5d9f-x7k2p", SERIES % "chat-5d9f-abcde"),
        (
            "1 of 5 ready pods cannot be measured (a): no answer",
            "4 of 6 ready pods cannot be measured (a, b, …): no answer",
        ),
        ("of pool h100 (they run on a-1, b-2) go to prod/a", "of pool h100 (they run on c) go to prod/a"),
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
        ("AcceleratorProfile b200 does not exist", "AcceleratorProfile b300 does not exist"),
        ("Deployment/chat-v2 does not exist", "Deployment/chat-v3 does not exist"),
        ("Deployment/chat-2 does not exist", "Deployment/chat-3 does not exist"),
        ("the engine of chat-8b-v1.5 does not answer", "the engine of chat-8b-v1.6 does not answer"),
        ("Deployment/7b-chat does not exist", "Deployment/8b-chat does not exist"),
        ("prod/70b does not exist", "prod/8b does not exist"),
        ("correct spec.variants[0].accelerator_1", "correct spec.variants[0].accelerator_2"),
        ("prometheus:9090 did not answer", "prometheus:9091 did not answer"),
        ("until 19:00 Europe/Berlin", "until 20:00 Europe/Berlin"),
    ],
)
def test_another_cause_is_news(one: str, other: str) -> None:
    assert gist(one) != gist(other)


def test_what_a_hand_did_is_compared_word_for_word() -> None:
    one, other = "kubectl changed the replicas from 6 to 9", "kubectl changed the replicas from 9 to 1"
    assert essence("EditedByHand", one) != essence("EditedByHand", other)
    assert essence("NoConflict", one) != essence("NoConflict", other)
    assert essence("MetricsUnknown", one) == essence("MetricsUnknown", other)
