from __future__ import annotations

import pytest

from foresail.policies.scaling import words


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


def test_sentences_are_joined_into_one() -> None:
    assert words.join(["A costs least.", "Held to 7: b."]) == "A costs least, held to 7: b."
