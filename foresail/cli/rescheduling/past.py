"""What is known of units' past, and who is left alone for it: too young, or moved too recently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from foresail.cli.fields import Field
from foresail.cli.rescheduling.document import at, items, optional, positive_numbers
from foresail.domain.errors import InputError

AGE, MOVED = "age_seconds", "moved_seconds_ago"
PAST_FIELDS = (AGE, MOVED)
Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Of U units; None where the column is not there.

    Args:
        age: Shape (U,), seconds.
        moved: Shape (U,), seconds ago; infinite for one that never moved.
    """

    age: Seconds | None = None
    moved: Seconds | None = None


UNKNOWN = Past()


@dataclass(frozen=True, slots=True)
class Rest:
    """What a unit must have behind it before it is moved: seconds, None for nothing.

    Args:
        age: Since it was made.
        moved: Since it was moved.
    """

    age: float | None = None
    moved: float | None = None


AT_ONCE = Rest()


def parse_past(units: Field, count: int) -> Past:
    """The columns of a past, where they are there.

    Raises:
        InputError: One cannot be understood.
    """
    age = optional(units[AGE], partial(positive_numbers, length=count), None)
    return Past(age, optional(units[MOVED], partial(_moved, length=count), None))


def restless(past: Past, rest: Rest, source: str, table: str) -> Mapping[int, str]:
    """Units that are left alone, by row, each with the reason.

    Raises:
        InputError: A column that is asked for is not there: what is not known is not nought.
    """
    found: dict[int, str] = {}
    for column, seconds, least, option, told in (
        (AGE, past.age, rest.age, "--minimum-age", "too young: made less than {:g} s ago"),
        (MOVED, past.moved, rest.moved, "--cool-down", "moved less than {:g} s ago"),
    ):
        if least is None:
            continue
        if seconds is None:
            remedy = f"give it for each unit, or leave {option} out"
            raise InputError(source, f"{table}.{column}", "is missing", value=None, remedy=remedy)
        for row in np.flatnonzero(seconds < least).tolist():
            found.setdefault(row, told.format(least))
    return found


def _moved(field: Field, length: int) -> Seconds:
    """Seconds for each unit; null for one that never moved."""
    moved = [np.inf if value is None else at(field, place).number() for place, value in enumerate(items(field, length))]
    return np.array(moved, np.float64)
