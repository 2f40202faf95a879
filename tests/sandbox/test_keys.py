"""Secrets of the sandbox."""

from __future__ import annotations

import base64
from pathlib import Path

from foresail.sandbox.keys import CURVE, ORDER, make_private_key, write_secret


def test_a_key_is_a_new_secret_number_on_the_curve() -> None:
    numbers = set()
    for _ in range(20):
        first, *body, last = make_private_key().splitlines()
        assert (first, last) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----")
        der = base64.b64decode("".join(body))
        assert der[:2] == bytes([0x30, len(der) - 2])
        assert der.endswith(CURVE)
        numbers.add(int.from_bytes(der[7:39], "big"))
    assert len(numbers) == 20
    assert all(0 < number < ORDER for number in numbers)


def test_a_secret_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    assert write_secret(tmp_path / "token", "secret").stat().st_mode & 0o077 == 0
