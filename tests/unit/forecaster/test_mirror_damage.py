"""Copies that are cut or changed are refused, and what is good serves."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from foresail.forecaster.copies import ENTRY_FILE
from foresail.forecaster.shelf import stamps_of
from foresail.forecasting.card import CARD_FILE, WEIGHTS_FILE
from tests.builders import NOW
from tests.unit.forecaster.artifacts import KEY
from tests.unit.forecaster.mirrored import House, Open, open_house, url

__all__ = ["open_house", "url"]


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
