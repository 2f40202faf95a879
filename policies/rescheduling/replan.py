"""Rolling plans: after every wave a plan from what is now true, of which only the first wave is carried out.

While a wave runs, others come and go. So the cluster is given as it is now, with what is left of the moves and with the
units that have moved already, and nothing is kept of the plan before. Whether the cluster contradicts itself is for the
caller to ask first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from foresail.domain.timeseries import BoolArray
from foresail.policies.rescheduling.gpu_board import PodMove
from foresail.policies.rescheduling.gpu_plan import PodPlan
from foresail.policies.rescheduling.machines.board import Step
from foresail.policies.rescheduling.machines.cluster import Machines
from foresail.policies.rescheduling.machines.plan import MachinePlan
from foresail.policies.rescheduling.pods import PodInstance

MoveT = TypeVar("MoveT")
PlanT = TypeVar("PlanT")


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """What is left of a budget.

    Args:
        moves: That may still be made.
        moved: Rows, as they are now, of units that have moved: none moves twice.
    """

    moves: int
    moved: Collection[int] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Wave(Generic[MoveT, PlanT]):
    """What is moved next; empty where nothing is to be gained, or nothing is left of the budget.

    Args:
        wave: To be carried out at the same time.
        plan: That it is the first wave of.
    """

    wave: tuple[MoveT, ...]
    plan: PlanT


def next_machine_wave(
    now: Machines, left: Left, plan: Callable[[Machines, int], MachinePlan]
) -> Wave[Step, MachinePlan]:
    """The next wave of virtual machines, by a planner that is given the cluster and how many moves it may make."""
    made = plan(replace(now, movable=_movable(now.movable, left)), left.moves)
    return Wave(tuple(made.steps[place] for wave in made.waves[:1] for place in wave), made)


def next_pod_wave(now: PodInstance, left: Left, plan: Callable[[PodInstance, int], PodPlan]) -> Wave[PodMove, PodPlan]:
    """The next wave of pods, likewise."""
    made = plan(replace(now, movable=_movable(now.movable, left)), left.moves)
    return Wave(tuple(made.moves[place] for wave in made.waves[:1] for place in wave), made)


def _movable(movable: BoolArray, left: Left) -> BoolArray:
    still = movable.copy()
    still[list(left.moved)] = False
    return np.asarray(still)
