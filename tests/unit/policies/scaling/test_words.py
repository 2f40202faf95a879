from __future__ import annotations

import pytest

from foresail.policies.scaling import words
from tests.builders import NOW


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "no replica"), (1, "one replica"), (9, "nine replicas"), (12, "twelve replicas"), (13, "13 replicas")],
)
def test_replicas_agree_with_their_number(count: int, text: str) -> None:
    assert words.replicas(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0412, "0.041"), (1, "1"), (3.24, "3.2"), (38.4, "38"), (1234.5, "1,234"), (9.96, "10")],
)
def test_amounts_have_two_telling_digits(value: float, text: str) -> None:
    assert words.amount(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (NOW, "2026-11-23T12:00:00Z"),
        (NOW + 200.9, "2026-11-23T12:03:20Z"),
        (NOW - 1e-7, "2026-11-23T12:00:00Z"),  # what an age makes of it
        (1e15, "9999-12-31T23:59:59Z"),
    ],
)
def test_instants_are_utc_as_kubectl_shows_them(seconds: float, text: str) -> None:
    assert words.instant(seconds) == text


def test_sentences_are_joined_into_one() -> None:
    assert words.join(["A costs least.", "Held to 7: b."]) == "A costs least, held to 7: b."
