"""A cluster that takes steps: replicas get ready and leave when it pleases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hypothesis import strategies as st

from foresail.domain.allocation import AllocationProblem
from foresail.policies.allocation.routing import route
from foresail.policies.allocation.transitions.ledger import Key, Running
from foresail.policies.allocation.transitions.steps import Step

Choose = Callable[[int], int]  # how many of so many events happen now


@dataclass(slots=True)
class Cluster:
    """Replicas by (model, variant) of a fleet; mutable."""

    problem: AllocationProblem
    running: dict[Key, Running] = field(default_factory=dict)

    def take(self, step: Step) -> None:
        """Ask for other counts: what is not ready goes first, and what goes holds its GPUs for a while."""
        for key, count in step.replicas.items():
            own = self.running.get(key, Running(0, 0))
            gone = max(own.current - count, 0)
            self.running[key] = Running(count, min(own.ready, count), own.stopping + gone)

    def pass_time(self, choose: Choose) -> None:
        """Some of those that start get ready, some of those that stop are gone."""
        for key, own in self.running.items():
            ready = own.ready + choose(own.current - own.ready)
            self.running[key] = Running(own.current, ready, own.stopping - choose(own.stopping))

    def settled(self) -> bool:
        return all(own.ready == own.current and own.stopping == 0 for own in self.running.values())

    def gpus(self) -> dict[str, int]:
        """GPUs that are held, by accelerator."""
        held: dict[str, int] = {}
        for model in self.problem.models:
            for candidate in model.candidates:
                own = self.running.get((model.name, candidate.name), Running(0, 0))
                count = (own.current + own.stopping) * candidate.gpus_per_replica
                held[candidate.accelerator] = held.get(candidate.accelerator, 0) + count
        return held

    def unserved(self) -> dict[str, float]:
        """What ready replicas leave, requests per second by model."""
        return unserved(self.problem, {key: own.ready for key, own in self.running.items()})


def unserved(problem: AllocationProblem, counts: Mapping[Key, int]) -> dict[str, float]:
    """What so many replicas leave, requests per second by model."""
    return {
        model.name: float(
            route(model, tuple(counts.get((model.name, own.name), 0) for own in model.candidates)).left_rps.sum()
        )
        for model in problem.models
    }


@st.composite
def counts_within(draw: st.DrawFn, problem: AllocationProblem) -> dict[Key, int]:
    """Replicas that fit the stock, whether they make sense or not."""
    left, counts = dict(problem.gpus), {}
    for model in problem.models:
        for candidate in model.candidates:
            room = left.get(candidate.accelerator, 12) // candidate.gpus_per_replica
            count = draw(st.integers(0, max(min(room, 4), 0)))
            counts[model.name, candidate.name] = count
            if candidate.accelerator in left:
                left[candidate.accelerator] -= count * candidate.gpus_per_replica
    return counts


def expect_within_stock(problem: AllocationProblem, counts: Mapping[Key, int]) -> None:
    """No accelerator's GPUs are used beyond its stock."""
    for name, stock in problem.gpus.items():
        assert stock >= sum(
            counts[own.name, one.name] * one.gpus_per_replica
            for own in problem.models
            for one in own.candidates
            if one.accelerator == name
        )
