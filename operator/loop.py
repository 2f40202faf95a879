"""The loop: once a cycle, for the whole fleet, observe → forecast → decide → actuate → explain.

Level-triggered: nothing is carried over but `Memory`, so a cycle that failed is repaired by the next. A stage that
fails leaves replicas as they are and is said on every object. A cycle that overruns skips the ones it ran into. A
stale store, or a lease that is not held, and nothing is acted upon.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from foresail.domain.decision import Condition, CycleResult, Decision
from foresail.domain.errors import ForesailError
from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import FleetSnapshot, Unknown, WorkloadObservation
from foresail.domain.workload import WorkloadKey
from foresail.operator.actuate.scale import Outcome, OutcomeKind
from foresail.operator.clock import Clock
from foresail.operator.explain.announcer import Announcer, Stored
from foresail.operator.explain.metrics import OperatorMetrics
from foresail.service.document import Trace, Write

CLOCK_JUMP_SECONDS = 5.0  # more than any slewing of the wall clock within a cycle

Forecasts = Mapping[WorkloadKey, Forecast | Unknown]

logger = logging.getLogger(__name__)


class Observes(Protocol):
    """The first stage."""

    async def observe(self, now: float, leader_since: float) -> FleetSnapshot:
        """What is known now."""


class Acts(Protocol):
    """The stage that writes."""

    async def act(
        self, decisions: Mapping[WorkloadKey, Decision], observations: Mapping[WorkloadKey, WorkloadObservation]
    ) -> Mapping[WorkloadKey, tuple[Outcome, ...]]:
        """Carry out what is due."""


class Routes(Protocol):
    """The part of the same stage that shares requests among what is there."""

    async def route(
        self, decisions: Mapping[WorkloadKey, Decision], observations: Mapping[WorkloadKey, WorkloadObservation]
    ) -> Mapping[WorkloadKey, Condition]:
        """Carry out routing weights and say how that stands."""


class Leads(Protocol):
    """The lease."""

    @property
    def leader_since(self) -> float | None:
        """Since when this process leads, None when it does not."""

    @property
    def leading(self) -> bool:
        """Whether this process may write now."""


class Watches(Protocol):
    """The watch."""

    @property
    def problem(self) -> str:
        """Why the store must not be acted upon, empty when it may."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of a cycle, in the order in which they run; `stored` gives every ModelDeployment there is."""

    observer: Observes
    forecast: Callable[[FleetSnapshot, Memory], Awaitable[Forecasts]]
    decide: Callable[[FleetSnapshot, Forecasts, Memory], CycleResult]
    actuator: Acts
    router: Routes
    announcer: Announcer
    stored: Callable[[], Mapping[WorkloadKey, Stored]]


@dataclass(slots=True)
class _Term:
    """What is remembered while this process leads."""

    leader_since: float
    memory: Memory = field(default_factory=Memory)


