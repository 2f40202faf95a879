"""An instance solved: by the planner of virtual machines or by that of pods, timed, and replayed before it is said."""

from __future__ import annotations

from foresail.cli.rescheduling.answer import Answer, checked
from foresail.cli.rescheduling.instance import Instance
from foresail.cli.rescheduling.machines import VmInstance
from foresail.cli.rescheduling.solve_machines import solve_machines
from foresail.cli.rescheduling.solve_pods import solve_pods
from foresail.cli.rescheduling.wanted import Wanted
from foresail.domain.errors import InputError

COMMAND = "foresail reschedule plan"


def solve(instance: Instance, wanted: Wanted) -> Answer:
    """Plan; what does not pass its replay is no plan.

    Raises:
        InputError: The objective is not one of this instance.
    """
    if isinstance(instance, VmInstance):
        _check_machines(wanted)
        return checked(solve_machines(instance, wanted), wanted.limits)
    if wanted.goal is not None or wanted.objective == "fewest-moves":
        _refuse("--goal", "is a fragment rate of virtual machines", wanted.goal, "leave it out for pods with GPUs")
    return checked(solve_pods(instance, wanted), wanted.limits)


def _check_machines(wanted: Wanted) -> None:
    if wanted.objective == "fewest-moves" and wanted.goal is None:
        _refuse("--goal", "is needed for fewest-moves", None, "give a fragment rate, 0 to 1")
    if wanted.objective == "whole-nodes":
        _refuse("--objective", "is for pods with GPUs", wanted.objective, "ask for fragments or fewest-moves")


def _refuse(field: str, problem: str, value: object, remedy: str) -> None:
    raise InputError(COMMAND, field, problem, value=value, remedy=remedy)
