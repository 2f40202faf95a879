from __future__ import annotations

import logging
import math

import pytest

from foresail.operator.observe.scrapes import USUAL_SECONDS, ScrapeInterval, snap
from tests.unit.operator.observe.telling import to_vector


def learn(interval: ScrapeInterval, **spacings: float) -> bool:
    return interval.learn(to_vector([({"job": job}, spacing) for job, spacing in spacings.items()]))


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (1.0, 1.0),
        (1.98, 2.0),
        (5.4, 5.0),
        (10.003, 10.0),
        (14.2, 15.0),
        (31.0, 30.0),
        (62.5, 60.0),
        (45.0, 45.0),
        (7.2, 8.0),  # rather too long than too short
        (120.0, 120.0),
        (0.4, 1.0),
        (4000.0, 300.0),
    ],
)
def test_what_is_near_a_common_interval_is_that(measured: float, expected: float) -> None:
    assert snap(measured) == expected


def test_until_it_is_measured_the_usual_interval_holds() -> None:
    interval = ScrapeInterval()
    assert interval.seconds == USUAL_SECONDS
    assert not learn(interval)
    assert not learn(interval, engines=math.nan)
    assert interval.seconds == USUAL_SECONDS


def test_the_slowest_job_counts() -> None:
    interval = ScrapeInterval()
    assert learn(interval, engines=2.0, federated=29.7, broken=math.nan)
    assert (interval.seconds, interval.jobs) == (30.0, frozenset({"engines", "federated"}))


def test_what_is_set_wins() -> None:
    interval = ScrapeInterval(configured=7.0)
    learn(interval, engines=15.0)
    assert interval.seconds == 7.0


def test_a_change_is_logged_and_an_empty_answer_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    interval = ScrapeInterval()
    for spacing in (15.0, 30.0, 30.1):
        learn(interval, engines=spacing)
    learn(interval)
    assert interval.seconds == 30.0
    assert caplog.messages == ["Prometheus scrapes the engines every 30 s, not every 15 s"]
