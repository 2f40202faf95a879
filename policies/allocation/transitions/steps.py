"""One step from what runs towards a plan: new replicas first, old ones when they are no longer needed.

1. GPUs that no longer exist are given up at once, the least important replicas first.
2. Replicas that are still starting and no longer wanted stop: they serve nothing.
3. Replicas start where GPUs are free, the greatest priority first.
4. Ready replicas stop where those that stay ready leave no more unserved than the plan itself does.
5. Reclaim: a model that leaves demand unserved and finds no GPU free has one stopped that the plan takes from a lesser
   priority, though its replacement is not ready.
6. Where nothing of this is possible and nothing is on its way, what has to stop first does, and the step says so.

Steps 2 to 6 only go towards the plan, and GPUs count until their replica is gone: applied again and again, with
replicas that do get ready, they end at any plan that fits, and no instant has more GPUs in use than there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foresail.domain.allocation import AllocationProblem
from foresail.policies.allocation.transitions.ledger import Change, Key, Ledger, Running, Unit


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now.

    Args:
        replicas: Next count by (model, variant), of all variants.
        changes: With a sentence each; empty when there is nothing to do or everything waits.
        waits: Sentences on what is not done yet.
        arrived: Whether the plan runs: its counts, all ready, nothing stopping.
    """

    replicas: Mapping[Key, int]
    changes: tuple[Change, ...]
    waits: tuple[str, ...]
    arrived: bool


def next_step(
    problem: AllocationProblem,
    target: Mapping[Key, int],
    running: Mapping[Key, Running],
    *,
    most_changes: int | None = None,
    target_utilization: float = 1.0,
) -> Step:
    """The next counts on the way to the target.

    Args:
        problem: Demand, variants, and the stock of GPUs as it is now.
        target: Replicas by (model, variant); what is not named should not run.
        running: What runs; what is not named does not.
        most_changes: Replicas started and stopped in one step, at least 1; GPUs that are gone are given up beyond it.
        target_utilization: Load over replicas up to which they serve.
    """
    ledger = Ledger(problem, target, running, most_changes, target_utilization)
    _give_up(ledger)
    _cancel(ledger)
    _start(ledger)
    _stop_replaced(ledger)
    _reclaim(ledger)
    if not ledger.changes and not ledger.in_flight():
        _break(ledger)
    return Step(ledger.counts(), tuple(ledger.changes), tuple(ledger.waits()), ledger.arrived())


def _give_up(ledger: Ledger) -> None:
    for accelerator in ledger.stock:
        for unit in _surplus(ledger, accelerator):
            _give_up_some(ledger, unit, unit.surplus)
        for unit in ledger.by_importance(accelerator):
            _give_up_some(ledger, unit, unit.current)


def _give_up_some(ledger: Ledger, unit: Unit, most: int) -> None:
    lacking = -ledger.spare(unit.accelerator)
    count = min(-(-max(lacking, 0) // unit.gpus), most)
    if count > 0:
        why = f"{unit.accelerator} has {lacking} GPUs less than are asked for, and these are the least important on it"
        ledger.stop(unit, count, why, forced=True)


def _cancel(ledger: Ledger) -> None:
    for unit in ledger.by_importance():
        count = ledger.allowed(min(unit.surplus, unit.starting))
        if count > 0:
            ledger.stop(unit, count, "no longer wanted, and still starting: they serve nothing yet")


def _start(ledger: Ledger) -> None:
    for unit in reversed(ledger.by_importance()):
        count = ledger.allowed(min(unit.deficit, ledger.room(unit)))
        if count > 0:
            ledger.start(unit, count, f"the plan wants {unit.target}, and GPUs of {unit.accelerator} are free")


def _stop_replaced(ledger: Ledger) -> None:
    for unit in _surplus(ledger):
        count = ledger.allowed(unit.surplus)
        while count > 0 and not ledger.can_spare(unit, count):
            count -= 1
        if count > 0:
            ledger.stop(unit, count, "those that stay ready serve as much as the plan does")


def _reclaim(ledger: Ledger) -> None:
    for unit in reversed(ledger.by_importance()):
        if unit.deficit <= 0 or not ledger.is_short(unit):
            continue
        for other in _surplus(ledger, unit.accelerator):
            if other.priority < unit.priority:
                _make_room(ledger, unit, other, unit.deficit)


def _break(ledger: Ledger) -> None:
    """Stop what keeps the most important start from its GPUs, the least important first."""
    for unit in reversed(ledger.by_importance()):
        if unit.deficit > 0:
            for other in _surplus(ledger, unit.accelerator):
                _make_room(ledger, unit, other, 1)
            if ledger.changes:
                return


def _make_room(ledger: Ledger, unit: Unit, other: Unit, replicas: int) -> None:
    """Stop as many of the other as so many more replicas of the unit need."""
    lacking = replicas * unit.gpus - ledger.spare(unit.accelerator)
    count = ledger.allowed(min(-(-max(lacking, 0) // other.gpus), other.surplus))
    if count > 0:
        lost = ledger.loss(other, count)
        until = (
            f"{lost:.3g} rps of {other.model} go unserved until its replacement is ready" if lost else "none is lost"
        )
        free = max(ledger.free(unit.accelerator), 0)
        why = f"{unit.label} of priority {unit.priority} needs {unit.gpus} GPUs of {unit.accelerator}, {free} are free"
        ledger.stop(other, count, f"{why}, so it has to stop first; {until}")


def _surplus(ledger: Ledger, accelerator: str | None = None) -> Sequence[Unit]:
    """What the plan wants less of, the least important first."""
    return [unit for unit in ledger.by_importance(accelerator) if unit.surplus > 0]
