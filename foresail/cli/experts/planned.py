"""Planning a case, with the processor's time that it took, and what people and JSON are told of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from foresail.cli.experts.case import Case
from foresail.domain.timeseries import BoolArray, FloatArray
from foresail.policies.moe.placement import balance, copies, floor_copies
from foresail.policies.moe.stay import Plan, stay
from foresail.policies.moe.steps import BudgetError, Steps, steps

GIGABYTE = 1e9
REACHED = 1e-6  # share by which a balance may exceed what is asked for, and is still said to reach it


@dataclass(frozen=True, slots=True)
class Sizes:
    """What copies weigh and how fast they travel; None: not known.

    Args:
        expert_bytes: Of one expert.
        link_gbytes_per_second: Of a GPU's port, each way.
        staging_budget_bytes: That a GPU may receive in a wave.
    """

    expert_bytes: int | None = None
    link_gbytes_per_second: float | None = None
    staging_budget_bytes: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A case, what copies weigh, and what came of it.

    Args:
        case: As read.
        sizes: As given.
        plan: The placement.
        steps: The copies in waves; None where the budget is too small for any.
        needed: Experts that a GPU must be able to receive at once; 0 where the budget has room.
        cpu_seconds: Planning and waves.
    """

    case: Case
    sizes: Sizes
    plan: Plan
    steps: Steps | None
    needed: int
    cpu_seconds: float

    @property
    def copies(self) -> int:
        """Experts that are where they were not."""
        return int(copies(self.case.change, self.plan.placement).sum())

    @property
    def scratch_copies(self) -> int:
        """The same of the placement from scratch."""
        return int(copies(self.case.change, self.plan.scratch).sum())

    @property
    def into_survivors(self) -> int:
        """Copies into GPUs that are there now."""
        return int(copies(self.case.change, self.plan.placement)[:, self.case.change.survivors].sum())

    @property
    def floor(self) -> int:
        """Copies that no plan can do without."""
        return floor_copies(self.case.change)

    @property
    def balance(self) -> FloatArray:
        """Of each layer afterwards, shape (L,)."""
        return self.plan.balance

    @property
    def balance_now(self) -> FloatArray:
        """Of each layer as things stand, shape (L,)."""
        return balance(self.case.change.loads, self.case.change.current)

    @property
    def balance_scratch(self) -> FloatArray:
        """Of each layer placed from scratch, shape (L,)."""
        return balance(self.case.change.loads, self.plan.scratch)

    @property
    def missed(self) -> BoolArray:
        """Whether the busiest GPU of each layer carries more than was asked for, shape (L,)."""
        return np.asarray(self.balance > self.case.tau * (1.0 + REACHED))

    @property
    def bytes(self) -> int | None:
        """Of all copies."""
        return None if self.sizes.expert_bytes is None else self.copies * self.sizes.expert_bytes

    @property
    def peak_extra_bytes(self) -> int | None:
        """Most in flight into one GPU in one wave."""
        if self.steps is None or self.sizes.expert_bytes is None:
            return None
        return self.steps.most_at_once * self.sizes.expert_bytes

    @property
    def seconds(self) -> float | None:
        """Of all waves, one after another, each as long as its busiest port takes."""
        link = self.sizes.link_gbytes_per_second
        if self.steps is None or self.sizes.expert_bytes is None or link is None:
            return None
        return self.steps.busiest * self.sizes.expert_bytes / (link * GIGABYTE)


def plan_case(case: Case, sizes: Sizes) -> Planned:
    """Plan a case."""
    started = time.process_time()
    plan = stay(case.change, case.tau)
    needed, found = 0, None
    try:
        found = steps(case.change, plan.placement, _budget(sizes))
    except BudgetError as error:
        needed = error.needed
    return Planned(case, sizes, plan, found, needed, time.process_time() - started)


def _budget(sizes: Sizes) -> int | None:
    if sizes.staging_budget_bytes is None or sizes.expert_bytes is None:
        return None
    return sizes.staging_budget_bytes // sizes.expert_bytes


def message(planned: Planned) -> str:
    """What comes of it, in a sentence or two."""
    change = planned.case.change
    scratch = planned.scratch_copies
    share = f" ({100 * planned.copies / scratch:.0f} % of those from scratch)" if scratch else ""
    copied = f"{planned.copies:,} {'copy' if planned.copies == 1 else 'copies'}{share}"
    serving = f", {planned.into_survivors:,} of them into GPUs that serve" if planned.copies else ""
    worst = float(planned.balance.max())
    return (
        f"From {len(change.keep)} to {change.gpus} GPUs it takes {copied}{serving}; the "
        f"busiest GPU then carries {np.mean(planned.balance):.3f} times the mean{_worst(planned, worst)}."
        f"{_missed(planned)}{_refused(planned)}"
    )


def _worst(planned: Planned, worst: float) -> str:
    return f", {worst:.3f} in the worst layer" if len(planned.balance) > 1 else ""


def _missed(planned: Planned) -> str:
    if not planned.missed.any():
        return ""
    where = f" in {planned.missed.sum()} of {len(planned.balance)} layers" if len(planned.balance) > 1 else ""
    tau, scratch = planned.case.tau, float(planned.balance_scratch[planned.missed].mean())
    if scratch <= tau:
        return (
            f" A balance of {tau:g} cannot be reached{where} but by a placement from scratch: the plan is within a "
            f"percent of that."
        )
    return (
        f" A balance of {tau:g} cannot be reached{where}: this is the best plan that was found "
        f"(a placement from scratch has {scratch:.3f} there)."
    )


def _refused(planned: Planned) -> str:
    if not planned.needed:
        return ""
    bytes_needed = planned.needed * (planned.sizes.expert_bytes or 0)
    return (
        f" It cannot be carried out within a staging budget of {planned.sizes.staging_budget_bytes:,} bytes: one layer "
        f"brings {planned.needed} experts into a GPU, which needs at least {bytes_needed:,}."
    )
