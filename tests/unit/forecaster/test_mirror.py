"""The mirror with a real shelf and real file systems of fsspec."""

from __future__ import annotations

import asyncio

from foresail.forecaster.shelf import TRAINING
from tests.builders import NOW
from tests.unit.forecaster.artifacts import KEY, make_card, make_subject, write_artifact
from tests.unit.forecaster.mirrored import OTHER, Open, open_house, url
from tests.unit.forecaster.stores import fail, flaky
from tests.unit.operator.fakes import eventually

__all__ = ["flaky", "open_house", "url"]


async def test_an_empty_folder_gets_everything_back(open_house: Open, url: str) -> None:
    first = await open_house("first", url).begin()
    await first.train(1)
    await first.train(2, NOW + 60)
    await first.train(3, key=OTHER)

    second = await open_house("second", url, now=NOW + 120).begin()
    assert (second.seed(), second.seed(OTHER)) == (2, 3)
    assert second.shelf.served[KEY].past is not None
    assert (second.count("fetched"), second.owed()) == (2, 0)
    assert second.register.entries[KEY].trained_for == make_subject()
    assert second.register.next_due(NOW + 60 + second.settings.train_every_seconds - 61) is None
    assert not (second.folder / ".fetched").exists()
    third = await open_house("second", f"{url}-elsewhere").begin()  # of what was fetched, without that store
    assert third.seed() == 2
    assert third.register.entries == second.register.entries


async def test_what_is_here_and_not_there_is_stored(open_house: Open, url: str) -> None:
    house = open_house("first", url)
    house.shelf.put(KEY, write_artifact(house.folder / TRAINING, make_card(seed=1)), NOW)
    await house.begin()
    assert house.owed() == 1
    await house.mirror.catch_up()
    assert (house.owed(), house.count("stored"), len(house.stored())) == (0, 1, 1)
    again = await open_house("first", url).begin()
    assert (again.owed(), again.count("fetched"), again.seed()) == (0, 0, 1)


async def test_what_is_here_already_is_not_read_again(open_house: Open, flaky: str) -> None:
    await (await open_house("first", flaky).begin()).train(1)
    fail("get")
    again = await open_house("first", flaky).begin()
    assert (again.seed(), again.mirror.problem) == (1, "")


async def test_the_newest_training_counts_whoever_made_it(open_house: Open, url: str) -> None:
    one, two = open_house("one", url), open_house("two", url)
    for house in (one, two):
        await house.begin()
    await one.train(1)
    await two.train(2, NOW + 60)
    await one.train(3, NOW + 30)  # began before the other, and ended after it
    assert (one.seed(), two.seed()) == (3, 2)

    again = await open_house("one", url, now=NOW + 90).begin()
    assert (again.seed(), again.owed()) == (2, 0)
    assert again.register.entries[KEY].trained_at == NOW + 60
    assert (await open_house("two", url).begin()).count("fetched") == 0


async def test_what_was_trained_meanwhile_is_not_replaced_by_what_is_older(open_house: Open, flaky: str) -> None:
    first = await open_house("first", flaky).begin()
    await first.train(1)
    second = open_house("second", flaky)
    artifact = write_artifact(second.folder / ".fetched", make_card(seed=1))
    await second.desk.put(KEY, write_artifact(second.folder / TRAINING, make_card(seed=2)), NOW + 60)
    assert await second.desk.adopt(KEY, artifact, first.stored()[0]) is None
    assert second.seed() == 2


async def test_what_another_forecaster_trained_is_not_removed(open_house: Open, url: str) -> None:
    one, two = await open_house("one", url).begin(), await open_house("two", url).begin()
    await one.train(1)
    await two.train(2, NOW + 60)
    one.mirror.forget(KEY)
    await one.desk.remove(KEY)
    await one.mirror.catch_up()
    assert (await open_house("three", url, now=NOW + 90).begin()).seed() == 2


async def test_what_was_fetched_has_time_to_be_asked_for(open_house: Open, url: str) -> None:
    first = await open_house("first", url).begin()
    await first.train(1)
    late = NOW + 400 * 3600.0
    second = await open_house("second", url, now=late).begin()
    entry = second.register.entries[KEY]
    assert entry.asked_at == late - second.settings.forget_hours * 3600.0 + 3600.0


async def test_who_is_forgotten_is_forgotten_there_too(open_house: Open, flaky: str) -> None:
    house = await open_house("first", flaky).begin()
    await house.train(1)
    await house.train(2, NOW + 60)
    await house.train(3, key=OTHER)
    house.mirror.forget(KEY)
    await house.desk.remove(KEY)
    fail("rm")
    await house.mirror.catch_up()
    assert "503 slow down" in house.mirror.problem
    fail()
    await house.mirror.catch_up()
    assert (house.stored(), len(house.stored(OTHER))) == ([], 1)


async def test_it_brings_what_is_owed_as_soon_as_it_is(open_house: Open, url: str) -> None:
    house = await open_house("first", url).begin()
    running = asyncio.create_task(house.mirror.run())
    try:
        await house.desk.put(KEY, write_artifact(house.folder / TRAINING), NOW)
        house.mirror.owe(KEY)
        await eventually(lambda: bool(house.stored()), seconds=20, every=0.02)
    finally:
        running.cancel()
        await asyncio.wait({running})
