from __future__ import annotations

from dataclasses import replace

from foresail.domain.snapshot import Demand, Unknown
from foresail.operator.observe.prometheus import PrometheusClient
from foresail.operator.observe.snapshot import Observer
from foresail.operator.settings import Settings
from tests.builders import NOW
from tests.fakes.prometheus import PodLoad
from tests.unit.operator.fakes import FakeApi
from tests.unit.operator.observe.bodies import (
    make_pod_body,
)
from tests.unit.operator.observe.house import KEY, MAX_QUERIES, PODS, House


async def test_the_scrape_interval_is_measured_and_everything_follows_it(house: House) -> None:
    house.prometheus.scrape_seconds = 61.0
    house.prometheus.pods = {("prod", pod): PodLoad(age_seconds=150.0) for pod in PODS}
    seen = await house.look()
    assert isinstance(seen.demand, Demand)  # 150 s is less than three scrapes
    assert any("[240000ms:60000ms]" in form["query"] for form in house.prometheus.asked)
    assert not any("[60000ms:15000ms]" in form["query"] for form in house.prometheus.asked)
    assert len(house.reports) <= MAX_QUERIES
    # Within three scrapes and the discovery a new pod may be without samples.
    house.store.apply(None, make_pod_body("chat-h100-7d9c6b5f4-ddddd", created=NOW - 250.0, ready_after=100.0))
    assert isinstance((await house.look()).demand, Demand)


async def test_at_short_scrape_intervals_windows_are_short(house: House) -> None:
    house.prometheus.scrape_seconds = 2.04
    house.prometheus.pods = {("prod", pod): PodLoad(age_seconds=12.0) for pod in PODS}
    seen = await house.look()
    assert isinstance(seen.demand, Unknown)  # three scrapes and five seconds are 11 s
    assert seen.demand.reason == "StaleSeries"
    assert any("[15000ms:2000ms]" in form["query"] for form in house.prometheus.asked)  # a cycle


async def test_the_scrape_interval_is_measured_again_in_time_and_when_a_job_is_new(house: House) -> None:
    def asked() -> bool:
        return "spacings" in {report.name for report in house.reports}

    await house.look()
    assert asked()
    house.pass_cycle()
    await house.look()
    assert not asked()
    house.prometheus.pods["prod", PODS[0]] = PodLoad(job="new")
    for expected in (False, True, False):  # a new job is seen, then measured, then known
        house.pass_cycle()
        await house.look()
        assert asked() is expected
    house.clock.advance(600.0)
    await house.look()
    assert asked()
    assert len(house.reports) <= MAX_QUERIES


async def test_a_scrape_interval_that_is_set_is_not_measured(house: House, settings: Settings) -> None:
    house.prometheus.scrape_seconds = 60.0
    house.prometheus.pods = {("prod", pod): PodLoad(age_seconds=150.0) for pod in PODS}
    async with PrometheusClient.from_settings(settings, house.reports.append) as client:
        observer = Observer(replace(settings, scrape_interval_seconds=15.0), client, house.store, FakeApi())
        seen = (await observer.observe(NOW, NOW)).workloads[KEY]
    assert isinstance(seen.demand, Unknown)
    assert seen.demand.reason == "StaleSeries"
    assert "is older than 50 s with a scrape every 15 s" in seen.demand.message
    assert "spacings" not in {report.name for report in house.reports}
