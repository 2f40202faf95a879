"""A JSON document from a file or from standard input, and its columns: each says what is wrong with which item."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from foresail.cli import fields
from foresail.cli.fields import MISSING, Field
from foresail.domain.errors import InputError
from foresail.domain.timeseries import BoolArray

T = TypeVar("T")
IntArray = NDArray[np.int64]
STDIN = "-"
MOST = 10**15  # larger numbers would not add up in 64 bits over a large cluster


def read_document(name: str, what: str = "INSTANCE") -> Field:
    """The JSON object in a file, or on standard input where the name is `-`.

    Raises:
        InputError: It cannot be read, or is no JSON object.
    """
    document = fields.read_document(Path(name), what, stdin=STDIN)
    if not isinstance(document.value, dict):
        kind = type(document.value).__name__
        raise InputError(document.source, what, "is not an object", value=kind, remedy='write {"name": …}')
    return document


def once_from_stdin(*files: str) -> None:
    """Refuse to read standard input for two things.

    Raises:
        InputError: It is named twice.
    """
    if files.count(STDIN) > 1:
        raise InputError(STDIN, "PLAN", "is named twice", value=STDIN, remedy="give a file for one of the two")


def items(field: Field, length: int | None = None, than: str = "id") -> list[Any]:
    """A list, which may be empty; of so many items where that is known from the column `than`."""
    if field.value is MISSING:
        field.fail("is missing", "add it")
    if not isinstance(field.value, list):
        field.fail("is not a list", "write […]")
    if length is not None and len(field.value) != length:
        field.fail(f"has {len(field.value)} items where {than} has {length}", "give one for each")
    return field.value


def names(field: Field) -> tuple[str, ...]:
    """Names, each of which is there once."""
    found = items(field)
    for place, name in enumerate(found):
        if not isinstance(name, str) or not name.strip():
            at(field, place).fail("is not a name", "give a text that is not empty")
    if len(set(found)) < len(found):
        first = {name: place for place, name in reversed(list(enumerate(found)))}
        place = next(place for place, name in enumerate(found) if first[name] != place)
        at(field, place).fail(f"is there twice, first at {first[found[place]]}", "rename one")
    return tuple(found)


def texts(field: Field, length: int) -> tuple[str, ...]:
    """Texts, which may be empty."""
    found = items(field, length)
    for place, text in enumerate(found):
        if not isinstance(text, str):
            at(field, place).fail("is not a text", 'give a text, "" for none')
    return tuple(found)


def whole_numbers(field: Field, length: int | None = None, *, least: int = 0, most: int = MOST) -> IntArray:
    """Whole numbers between limits."""
    found = items(field, length)
    if not all(type(value) is int and least <= value <= most for value in found):
        found = [whole(at(field, place), least=least, most=most) for place in range(len(found))]
    return np.array(found, np.int64).reshape(len(found))


def pairs(field: Field, length: int) -> IntArray:
    """A pair of whole numbers for each item, one for each NUMA node, shape (length, 2)."""
    found = items(field, length)
    rows = [whole_numbers(at(field, place), 2, least=0) for place in _pairs(field, found)]
    return np.array(rows, np.int64).reshape(length, 2)


def flags(field: Field, length: int) -> BoolArray:
    """Yes or no for each item."""
    found = items(field, length)
    for place, value in enumerate(found):
        if not isinstance(value, bool | int) or value not in (0, 1):
            at(field, place).fail("is neither 0 nor 1", "give 1 for yes and 0 for no")
    return np.array(found, bool).reshape(length)


def positive_numbers(field: Field, length: int) -> NDArray[np.float64]:
    """Finite numbers of at least 0."""
    return np.array([at(field, place).number() for place in range(len(items(field, length)))], np.float64)


def whole(field: Field, *, least: int = 0, most: int = MOST) -> int:
    """A whole number between limits; 2.0 is one, true is not."""
    remedy = f"give a whole number of at least {least}" if most == MOST else f"give a whole number, {least} to {most}"
    value = field.value
    if value is MISSING:
        field.fail("is missing", remedy)
    if isinstance(value, bool) or not isinstance(value, int | float):
        field.fail("is not a number", remedy)
    if isinstance(value, float) and not (math.isfinite(value) and value == int(value)):
        field.fail("is not finite" if not math.isfinite(value) else "is not a whole number", remedy)
    if value < least:
        field.fail("is negative" if value < 0 <= least else "is too small", remedy)
    if value > most:
        field.fail("is too large", remedy if most < MOST else f"give at most {MOST:.0e}")
    return int(value)


def check(field: Field, wrong: BoolArray | Sequence[bool], problem: str, remedy: str) -> None:
    """Refuse the first item that is wrong."""
    for place in np.flatnonzero(wrong)[:1].tolist():
        at(field, place).fail(problem, remedy)


def at(field: Field, place: int) -> Field:
    """An item of a list."""
    return Field(field.source, f"{field.path}[{place}]", field.value[place])


def optional(field: Field, read: Callable[[Field], T], otherwise: T) -> T:
    """What a column says, or what holds where it is not there."""
    return otherwise if field.absent else read(field)


def _pairs(field: Field, found: Sequence[Any]) -> range:
    for place, row in enumerate(found):
        if not isinstance(row, list):
            at(field, place).fail("is not a pair", "give [node 0, node 1], such as [44, 44]")
        if len(row) != 2:
            at(field, place).fail(f"has {len(row)} numbers", "give two, one for each NUMA node: [node 0, node 1]")
    return range(len(found))
