"""Replicas that serve requests, event by event: what routing weights and head-room come to.

A replica that serves only requests of bucket b, at its capacity and as slowly as was promised, runs
capacity_b · tokens_b · TPOT of them at a time; each takes that part of the replica. At load u, the sum over all that
runs, a token takes

    TPOT · (idle + (1 - idle) · u)  up to u = 1,      TPOT · u  beyond,

so that the promise is kept exactly while the load is within the capacity, as the profile is defined, and overload
stretches all that runs in proportion. `idle` is what a token takes in an empty batch. Requests arrive at random
(Poisson), choose a variant by the routing weights and its least loaded replica, and start at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from foresail.domain.timeseries import FloatArray

SETTLED = 1e-6  # a request is late when it takes longer than was promised by more than rounding


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """What is true of the replicas; arrays by variant and bucket with traffic.

    Args:
        replicas: Shape (V,).
        capacity_rps: Shape (V, B), what a replica really sustains.
        idle_share: Shape (V,), of TPOT in an empty batch.
        tokens: Shape (B,), output tokens of a request.
        tpot_seconds: That was promised.
    """

    replicas: Sequence[int]
    capacity_rps: FloatArray
    idle_share: FloatArray
    tokens: FloatArray
    tpot_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Requests in the order of arrival: when, of which bucket, and what each drew to choose a variant, 0…1."""

    seconds: FloatArray
    bucket: np.ndarray[tuple[int], np.dtype[np.int64]]
    drawn: FloatArray


@dataclass(slots=True)
class Replica:
    """A replica and what runs on it; mutable.

    Progress counts tokens that a request which is always there would have got; requests end where they reach theirs.
    """

    idle_share: float
    tpot_seconds: float
    load: float = 0.0
    seconds: float = 0.0
    progress: float = 0.0
    running: list[tuple[float, int, float, float]] = field(default_factory=list)  # end, number, since, part of the load
    work: float = 0.0  # seconds that all requests so far would take it at its capacity

    def pace(self) -> float:
        """Seconds a token."""
        stretched = self.idle_share + (1.0 - self.idle_share) * self.load if self.load <= 1.0 else self.load
        return self.tpot_seconds * stretched

    def advance(self, now: float, took: FloatArray) -> None:
        """Run until `now`; writes how long each request that ends took."""
        while self.running:
            pace = self.pace()
            end, number, since, part = self.running[0]
            ends = self.seconds + (end - self.progress) * pace
            if ends > now:
                break
            self._pass(ends, pace)
            heapq.heappop(self.running)
            self.load = self.load - part if self.running else 0.0
            took[number] = ends - since
        if now < np.inf:
            self._pass(now, self.pace())

    def start(self, number: int, part: float, tokens: float) -> None:
        """Take a request now."""
        self.load += part
        self.work += part * tokens * self.tpot_seconds
        heapq.heappush(self.running, (self.progress + tokens, number, self.seconds, part))

    def _pass(self, now: float, pace: float) -> None:
        self.progress += (now - self.seconds) / pace
        self.seconds = now


def poisson(demand_rps: FloatArray, seconds: float, rng: np.random.Generator) -> Arrivals:
    """Independent arrivals of all buckets, shape (B,), for so long."""
    counts = rng.poisson(demand_rps * seconds)
    bucket = np.repeat(np.arange(len(demand_rps)), counts)
    when = rng.uniform(0.0, seconds, len(bucket))
    order = np.argsort(when)
    return Arrivals(when[order], bucket[order], rng.random(len(bucket)))


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What came of the arrivals.

    Args:
        seconds: Shape (N,), that each took.
        work_seconds: By variant, of each replica: how long it would take at its capacity for all that it was given.
    """

    seconds: FloatArray
    work_seconds: list[FloatArray]


def late_share(service: Service, served: Served, arrivals: Arrivals, warm_seconds: float) -> float:
    """Share of requests whose mean TPOT is above the promise; those that come within the warm-up are not counted."""
    counted = arrivals.seconds >= warm_seconds
    promised = service.tokens[arrivals.bucket] * service.tpot_seconds * (1.0 + SETTLED)
    return float((served.seconds > promised)[counted].mean())


def serve(service: Service, routing: FloatArray, arrivals: Arrivals, *, pass_over: bool = False) -> Served:
    """Serve all arrivals.

    Args:
        service: Replicas.
        routing: Shape (V, B): the share of each bucket that goes to a variant.
        arrivals: Requests.
        pass_over: A request whose variant has no replica with room goes to the replica that has most.
    """
    fleet = _Fleet(service, np.full(len(arrivals.seconds), np.inf))
    bound = routing.cumsum(axis=0) / routing.sum(axis=0)
    chosen = (bound[:, arrivals.bucket] <= arrivals.drawn).sum(axis=0)
    rows = zip(arrivals.seconds.tolist(), arrivals.bucket.tolist(), chosen.tolist(), strict=True)
    for number, (now, bucket, variant) in enumerate(rows):
        place = fleet.least_loaded([variant], bucket, now)
        if pass_over and place[0] > 1.0:
            place = fleet.least_loaded(range(len(service.replicas)), bucket, now)
        fleet.take(number, place, bucket)
    return Served(fleet.took, fleet.end())


class _Fleet:
    """The replicas by variant; mutable."""

    def __init__(self, service: Service, took: FloatArray) -> None:
        self._service, self.took = service, took
        at_a_time = service.capacity_rps * service.tokens * service.tpot_seconds
        self._part = np.divide(1.0, at_a_time, out=np.full(at_a_time.shape, np.inf), where=at_a_time > 0.0)
        self._replicas = [
            [Replica(float(idle), service.tpot_seconds) for _ in range(count)]
            for count, idle in zip(service.replicas, service.idle_share, strict=True)
        ]

    def least_loaded(self, variants: Iterable[int], bucket: int, now: float) -> tuple[float, int, Replica]:
        """The replica that would be loaded least with one request more, its variant, and that load."""
        best: tuple[float, int, Replica] | None = None
        for variant in variants:
            part = float(self._part[variant, bucket])
            for replica in self._replicas[variant]:
                replica.advance(now, self.took)
                if best is None or replica.load + part < best[0]:
                    best = (replica.load + part, variant, replica)
        if best is None:
            raise ValueError("routing sends requests to a variant without replicas")
        return best

    def take(self, number: int, place: tuple[float, int, Replica], bucket: int) -> None:
        """Start a request."""
        _, variant, replica = place
        part = float(self._part[variant, bucket])
        tokens = float(self._service.tokens[bucket])
        replica.start(number, part, tokens)

    def end(self) -> list[FloatArray]:
        """Let all that runs end; the work of each replica by variant."""
        for replica in (one for own in self._replicas for one in own):
            if replica.running:
                replica.advance(np.inf, self.took)
        return [np.array([replica.work for replica in own]) for own in self._replicas]
