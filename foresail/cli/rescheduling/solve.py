"""An instance solved: by the planner of virtual machines or by that of pods, timed, and replayed before it is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foresail.cli.rescheduling.answer import Answer, checked
from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.past import restless
from foresail.cli.rescheduling.pods import PodInstance
from foresail.cli.rescheduling.solve_machines import solve_machines
from foresail.cli.rescheduling.solve_pods import solve_pods
from foresail.cli.rescheduling.wanted import Wanted
from foresail.domain.errors import InputError

COMMAND = "foresail reschedule plan"


def solve(instance: Instance, wanted: Wanted) -> Answer:
    """Plan; what does not pass its replay is no plan.

    Raises:
        InputError: The objective is not one of this instance, or what it asks of units' past is not there.
    """
    table = "vms" if isinstance(instance, VmInstance) else "pods"
    held = restless(instance.past, wanted.limits.rest, instance.source, table)
    rested = np.array([row not in held for row in range(len(instance.units))], bool)
    answer = _solved(replace(instance, movable=instance.movable & rested), wanted)
    reasons = {instance.units[row]: reason for row, reason in held.items() if instance.movable[row]}
    skipped = tuple((unit, reasons.get(unit, reason)) for unit, reason in answer.skipped)
    answer = replace(answer, instance=instance, skipped=skipped, price_per_move=wanted.price_per_move)
    return checked(answer, wanted.limits)


def _solved(instance: Instance, wanted: Wanted) -> Answer:
    fewest = wanted.objective == "fewest-moves"
    if fewest and wanted.goal is None:
        _refuse("--goal", "is needed for fewest-moves", None, "give a fragment rate, 0 to 1")
    if fewest and wanted.price_per_move:
        remedy = "leave it out, or ask for another objective"
        _refuse("--price-per-move", "says nothing of fewest-moves", wanted.price_per_move, remedy)
    if isinstance(instance, PodInstance):
        return solve_pods(instance, wanted)
    return solve_machines(instance, wanted)


def _refuse(field: str, problem: str, value: object, remedy: str) -> None:
    raise InputError(COMMAND, field, problem, value=value, remedy=remedy)
