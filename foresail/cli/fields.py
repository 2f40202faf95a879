"""Reading fields of a JSON document: each knows where it stands, and says so when it cannot be understood."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from foresail.domain.errors import InputError
from foresail.domain.timeseries import FloatArray

MOST = 1e9  # larger numbers are slips of the keyboard, and would drown the others in a solver's rounding
SHOWN_CHARACTERS = 60
MISSING = object()


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a document.

    Args:
        source: The file.
        path: Such as `models[0].name`; empty: the whole document.
        value: As parsed, MISSING where it is not there.
    """

    source: str
    path: str
    value: Any

    def fail(self, problem: str, remedy: str) -> NoReturn:
        """Say that it cannot be understood.

        Raises:
            InputError: Always.
        """
        raise InputError(self.source, self.path or "CASE", problem, value=_shown(self.value), remedy=remedy)

    def __getitem__(self, key: str) -> Field:
        """A member of an object, which may be missing."""
        return Field(self.source, f"{self.path}.{key}".lstrip("."), self.object().get(key, MISSING))

    def object(self) -> dict[str, Any]:
        """An object."""
        if self.value is MISSING:
            self.fail("is missing", "add it")
        if not isinstance(self.value, dict):
            self.fail("is not an object", 'write {"name": …}')
        return self.value

    def members(self) -> Iterator[tuple[str, Field]]:
        """Members of an object by name, of which there is at least one."""
        if not self.object():
            self.fail("is empty", "name at least one")
        for name in self.object():
            if not name.strip():
                self.fail("has a member without a name", "name it")
            yield name, self[name]

    def items(self) -> list[Field]:
        """Items of a list, of which there is at least one."""
        if self.value is MISSING:
            self.fail("is missing", "add it")
        if not isinstance(self.value, list):
            self.fail("is not a list", "write […]")
        if not self.value:
            self.fail("is empty", "give at least one")
        return [Field(self.source, f"{self.path}[{place}]", item) for place, item in enumerate(self.value)]

    def text(self) -> str:
        """A name."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail("is missing" if self.value is MISSING else "is not a name", "give a text that is not empty")
        return self.value

    def number(self, remedy: str = "give a finite number that is not negative") -> float:
        """A number of at least 0."""
        if self.value is MISSING:
            self.fail("is missing", remedy)
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.fail("is not a number", remedy)
        if isinstance(self.value, float) and not math.isfinite(self.value):
            self.fail("is not finite", remedy)
        if self.value < 0:
            self.fail("is negative", remedy)
        if self.value > MOST:
            self.fail("is too large", f"give at most {MOST:.0e}")
        return float(self.value)

    def whole(self, least: int = 0) -> int:
        """A whole number of at least `least`."""
        if self.value is MISSING:
            self.fail("is missing", f"give a whole number of at least {least}")
        kind = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        finite = kind and math.isfinite(self.value) if isinstance(self.value, float) else kind
        if not finite or self.value != int(self.value):
            self.fail("is not a whole number", f"give a whole number of at least {least}")
        if self.value < least:
            self.fail("is too small", f"give a whole number of at least {least}")
        if self.value > MOST:
            self.fail("is too large", f"give at most {MOST:.0e}")
        return int(self.value)

    @property
    def absent(self) -> bool:
        """Whether an optional field says nothing."""
        return self.value is MISSING or self.value is None

    def matrix(self, remedy: str = "give a finite number that is not negative") -> FloatArray:
        """Numbers of at least 0 in rows of equal length, shape (I, J)."""
        rows = [row.items() for row in self.items()]
        for place, row in enumerate(rows):
            if len(row) != len(rows[0]):
                one = Field(self.source, f"{self.path}[{place}]", self.value[place])
                one.fail(f"has {len(row)} numbers where the first row has {len(rows[0])}", "make all rows alike")
        return np.array([[item.number(remedy) for item in row] for row in rows])

    def know(self, names: Sequence[str]) -> None:
        """Refuse a field that is all but one of `names`: it would be overlooked in silence."""
        there = self.object()
        for name in there:
            meant = get_close_matches(name, [known for known in names if known not in there], n=1, cutoff=0.8)
            if name not in names and meant:
                self[name].fail(f"is not a field: {meant[0]!r} is", "correct its name")


def read_document(file: Path, what: str = "CASE", stdin: str = "standard input") -> Field:
    """The JSON document in a file, or with `-` that on standard input.

    Args:
        file: Which.
        what: It is, as the command's usage has it.
        stdin: What standard input is called in errors.

    Raises:
        InputError: It cannot be read, or is no JSON.
    """
    piped = str(file) == "-"
    source = stdin if piped else str(file)
    try:
        text = (sys.stdin.buffer.read() if piped else file.read_bytes()).decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            source, what, "cannot be read", value=error.strerror or str(error), remedy="give a readable file"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(source, what, "is not UTF-8", value=error.reason, remedy="save it as UTF-8 text") from error
    try:
        return Field(source, "", json.loads(text, object_pairs_hook=lambda pairs: _once(source, pairs)))
    except (ValueError, RecursionError) as error:
        raise InputError(source, what, "is not JSON", value=str(error), remedy="give a JSON document") from error


def _once(source: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object each of whose names is there once: of two, one would be lost in silence."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InputError(source, name, "is there twice in one object", value=_shown(value), remedy="rename one")
        found[name] = value
    return found


def _shown(value: Any) -> Any:
    """What an error shows of a value: all of a small one, the beginning of a large one."""
    if value is MISSING:
        return None
    text = repr(value)
    return value if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
