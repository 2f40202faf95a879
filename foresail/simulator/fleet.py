"""A fleet of simulated servers behind a balancer, and what becomes of it when replicas come and go.

Time goes in ticks. Requests of a tick are balanced by what was in flight at its start and what the tick itself has
placed, as real balancers work on numbers that are a moment old: each goes to the less loaded of two ready replicas
drawn by chance, which keeps a new, empty replica from being given everything. Without a ready replica requests are
refused, and count as violated. A replica costs GPU time from its creation until it is drained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from foresail.simulator.engine import Engine, EngineSettings, Request
from foresail.simulator.score import Limits, Score

TICK_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class Replica:
    """One replica. `ready_at` None: not known yet, somebody else will say."""

    name: str
    engine: Engine
    created_at: float
    ready_at: float | None


class Served(NamedTuple):
    """Totals of a fleet since it began, replicas that are gone included."""

    finished: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0
    tpot_seconds: float = 0.0
    tpot_count: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Replicas by state; `current` is what is asked for: ready and starting."""

    ready: int
    starting: int
    draining: int

    @property
    def current(self) -> int:
        """What is asked for."""
        return self.ready + self.starting


class Fleet:
    """Replicas at an instant.

    Args:
        settings: Of every engine.
        limits: What a request must keep.
        now: Instant at which it begins.
        gpus_per_replica: For GPU time.
        seed: Of the balancer.
    """

    def __init__(
        self, settings: EngineSettings, limits: Limits, *, now: float, gpus_per_replica: int = 1, seed: int = 0
    ) -> None:
        self.settings = settings
        self.now = now
        self.score = Score(limits)
        self.received = 0
        self.gpu_seconds = 0.0
        self.replica_changes = 0
        self.startup_seconds: list[float] = []
        self.replicas: dict[str, Replica] = {}
        self._gpus_per_replica = gpus_per_replica
        self._draining: list[Engine] = []
        self._gone = Served()
        self._names = 0
        self._random = np.random.default_rng((seed, 1))

    def counts(self) -> Counts:
        """Replicas by state."""
        ready = len(self.ready())
        return Counts(ready, len(self.replicas) - ready, len(self._draining))

    def ready(self) -> list[Replica]:
        """The replicas that serve."""
        return [r for r in self.replicas.values() if r.ready_at is not None and r.ready_at <= self.now]

    def engines(self) -> list[Engine]:
        """Every engine, draining ones too."""
        return [*(replica.engine for replica in self.replicas.values()), *self._draining]

    def served(self) -> Served:
        """What was served so far."""
        return _add_up(self.engines(), self._gone)

    @property
    def queued(self) -> int:
        """Requests in queue anywhere."""
        return sum(engine.queued for engine in self.engines())

    @property
    def running(self) -> int:
        """Requests in a batch anywhere."""
        return sum(engine.running for engine in self.engines())

    @property
    def violated(self) -> int:
        """Requests that missed a limit, were refused, or wait for longer than they should."""
        overdue = sum(self.score.overdue(engine.waiting_for_first_token(), self.now) for engine in self.engines())
        return self.score.late + self.score.refused + overdue

    def scale_to(self, replicas: int, *, startup_seconds: float) -> None:
        """Ask for a number of replicas: new ones start, superfluous ones go, those that do not serve yet first."""
        surplus = len(self.replicas) - replicas
        if surplus != 0:
            self.replica_changes += 1
        for _ in range(-surplus):
            self._names += 1
            self.add(f"simulated-{self._names}", ready_at=self.now + startup_seconds)
        for replica in sorted(self.replicas.values(), key=self._dispensability)[: max(surplus, 0)]:
            self.drain(replica.name)

    def add(self, name: str, *, ready_at: float | None, created_at: float | None = None) -> None:
        """Take in a replica."""
        created = self.now if created_at is None else created_at
        self.replicas[name] = Replica(name, Engine(self.settings, clock=self.now), created, None)
        if ready_at is not None:
            self.mark_ready(name, ready_at)

    def mark_ready(self, name: str, ready_at: float) -> None:
        """Say when a replica is ready."""
        replica = self.replicas[name]
        replica.ready_at = ready_at
        self.startup_seconds.append(max(ready_at - replica.created_at, 0.0))

    def drain(self, name: str) -> None:
        """Let a replica go: it gets no more requests and finishes what it has."""
        engine = self.replicas.pop(name).engine
        engine.draining = True
        self._draining.append(engine)
        self._part()

    def advance(self, until: float, requests: Sequence[Request]) -> None:
        """Serve the requests that arrive before `until`, at most a tick ahead."""
        self.gpu_seconds += (until - self.now) * self._gpus_per_replica * (len(self.replicas) + len(self._draining))
        engines = [replica.engine for replica in self.ready()]
        self._place(engines, requests)
        self.now = until
        for engine in [*engines, *self._draining]:
            finished = engine.advance(until)
            if finished:
                self.score.judge(finished)
        if self._draining:
            self._part()

    def _place(self, engines: Sequence[Engine], requests: Sequence[Request]) -> None:
        self.received += len(requests)
        if not engines:
            self.score.refused += len(requests)
            return
        pairs = self._random.integers(len(engines), size=(len(requests), 2)).tolist()
        for request, (one, other) in zip(requests, pairs, strict=True):
            chosen = min(engines[one], engines[other], key=_in_flight)
            if not chosen.submit(request):
                self.score.refuse()

    def _part(self) -> None:
        """Part from replicas that are drained."""
        self._gone = _add_up((engine for engine in self._draining if not engine.in_flight), self._gone)
        self._draining = [engine for engine in self._draining if engine.in_flight]

    def _dispensability(self, replica: Replica) -> tuple[bool, float, float]:
        serves = replica.ready_at is not None and replica.ready_at <= self.now
        return serves, replica.engine.in_flight, -replica.created_at


def _in_flight(engine: Engine) -> int:
    return engine.in_flight


def _add_up(engines: Iterable[Engine], start: Served) -> Served:
    rows = [
        (t.finished, t.prompt_tokens, t.generation_tokens, t.tpot.total, t.tpot.count)
        for t in (e.tally for e in engines)
    ]
    return Served(*(sum(column) for column in zip(start, *rows, strict=True)))
