"""What runs, what is wanted and which GPUs are free, while a step is put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from foresail.domain.allocation import AllocationProblem, Candidate, ModelDemand
from foresail.policies.allocation.routing import route

Key = tuple[str, str]  # model, variant
UNCAPPED = 10**9  # GPUs of an accelerator that has no cap
ROUNDING = 1e-5  # of the demand: unserved by the solver, not for want of replicas


@dataclass(frozen=True, slots=True)
class Running:
    """Replicas of a variant: asked for, of those ready, and on their way out, which still hold their GPUs."""

    current: int
    ready: int
    stopping: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """Another count for a variant, and why, as a sentence."""

    key: Key
    before: int
    after: int
    reason: str


@dataclass(slots=True, eq=False)
class Unit:
    """A variant on its way; mutable."""

    model: str
    variant: str
    priority: int
    accelerator: str
    gpus: int
    usd_per_hour: float
    target: int
    current: int
    ready: int
    stopping: int

    @property
    def key(self) -> Key:
        """Model and variant."""
        return self.model, self.variant

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.model}/{self.variant}"

    @property
    def starting(self) -> int:
        """Asked for and not ready."""
        return self.current - self.ready

    @property
    def surplus(self) -> int:
        """Replicas that the plan does not want."""
        return max(self.current - self.target, 0)

    @property
    def deficit(self) -> int:
        """Replicas that the plan wants and nobody asked for yet."""
        return max(self.target - self.current, 0)


class Ledger:
    """Starts and stops so far in a step, and what they leave; arguments as for `next_step`. Mutable."""

    def __init__(
        self,
        problem: AllocationProblem,
        target: Mapping[Key, int],
        running: Mapping[Key, Running],
        most_changes: int | None,
        target_utilization: float,
    ) -> None:
        self.stock = problem.gpus
        self.changes: list[Change] = []
        self._models = {model.name: model for model in problem.models}
        self._utilization, self._allowed = target_utilization, most_changes
        self._units = [
            _unit(model, candidate, target, running) for model in problem.models for candidate in model.candidates
        ]
        self._stopped: dict[Key, int] = {}  # in this step; they hold their GPUs until they are gone
        self._known: dict[tuple[str, tuple[int, ...]], float] = {}  # unserved by model and ready replicas

    def by_importance(self, accelerator: str | None = None) -> list[Unit]:
        """All variants, or those on an accelerator: the least priority first, then the dearest."""
        chosen = [unit for unit in self._units if accelerator in (None, unit.accelerator)]
        return sorted(chosen, key=lambda unit: (unit.priority, -unit.usd_per_hour, unit.key))

    def start(self, unit: Unit, count: int, why: str) -> None:
        """Ask for more."""
        self._change(unit, count, f"Start {count} of {unit.label}: {why}.")

    def stop(self, unit: Unit, count: int, why: str, *, forced: bool = False) -> None:
        """Ask for fewer: those that are not ready go first."""
        self._stopped[unit.key] = self._stopped.get(unit.key, 0) + count
        unit.ready = min(unit.ready, unit.current - count)
        self._change(unit, -count, f"Stop {count} of {unit.label}: {why}.", counted=not forced)

    def allowed(self, count: int) -> int:
        """How many of so many changes the step may still make."""
        return count if self._allowed is None else min(count, self._allowed)

    def free(self, accelerator: str) -> int:
        """GPUs that hold nothing now: what stops in this step still holds its own."""
        return self.spare(accelerator) - sum(
            (unit.stopping + self._stopped.get(unit.key, 0)) * unit.gpus for unit in self.by_importance(accelerator)
        )

    def spare(self, accelerator: str) -> int:
        """GPUs that are free once all that was stopped is gone; negative where there are fewer than asked for."""
        total = self.stock.get(accelerator, UNCAPPED)
        return total - sum(unit.current * unit.gpus for unit in self.by_importance(accelerator))

    def room(self, unit: Unit) -> int:
        """Replicas that would find free GPUs now."""
        return max(self.free(unit.accelerator), 0) // unit.gpus

    def can_spare(self, unit: Unit, count: int) -> bool:
        """Whether the ready replicas without so many leave no more than the plan does, or than they do with them."""
        allowed = max(self._left_at_target(unit.model), self._left_now(unit.model))
        return self._left_without(unit, count) <= allowed + self._tolerance(unit.model)

    def loss(self, unit: Unit, count: int) -> float:
        """Requests per second that go unserved without so many."""
        lost = self._left_without(unit, count) - self._left_now(unit.model)
        return lost if lost > self._tolerance(unit.model) else 0.0

    def is_short(self, unit: Unit) -> bool:
        """Whether the model's ready replicas leave more unserved than the plan would."""
        return self._left_now(unit.model) > self._left_at_target(unit.model) + self._tolerance(unit.model)

    def in_flight(self) -> bool:
        """Whether replicas are starting or stopping."""
        return any(unit.starting > 0 or unit.stopping > 0 for unit in self._units)

    def arrived(self) -> bool:
        """Whether the plan runs, all of it ready."""
        return not self.changes and not self.in_flight() and all(unit.current == unit.target for unit in self._units)

    def counts(self) -> dict[Key, int]:
        """What is asked for after this step."""
        return {unit.key: unit.current for unit in self._units}

    def waits(self) -> list[str]:
        """What is not done yet, a sentence each, the most important first."""
        return [text for unit in reversed(self.by_importance()) for text in self._waits_for(unit)]

    def _waits_for(self, unit: Unit) -> Iterator[str]:
        if unit.starting > 0:
            yield f"{unit.starting} of {unit.label} are starting."
        if unit.stopping > 0:
            yield f"{unit.stopping} of {unit.label} are stopping and still hold their GPUs."
        if unit.surplus > 0:
            yield f"{unit.surplus} of {unit.label} stay until others serve in their place or the next step."
        if unit.deficit > 0:
            needs = f"{unit.gpus} GPUs of {unit.accelerator} each"
            yield f"{unit.deficit} of {unit.label} wait for {needs}, {max(self.free(unit.accelerator), 0)} are free."

    def _change(self, unit: Unit, by: int, reason: str, *, counted: bool = True) -> None:
        self.changes.append(Change(unit.key, unit.current, unit.current + by, reason))
        unit.current += by
        if counted and self._allowed is not None:
            self._allowed -= abs(by)

    def _left_now(self, model: str) -> float:
        return self._unserved(model, {unit.key: unit.ready for unit in self._of(model)})

    def _left_at_target(self, model: str) -> float:
        return self._unserved(model, {unit.key: unit.target for unit in self._of(model)})

    def _left_without(self, unit: Unit, count: int) -> float:
        ready = {other.key: other.ready for other in self._of(unit.model)}
        return self._unserved(unit.model, ready | {unit.key: min(unit.ready, unit.current - count)})

    def _unserved(self, model: str, ready: Mapping[Key, int]) -> float:
        counts = tuple(ready.values())
        if (model, counts) not in self._known:
            left = route(self._models[model], counts, self._utilization).left_rps
            self._known[model, counts] = float(left.sum())
        return self._known[model, counts]

    def _of(self, model: str) -> list[Unit]:
        return [unit for unit in self._units if unit.model == model]

    def _tolerance(self, model: str) -> float:
        return ROUNDING * float(self._models[model].demand_rps.sum())


def _unit(model: ModelDemand, candidate: Candidate, target: Mapping[Key, int], running: Mapping[Key, Running]) -> Unit:
    key = (model.name, candidate.name)
    known = running.get(key, Running(0, 0))
    return Unit(
        model=model.name,
        variant=candidate.name,
        priority=model.priority,
        accelerator=candidate.accelerator,
        gpus=candidate.gpus_per_replica,
        usd_per_hour=candidate.usd_per_hour,
        target=target.get(key, 0),
        current=known.current,
        ready=min(known.ready, known.current),
        stopping=known.stopping,
    )
