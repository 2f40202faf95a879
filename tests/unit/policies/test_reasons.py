from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from foresail.domain.reason import Reason

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reasons.md"


def documented() -> list[str]:
    return re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_every_reason_is_documented_and_nothing_else() -> None:
    assert set(documented()) == {str(reason) for reason in Reason}


def test_no_reason_is_documented_twice() -> None:
    assert [reason for reason, count in Counter(documented()).items() if count > 1] == []


def test_reasons_are_words_that_kubernetes_accepts() -> None:
    assert all(re.fullmatch(r"[A-Z][A-Za-z]{0,62}", reason) for reason in Reason)