class Loop:
    """Runs the cycles."""

    def __init__(
        self,
        stages: Stages,
        *,
        lease: Leads,
        watch: Watches,
        metrics: OperatorMetrics,
        clock: Clock,
        cycle_seconds: float,
    ) -> None:
        self._stages = stages
        self._lease = lease
        self._watch = watch
        self._metrics = metrics
        self._clock = clock
        self._cycle_seconds = cycle_seconds
        self._term: _Term | None = None
        self._stage = ""
        self._turned_at = clock.steady()
        self._drift = clock.wall() - clock.steady()

    def age_seconds(self) -> float:
        """Seconds since the last turn ended."""
        return self._clock.steady() - self._turned_at

    async def run(self, wake: asyncio.Event) -> None:
        """Turn until cancelled; `wake` begins the next turn at once (leadership, a store that became whole)."""
        due = self._clock.steady()
        while True:
            wake.clear()
            await self.turn()
            due += self._cycle_seconds
            late = self._clock.steady() - due
            if late > 0:
                skipped = int(late // self._cycle_seconds) + 1
                self._metrics.skipped.inc(skipped)
                due += skipped * self._cycle_seconds
            try:
                await asyncio.wait_for(wake.wait(), max(due - self._clock.steady(), 0.0))
                due = self._clock.steady()
            except TimeoutError:
                pass

    async def turn(self) -> None:
        """One turn: a cycle if this process leads and its store is whole, else standing still."""
        self._notice_clock()
        term = self._take_term()
        if term is not None:
            await self._lead(term)
        self._turned_at = self._clock.steady()

    async def _lead(self, term: _Term) -> None:
        if self._watch.problem:
            self._say_problem(Reason.WATCH_STALLED, f"The cluster is not seen as it is: {self._watch.problem}.")
            return
        wall, cpu = time.perf_counter(), time.process_time()
        # In a task, so that whatever fails in a stage ends the cycle and not the loop.
        task = asyncio.ensure_future(self._cycle(term))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        self._metrics.cycle_wall.observe(time.perf_counter() - wall)
        self._metrics.cycle_cpu.observe(time.process_time() - cpu)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._metrics.failures.labels(self._stage).inc()
            logger.error("cycle failed in %s", self._stage, exc_info=error)
            self._say_problem(
                Reason.CYCLE_FAILED, f"The stage {self._stage} failed ({error}); replicas stay as they are."
            )

    async def _cycle(self, term: _Term) -> None:
        now = self._clock.wall()
        with self._timed("observe"):
            snapshot = await self._stages.observer.observe(now, term.leader_since)
        with self._timed("forecast"):
            forecasts = await self._forecast(snapshot, term.memory)
        with self._timed("decide"):
            result = self._stages.decide(snapshot, forecasts, term.memory)
        term.memory = result.memory
        with self._timed("actuate"):
            outcomes, routed = await asyncio.gather(
                self._stages.actuator.act(result.decisions, snapshot.workloads),
                self._stages.router.route(result.decisions, snapshot.workloads),
            )
        term.memory = forget_unwritten(result.memory, outcomes, snapshot.now)
        with self._timed("explain"):
            traces = {
                key: Trace(
                    decision,
                    snapshot.workloads.get(key),
                    forecasts.get(key),
                    tuple(_write(outcome) for outcome in outcomes.get(key, ())),
                    routed.get(key),
                )
                for key, decision in result.decisions.items()
            }
            self._stages.announcer.announce(self._stages.stored(), traces, (), now)

    async def _forecast(self, snapshot: FleetSnapshot, memory: Memory) -> Forecasts:
        try:
            return await self._stages.forecast(snapshot, memory)
        except ForesailError as error:
            self._metrics.failures.labels("forecast").inc()
            logger.warning("no forecasts: %s", error)
            unknown = Unknown(Reason.FORECAST_FAILED, f"no forecast could be made: {error}")
            return dict.fromkeys(snapshot.workloads, unknown)

    def _take_term(self) -> _Term | None:
        """What is remembered of this leadership: nothing when it has just begun, None when there is none."""
        since = self._lease.leader_since
        if since is None or not self._lease.leading:
            if self._term is not None:
                self._stages.announcer.fall_silent()
            self._term = None
        elif self._term is None:
            self._term = _Term(since)
        return self._term

    def _notice_clock(self) -> None:
        """A wall clock that was set makes remembered instants meaningless: as careful as after a change of leader."""
        drift = self._clock.wall() - self._clock.steady()
        if abs(drift - self._drift) > CLOCK_JUMP_SECONDS and self._term is not None:
            logger.warning("the wall clock was set by %.1f s; remembered instants are dropped", drift - self._drift)
            self._term = _Term(self._clock.wall(), forget_instants(self._term.memory))
        self._drift = drift

    def _say_problem(self, reason: Reason, message: str) -> None:
        problem = Condition("Ready", "False", reason, message)
        self._stages.announcer.announce(self._stages.stored(), {}, (problem,), self._clock.wall())

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        self._stage = stage
        with self._metrics.stage.labels(stage).time():
            yield


def forget_instants(memory: Memory) -> Memory:
    """What of a memory holds whatever the wall clock says."""
    return Memory(
        {
            key: replace(entry, recommendations=(), changes=(), known_since=None, unknown_since=None)
            for key, entry in memory.workloads.items()
        }
    )


def forget_unwritten(memory: Memory, outcomes: Mapping[WorkloadKey, tuple[Outcome, ...]], now: float) -> Memory:
    """The memory without the changes of this cycle that were not written: they use up no step of `behavior`."""
    entries = dict(memory.workloads)
    for key, found in outcomes.items():
        failed = {outcome.variant for outcome in found if outcome.kind is not OutcomeKind.WRITTEN}
        if failed and key in entries:
            kept = tuple(c for c in entries[key].changes if c.time != now or c.variant not in failed)
            entries[key] = replace(entries[key], changes=kept)
    return Memory(entries)


def _write(outcome: Outcome) -> Write:
    return Write(outcome.variant, outcome.replicas, outcome.kind.value, outcome.message)
