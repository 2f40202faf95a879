"""The case that `foresail moe plan` is given: loads, what is where, and which GPUs there shall be, as JSON or NPZ."""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foresail.cli.fields import MISSING, Field, read_document
from foresail.domain.errors import InputError
from foresail.policies.moe.placement import LEAVES, Change

FIELDS = ("loads", "current", "keep", "gpus", "slots", "tau")
ARRAYS = ("loads", "current", "keep")
TAU = 1.05  # where none is given
MOST_GPUS = MOST_SLOTS = 4096
MOST_SEATS = 2**28  # layers x GPUs x experts, or slots by slots: what is held in memory at once
LARGEST = 1e18  # loads of more are slips of the keyboard


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says of the GPUs that there shall be; None: the case says it."""

    gpus: int | None = None
    slots: int | None = None
    tau: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What is to be planned.

    Args:
        source: The file.
        change: As parsed.
        tau: Balance that is asked for.
        layered: Whether layers are listed, or there is one without a list.
        json: Whether the file is JSON.
    """

    source: str
    change: Change
    tau: float
    layered: bool
    json: bool


def read_case(file: Path, flags: Flags) -> Case:
    """Read and check a case; flags have the last word.

    Raises:
        InputError: It cannot be understood.
    """
    is_json = not _is_npz(file)
    document = read_document(file) if is_json else _read_npz(file)
    document.know(FIELDS)
    loads = _array(document["loads"], (1, 2), whole=False)
    layered = loads.ndim == 2
    current = _array(document["current"], (2 + layered,), whole=True)
    keep = _array(document["keep"], (1,), whole=True)
    if not layered:
        loads, current = loads[None], current[None]
    gpus = _flag(document, "gpus", flags.gpus, MOST_GPUS)
    slots = _flag(document, "slots", flags.slots, MOST_SLOTS)
    _check(document, (loads, current, keep), gpus, slots, layered=layered)
    change = Change(loads, current.astype(np.int64), keep.astype(np.int64), gpus, slots)
    return Case(str(file), change, _tau(document, flags), layered, is_json)


def _is_npz(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(2) == b"PK" or file.suffix.lower() == ".npz"
    except OSError:
        return False  # reading it says why


def _read_npz(file: Path) -> Field:
    try:
        with zipfile.ZipFile(file):  # numpy takes other files too, and fails on them in other ways
            pass
        with np.load(file, allow_pickle=False) as arrays:
            return Field(str(file), "", {name: arrays[name].tolist() for name in arrays.files if name in FIELDS})
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            str(file), "CASE", "is not NPZ", value=str(error), remedy=f"save the arrays {', '.join(ARRAYS)} of numbers"
        ) from error


def _array(field: Field, depths: tuple[int, ...], *, whole: bool) -> NDArray[np.float64]:
    """Numbers in lists in lists, as deep as one of `depths`, of equal length."""
    depth, value = 0, field.value
    while isinstance(value, list) and value:
        depth, value = depth + 1, value[0]
    if depth not in depths:
        wanted = " or ".join(str(one) for one in depths)
        problem = "is empty" if field.value == [] else f"has lists {depth} deep where they are {wanted} deep"
        problem = "is missing" if field.value is MISSING else problem
        field.fail(problem, "give numbers in lists, layer by layer, or loads and current of one layer")
    return np.array(_numbers(field, depth, whole=whole), np.float64)


def _numbers(field: Field, depth: int, *, whole: bool) -> list[Any]:
    items = field.items()
    if depth > 1:
        for item in items:
            if isinstance(item.value, list) and len(item.value) != len(items[0].value):
                item.fail(f"has {len(item.value)} items where the first has {len(items[0].value)}", "make all alike")
        return [_numbers(item, depth - 1, whole=whole) for item in items]
    for item in items:
        _check_number(item, whole=whole)
    return [item.value for item in items]


def _check_number(field: Field, *, whole: bool) -> None:
    value = field.value
    kind = "a whole number" if whole else "a finite number that is not negative"
    if isinstance(value, bool) or not isinstance(value, int | float):
        field.fail("is not a number", f"give {kind}")
    if whole and not (abs(value) < LARGEST and value == int(value)):
        field.fail("is not a whole number", f"give {kind}")
    if not whole and not 0.0 <= value <= LARGEST:
        field.fail("is not a load", f"give {kind}")


def _flag(document: Field, name: str, flag: int | None, most: int) -> int:
    value = flag if flag is not None else document[name].value
    field = Field(document.source, name, value)
    if isinstance(value, int | float) and most < value < math.inf:
        field.fail("is too large", f"give at most {most}")
    return field.whole(least=1)


def _tau(document: Field, flags: Flags) -> float:
    value = flags.tau if flags.tau is not None else document["tau"].value
    if value is MISSING or value is None:
        return TAU
    field = Field(document.source, "tau", value)
    found = field.number("give the load of the busiest GPU over the mean, at least 1")
    if found < 1.0:
        field.fail("is below 1", "give the load of the busiest GPU over the mean, at least 1")
    return found


def _check(document: Field, arrays: tuple[NDArray[np.float64], ...], gpus: int, slots: int, *, layered: bool) -> None:
    loads, current, keep = arrays
    layers, experts = loads.shape
    if len(current) != layers:
        document["current"].fail(f"has {len(current)} layers where loads have {layers}", "give as many")
    outside = np.argwhere((current < -1) | (current >= experts))
    if outside.size:
        place = "".join(f"[{one}]" for one in outside[0][0 if layered else 1 :])
        value = int(current[tuple(outside[0])])
        Field(document.source, f"current{place}", value).fail(
            "is no expert", f"give one from 0 to {experts - 1}, or -1 for an empty slot"
        )
    if gpus * slots < experts:
        needed = -(-experts // slots)
        Field(document.source, "gpus", gpus).fail(
            f"is too few: {experts} experts in {slots} slot{'s' if slots > 1 else ''} of each GPU",
            f"it needs at least {needed}, as every expert must have a slot",
        )
    _check_keep(document, keep, current.shape[1], gpus)
    there, slots_now = current.shape[1:]
    if layers * max(gpus, there) * max(experts, slots**2, slots_now**2) > MOST_SEATS:
        Field(document.source, "gpus", gpus).fail(
            "is too many for so many layers, experts and slots", "plan fewer layers, or give fewer slots"
        )


def _check_keep(document: Field, keep: NDArray[np.float64], there: int, gpus: int) -> None:
    if len(keep) != there:
        document["keep"].fail(f"is of {len(keep)} GPUs where current is of {there}", "give an index for each, or -1")
    seen: set[int] = set()
    for place, index in enumerate(int(one) for one in keep):
        field = Field(document.source, f"keep[{place}]", index)
        if not LEAVES <= index < gpus:
            field.fail("is no GPU that there shall be", f"give an index from 0 to {gpus - 1}, or -1 where it leaves")
        if index in seen:
            field.fail("is there twice", "give each GPU an index of its own")
        seen |= {index} - {LEAVES}
