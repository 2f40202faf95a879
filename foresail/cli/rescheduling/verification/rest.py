"""Has each unit that is moved rested? Its age, and the time since it was moved, are held against what is asked."""

from __future__ import annotations

from collections.abc import Iterator

from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.past import Rest, Seconds
from foresail.cli.rescheduling.verification.claim import Claim
from foresail.cli.rescheduling.verification.fault import Fault, Kind
from foresail.domain.errors import InputError


def rest_faults(instance: Instance, claim: Claim, rest: Rest) -> Iterator[Fault]:
    """Moves of units that are too young, or were moved too recently.

    Raises:
        InputError: The instance does not say what is asked: what is not known is not nought.
    """
    row = {name: place for place, name in enumerate(instance.units)}
    age = _known(instance, "age_seconds", instance.past.age, rest.age)
    moved = _known(instance, "moved_seconds_ago", instance.past.moved, rest.moved)
    for place, move in enumerate(claim.moves):
        unit = row.get(move.unit)
        if unit is None:
            continue
        if age is not None and age[unit] < (rest.age or 0.0):
            yield Fault(Kind.REST, f"{move.unit} is {age[unit]:g} s old where {rest.age:g} are asked", place)
        if moved is not None and moved[unit] < (rest.moved or 0.0):
            message = f"{move.unit} was moved {moved[unit]:g} s ago where {rest.moved:g} are asked"
            yield Fault(Kind.REST, message, place)


def _known(instance: Instance, column: str, seconds: Seconds | None, asked: float | None) -> Seconds | None:
    if asked is None:
        return None
    if seconds is None:
        table = "vms" if isinstance(instance, VmInstance) else "pods"
        remedy = "give it for each unit, or do not ask for it"
        raise InputError(instance.source, f"{table}.{column}", "is missing", value=None, remedy=remedy)
    return seconds
