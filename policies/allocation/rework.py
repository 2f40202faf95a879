"""Planning a few models anew together while all others keep their GPUs: what no exchange of single plans finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foresail.domain.allocation import AllocationProblem
from foresail.policies.allocation.fleet import build
from foresail.policies.allocation.replicas import Replicas, gpus_left
from foresail.policies.programs.highs import Solver

REWORK_SECONDS = 1.0  # at most, for one group
REWORK_GAP = 1e-4


@dataclass(frozen=True, slots=True)
class Reworked:
    """Replicas of the group's models, None where nothing was found, and the solver's seconds."""

    replicas: Replicas | None
    seconds: float


def rework(
    problem: AllocationProblem, replicas: Sequence[Sequence[int]], group: Sequence[int], target_utilization: float
) -> Reworked:
    """Plan some models within what the others leave.

    Args:
        problem: The fleet.
        replicas: By model and candidate, of the plan so far.
        group: Which models.
        target_utilization: Load over replicas that a plan may reach.
    """
    others = sorted(set(range(len(problem.models))).difference(group))
    left = gpus_left(problem.gpus, [(problem.models[place], replicas[place]) for place in others])
    fleet = build(AllocationProblem(tuple(problem.models[place] for place in group), left), target_utilization)
    solver = Solver(fleet.program, relative_gap=REWORK_GAP)
    x = solver.solve(REWORK_SECONDS).x
    if x is None:
        return Reworked(None, solver.seconds)
    return Reworked(tuple(tuple(int(n) for n in x[own.replicas]) for own in fleet.columns), solver.seconds)
