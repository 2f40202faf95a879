"""The guards in their order. A guard may not look beyond its case, and says why whenever it changes a number.

Restraints come first, so that what a person commands is not held back by them; of the commands, the spec's bounds have
the last word, and whoever stands down stands down whatever was decided.
"""

from __future__ import annotations

from foresail.domain.decision import Step
from foresail.domain.workload import Mode
from foresail.policies.scaling.case import Case, Counts
from foresail.policies.scaling.commands import (
    fall_back,
    keep_bounds,
    keep_schedule,
    obey_override,
    stand_down,
    yield_gpus,
)
from foresail.policies.scaling.consolidation import check_consolidation
from foresail.policies.scaling.restraints import (
    hold_on_unknown,
    hold_stuck,
    ignore_small_changes,
    limit_steps,
    stabilize,
    wait_after_break,
)
from foresail.policies.scaling.verdict import Guard, step_of

GUARDS: tuple[Guard, ...] = (
    fall_back,  # Unknown for long: may raise.
    hold_on_unknown,  # Missing is not zero.
    check_consolidation,  # Those that remain must carry the demand.
    ignore_small_changes,  # The HPA's tolerance.
    wait_after_break,  # The picture was broken a moment ago.
    stabilize,  # The HPA's windows.
    hold_stuck,  # What cannot start is not asked for again.
    limit_steps,  # The HPA's policies.
    yield_gpus,  # A greater priority takes them.
    keep_schedule,  # A person's floor.
    obey_override,  # A person's number.
    keep_bounds,  # The spec's bounds have the last word.
    stand_down,  # Unless we may not speak at all.
)


def apply_guards(case: Case, proposal: Counts) -> tuple[Counts, tuple[Step, ...]]:
    """Fold the guards over a proposal.

    Returns:
        The counts by variant and a step for every guard that changed them.
    """
    counts, steps = proposal, []
    for guard in _guards_of(case):
        verdict = guard(case, counts)
        if verdict is not None and (verdict.settles or verdict.counts != counts):
            steps.append(step_of(guard.__name__, case, counts, verdict))
            counts = verdict.counts
    return counts, tuple(steps)


def _guards_of(case: Case) -> tuple[Guard, ...]:
    """All of them, unless there is nothing to guard or nothing to decide."""
    if not case.seats:
        return ()
    return (stand_down,) if case.workload.mode is Mode.OFF else GUARDS
