"""The mirror with a real shelf and real file systems of fsspec; what is asked of the store may fail."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from foresail.domain.workload import WorkloadKey
from foresail.forecaster.copies import ENTRY_FILE, Copies
from foresail.forecaster.desk import Desk
from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.mirror import Mirror, Patience
from foresail.forecaster.objects import open_objects
from foresail.forecaster.register import Register
from foresail.forecaster.settings import Settings
from foresail.forecaster.shelf import TRAINING, Shelf, stamps_of
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE
from tests.builders import NOW
from tests.unit.forecaster.artifacts import KEY, FakeModel, make_card, make_subject, write_artifact
from tests.unit.forecaster.stores import FlakyFileSystem, fail, flaky
from tests.unit.operator.fakes import eventually

__all__ = ["flaky"]

OTHER = WorkloadKey("prod", "code")


class House:
    """A forecaster's shelf, register and mirror, without its process."""

    def __init__(self, folder: Path, url: str, *, now: float = NOW, **patience: float) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.settings = Settings(artifacts=url, working_copy=str(folder))
        self.shelf = Shelf(folder, FakeModel)
        self.metrics = ForecasterMetrics()
        self.register = Register.open(folder / "workloads.json", self.settings.train_every_seconds)
        self.desk = Desk(self.shelf, self.register, self.metrics)
        self.objects = open_objects(url)
        self.mirror = Mirror(
            self.settings,
            Copies(self.objects),
            self.register,
            self.metrics,
            adopt=self.desk.adopt,
            clock=lambda: now,
            patience=Patience(**patience),
        )

    async def begin(self) -> House:
        self.shelf.load()
        self.register.miss(self.shelf.served.keys())
        await self.mirror.begin()
        return self

    async def train(self, seed: int, now: float = NOW, key: WorkloadKey = KEY) -> None:
        """As the trainer does, and what is owed is brought."""
        subject = make_subject(name=key.name)
        self.register.note_all([subject], now)
        self.register.begin(key, now)
        await self.desk.put(key, write_artifact(self.folder / TRAINING, make_card(seed=seed)), now)
        self.register.succeed(key, subject, now)
        self.mirror.owe(key)
        await self.mirror.catch_up()

    def seed(self, key: WorkloadKey = KEY) -> int | None:
        """Of the training that serves."""
        return self.shelf.served[key].card.seed if key in self.shelf.served else None

    def stored(self, key: WorkloadKey = KEY) -> list[str]:
        return Copies(self.objects).stamps(key)

    def count(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value("foresail_forecaster_copies_total", {"result": result})

    def owed(self) -> float | None:
        return self.metrics.registry.get_sample_value("foresail_forecaster_owed_copies")


Open = Callable[..., House]


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Open]:
    houses: list[House] = []

    def open_one(name: str, url: str, **changes: float) -> House:
        houses.append(House(tmp_path / name, url, **changes))
        return houses[-1]

    yield open_one
    for house in houses:
        house.mirror.close()
        house.desk.close()


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {"memory": f"memory://{uuid4()}/prefix", "file": f"file://{tmp_path}/there"}[request.param]


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


