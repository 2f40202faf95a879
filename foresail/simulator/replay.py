"""A race of policies on the very same requests, in virtual time: what is called live elsewhere, without a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from foresail.simulator.arrivals import RateArrivals
from foresail.simulator.baselines import Policy, StaticCount
from foresail.simulator.engine import EngineSettings, Request
from foresail.simulator.fleet import TICK_SECONDS, Fleet
from foresail.simulator.observation import FleetMinute, Observer
from foresail.simulator.score import Limits, Percentiles
from foresail.simulator.trace import RateTrace

EXAMPLE_LIMITS = Limits(ttft_seconds=2.0, tpot_seconds=0.05)  # of examples/01-one-model


@dataclass(frozen=True, slots=True)
class RaceSettings:
    """How a race is run.

    Args:
        play_from_seconds: Where in the trace it starts; what lies before is history.
        duration_seconds: How long it lasts, in seconds of the engines.
        speed: How much faster the trace passes than the engines' time.
        startup_seconds: From a decision to a ready replica.
        initial_replicas: Ready at the start.
        start: Instant of the start, seconds since the epoch.
        cycle_seconds: Between decisions.
        limits: What a request must keep.
        engine: Of every replica.
        seed: Of arrivals and balancer.
    """

    play_from_seconds: float
    duration_seconds: float = 600.0
    speed: float = 20.0
    startup_seconds: float = 45.0
    initial_replicas: int = 3
    start: float = 1_700_000_000.0
    cycle_seconds: float = 15.0
    limits: Limits = EXAMPLE_LIMITS
    engine: EngineSettings = field(default_factory=EngineSettings)
    seed: int = 0


class TimelineRow(NamedTuple):
    """One decision: what was asked, what was there."""

    time: float
    demand_rps: float
    desired: int
    ready: int
    starting: int
    queued: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy achieved with simulated replicas.

    `judged` counts requests that finished, were refused, or have waited longer for a first token than they should;
    `violated` are those of them that are not within the limits; `attainment` is 1 - violated / judged. What is still
    under way is in `requests` only. GPU time counts ready, starting and draining replicas.
    """

    name: str
    requests: int
    finished: int
    refused: int
    judged: int
    violated: int
    attainment: float | None
    gpu_seconds: float
    replica_changes: int
    ready: int
    starting: int
    ttft_milliseconds: Percentiles
    tpot_milliseconds: Percentiles
    timeline: tuple[TimelineRow, ...] = ()


class Contender:
    """A fleet and the policy that sets its size; None: somebody else does."""

    def __init__(self, name: str, fleet: Fleet, policy: Policy | None, *, startup_seconds: float) -> None:
        self.name = name
        self.fleet = fleet
        self.policy = policy
        self.startup_seconds = startup_seconds
        self.timeline: list[TimelineRow] = []
        self._minute = FleetMinute()

    def advance(self, until: float, requests: Sequence[Request]) -> None:
        """Serve a tick."""
        self.fleet.advance(until, requests)
        self._minute.note(self.fleet)

    def decide(self, observer: Observer) -> None:
        """Let the policy decide, and do it."""
        observation = observer.observe(self.fleet, self._minute)
        counts = observation.replicas
        desired = counts.current if self.policy is None else self.policy(self.fleet.now, observation)
        rate = observation.demand.requests_per_second
        self.timeline.append(
            TimelineRow(self.fleet.now, rate, desired, counts.ready, counts.starting, observation.waiting)
        )
        if desired != counts.current:
            self.fleet.scale_to(desired, startup_seconds=self.startup_seconds)

    def outcome(self) -> Outcome:
        """What it achieved so far."""
        fleet, score, counts = self.fleet, self.fleet.score, self.fleet.counts()
        violated = fleet.violated
        judged = score.passed + violated
        return Outcome(
            name=self.name,
            requests=fleet.received,
            finished=score.passed + score.late,
            refused=score.refused,
            judged=judged,
            violated=violated,
            attainment=score.passed / judged if judged else None,
            gpu_seconds=fleet.gpu_seconds,
            replica_changes=fleet.replica_changes,
            ready=counts.ready,
            starting=counts.starting,
            ttft_milliseconds=score.ttft_milliseconds(),
            tpot_milliseconds=score.tpot_milliseconds(),
            timeline=tuple(self.timeline),
        )


def race(trace: RateTrace, policies: Mapping[str, Policy], settings: RaceSettings) -> dict[str, Outcome]:
    """Run every policy on its own fleet; all get the same requests and start-up time."""
    arrivals = RateArrivals(trace.faster(settings.speed), seed=settings.seed)
    observer = make_observer(trace, settings)
    contenders = [make_contender(name, policy, settings) for name, policy in policies.items()]
    offset = settings.play_from_seconds / settings.speed
    ticks_per_cycle = round(settings.cycle_seconds / TICK_SECONDS)
    for number in range(round(settings.duration_seconds / TICK_SECONDS)):
        if number % ticks_per_cycle == 0 and number > 0:
            for contender in contenders:
                contender.decide(observer)
        since, until = number * TICK_SECONDS, (number + 1) * TICK_SECONDS
        requests = at(settings.start - offset, arrivals.between(offset + since, offset + until))
        observer.note(settings.start + until, requests)
        for contender in contenders:
            contender.advance(settings.start + until, requests)
    return {contender.name: contender.outcome() for contender in contenders}


def simulate(trace: RateTrace, policy: Policy, settings: RaceSettings, *, name: str = "policy") -> Outcome:
    """Run one policy."""
    return race(trace, {name: policy}, settings)[name]


def make_observer(trace: RateTrace, settings: RaceSettings) -> Observer:
    """An observer that knows the trace before the start, at the speed at which it is played."""
    rows = int(settings.play_from_seconds // trace.step_seconds)
    past = trace.rows(0, rows).faster(settings.speed)
    return Observer(past, start=settings.start, step_seconds=settings.cycle_seconds)


def make_contender(name: str, policy: Policy, settings: RaceSettings) -> Contender:
    """A policy with a fleet whose first replicas are ready; a static one has had its count all along."""
    fleet = Fleet(settings.engine, settings.limits, now=settings.start, seed=settings.seed)
    initial = policy.replicas if isinstance(policy, StaticCount) else settings.initial_replicas
    for number in range(initial):
        fleet.add(f"simulated-initial-{number}", ready_at=settings.start)
    fleet.startup_seconds.clear()
    return Contender(name, fleet, policy, startup_seconds=settings.startup_seconds)


def at(origin: float, requests: Sequence[Request]) -> list[Request]:
    """Requests with arrivals counted from the epoch instead of the start of the trace."""
    return [Request(origin + arrival, inputs, outputs) for arrival, inputs, outputs in requests]
