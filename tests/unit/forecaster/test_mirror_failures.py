"""A store that fails, hangs or forbids costs only the copies."""

from __future__ import annotations

import asyncio
import shutil
import threading

import pytest

from foresail.forecaster.mirror import Patience
from foresail.forecaster.shelf import TRAINING, stamps_of
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE
from tests.builders import NOW
from tests.unit.forecaster.artifacts import KEY, make_card, write_artifact
from tests.unit.forecaster.mirrored import OTHER, Open, open_house
from tests.unit.forecaster.stores import FlakyFileSystem, fail, flaky
from tests.unit.operator.fakes import eventually

__all__ = ["flaky", "open_house"]


async def test_a_store_that_cannot_be_asked_costs_only_the_copies(open_house: Open, flaky: str) -> None:
    house = open_house("first", flaky)
    house.shelf.put(KEY, write_artifact(house.folder / TRAINING, make_card(seed=1)), NOW)
    fail("ls", "get", "put")
    await house.begin()
    assert house.seed() == 1
    assert house.mirror.problem == "flaky://bucket/prefix: VendorError: 503 slow down"
    await house.train(2, NOW + 60)
    assert (house.seed(), house.count("failed"), house.owed()) == (2, 2, 1)

    fail()
    await house.mirror.catch_up()
    assert (house.mirror.problem, house.owed(), house.count("stored")) == ("", 0, 1)
    assert (await open_house("second", flaky, now=NOW + 90).begin()).seed() == 2


async def test_a_copy_that_is_not_written_is_owed_and_brought_with_the_next_training(
    open_house: Open, flaky: str
) -> None:
    house = await open_house("first", flaky).begin()
    fail("put", of=CARD_FILE)
    await house.train(1)
    assert (house.stored(), house.owed()) == ([], 1)
    assert "503 slow down" in house.mirror.problem
    assert (await open_house("second", flaky).begin()).shelf.served == {}  # weights without a card are nothing

    fail()
    await house.train(2, key=OTHER)
    assert (len(house.stored()), len(house.stored(OTHER)), house.owed(), house.mirror.problem) == (1, 1, 0, "")


async def test_one_that_always_fails_does_not_keep_the_others_waiting(open_house: Open, flaky: str) -> None:
    house = await open_house("first", flaky).begin()
    fail("put")
    await house.train(1)
    await house.train(2, key=OTHER)
    fail("put", of=f"{KEY.name}/{stamps_of(house.folder, KEY)[0].name}/{WEIGHTS_FILE}")
    for _ in range(2):
        await house.mirror.catch_up()
    assert (len(house.stored(OTHER)), house.owed()) == (1, 1)


async def test_what_cannot_be_read_is_asked_for_again(open_house: Open, flaky: str) -> None:
    first = await open_house("first", flaky).begin()
    await first.train(1)
    fail("get")
    second = await open_house("second", flaky).begin()
    assert (second.seed(), second.count("failed")) == (None, 1)
    fail()
    await second.mirror.catch_up()
    assert (second.seed(), second.count("fetched"), second.mirror.problem) == (1, 1, "")


async def test_a_store_that_hangs_is_left_alone(open_house: Open, flaky: str) -> None:
    release = threading.Event()
    house = open_house("first", flaky, workload_seconds=0.05)
    FlakyFileSystem.fault = staticmethod(lambda *_: release.wait(30))
    try:
        await house.begin()
        assert house.mirror.problem == "flaky://bucket/prefix: it did not answer within 0.05 s"
        await house.train(1)
        assert (house.seed(), house.owed()) == (1, 1)
    finally:
        release.set()
        fail()
    house.mirror._patience = Patience()
    await house.mirror.catch_up()
    assert (house.owed(), len(house.stored())) == (0, 1)


async def test_a_slow_store_does_not_hold_the_trainings_up(open_house: Open, flaky: str) -> None:
    first = await open_house("first", flaky).begin()
    await first.train(1)
    release = threading.Event()
    FlakyFileSystem.fault = staticmethod(lambda what, _: what == "get" and release.wait(30))
    second = open_house("second", flaky, start_seconds=0.1)
    try:
        await second.begin()
    finally:
        release.set()
        fail()
    assert second.mirror.problem == "flaky://bucket/prefix: not all was fetched within 0.1 s"
    await second.mirror.catch_up()
    assert (second.seed(), second.mirror.problem) == (1, "")


async def test_where_nothing_may_be_removed_the_others_are_stored(open_house: Open, flaky: str) -> None:
    house = await open_house("first", flaky).begin()
    await house.train(1)
    house.mirror.forget(KEY)
    await house.desk.remove(KEY)
    fail("rm", error=PermissionError("403"))
    await house.train(2, key=OTHER)
    assert (len(house.stored(OTHER)), house.owed()) == (1, 0)
    assert "403" in house.mirror.problem


async def test_it_tries_again_after_a_while(open_house: Open, flaky: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foresail.forecaster.mirror.RETRY_SECONDS", 0.02)
    house = await open_house("first", flaky).begin()
    fail("put")
    await house.train(1)
    running = asyncio.create_task(house.mirror.run())
    try:
        await eventually(lambda: (house.count("failed") or 0) >= 2, seconds=20, every=0.02)
        fail()
        await eventually(lambda: bool(house.stored()), seconds=20, every=0.02)
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_a_folder_that_is_gone_is_a_failure_like_any_other(open_house: Open, flaky: str) -> None:
    house = await open_house("first", flaky).begin()
    fail("put")
    await house.train(1)
    fail()
    shutil.rmtree(house.folder / "prod")
    await house.mirror.catch_up()
    assert (house.mirror.problem, house.owed(), house.stored()) == ("", 0, [])