DAMAGES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "cut weights": (WEIGHTS_FILE, lambda whole: whole[:-8]),
    "no weights": (WEIGHTS_FILE, lambda _: b""),
    "changed card": (CARD_FILE, lambda whole: whole.replace(b"0.08", b"0.01")),
    "cut card": (CARD_FILE, lambda whole: whole[: len(whole) // 2]),
    "binary card": (CARD_FILE, lambda _: b"\xff\xfe"),
}
every_damage = pytest.mark.parametrize(("name", "damage"), DAMAGES.values(), ids=DAMAGES)


def spoil(house: House, name: str, damage: Callable[[bytes], bytes]) -> None:
    """Damage the newest copy."""
    place = f"prod/chat/{house.stored()[0]}/{name}"
    house.objects.write(place, damage(house.objects.read(place)))


@every_damage
async def test_a_damaged_copy_is_refused_and_the_one_before_it_serves(
    open_house: Open, url: str, name: str, damage: Callable[[bytes], bytes]
) -> None:
    first = await open_house("first", url).begin()
    await first.train(1)
    await first.train(2, NOW + 60)
    spoil(first, name, damage)
    second = await open_house("second", url).begin()
    assert (second.seed(), second.count("refused"), second.count("fetched")) == (1, 1, 1)
    assert len(second.stored()) == 2  # nobody's copies are removed for it


@every_damage
async def test_a_damaged_copy_leaves_the_good_one_that_is_here(
    open_house: Open, url: str, name: str, damage: Callable[[bytes], bytes]
) -> None:
    one, two = open_house("one", url), open_house("two", url)
    for house in (one, two):
        await house.begin()
    await two.train(2)
    await one.train(1, NOW + 60)
    spoil(one, name, damage)
    again = await open_house("two", url).begin()
    assert (again.seed(), again.count("refused"), again.mirror.problem) == (2, 1, "")


async def test_where_only_a_damaged_copy_is_that_is_the_reason(open_house: Open, url: str) -> None:
    first = await open_house("first", url).begin()
    await first.train(1)
    spoil(first, *DAMAGES["cut weights"])
    second = await open_house("second", url).begin()
    assert second.seed() is None
    assert "are cut, changed or of another training" in second.shelf.refused[KEY]


async def test_what_is_damaged_here_is_fetched_again(open_house: Open, url: str) -> None:
    first = await open_house("first", url).begin()
    await first.train(1)
    await first.train(2, NOW + 60)
    (stamps_of(first.folder, KEY)[0] / WEIGHTS_FILE).write_bytes(b"cut")
    again = await open_house("first", url).begin()
    assert (again.seed(), again.count("fetched")) == (2, 1)
    assert KEY not in again.shelf.refused


@pytest.mark.parametrize("told", [b"", b"{", b"[]", b"\xff", b'{"subject": {}}'])
async def test_without_what_the_register_knew_a_model_serves_and_is_trained_anew(
    open_house: Open, url: str, told: bytes
) -> None:
    first = await open_house("first", url).begin()
    await first.train(1)
    spoil(first, ENTRY_FILE, lambda _: told)
    second = await open_house("second", url).begin()
    assert (second.seed(), second.register.entries) == (1, {})


@pytest.mark.parametrize("trained_at", [NOW + 1, float("inf"), float("nan"), None])
async def test_a_training_that_is_not_over_yet_is_not_known(
    open_house: Open, url: str, trained_at: float | None
) -> None:
    first = await open_house("first", url).begin()
    await first.train(1)
    changed = lambda told: json.dumps(json.loads(told) | {"trained_at": trained_at}).encode()  # noqa: E731
    spoil(first, ENTRY_FILE, changed)
    second = await open_house("second", url).begin()
    assert (second.seed(), second.register.entries) == (1, {})


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


async def test_what_was_trained_meanwhile_is_not_replaced_by_what_is_older(open_house: Open, flaky: str) -> None:
    first = await open_house("first", flaky).begin()
    await first.train(1)
    second = open_house("second", flaky)
    artifact = write_artifact(second.folder / ".fetched", make_card(seed=1))
    await second.desk.put(KEY, write_artifact(second.folder / TRAINING, make_card(seed=2)), NOW + 60)
    assert await second.desk.adopt(KEY, artifact, first.stored()[0]) is None
    assert second.seed() == 2


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


async def test_where_nothing_may_be_removed_the_others_are_stored(open_house: Open, flaky: str) -> None:
    house = await open_house("first", flaky).begin()
    await house.train(1)
    house.mirror.forget(KEY)
    await house.desk.remove(KEY)
    fail("rm", error=PermissionError("403"))
    await house.train(2, key=OTHER)
    assert (len(house.stored(OTHER)), house.owed()) == (1, 0)
    assert "403" in house.mirror.problem


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
