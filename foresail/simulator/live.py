"""The live simulation: one simulated server per ready pod, and shadow fleets that get the very same requests.

Trace time starts when the first pod is ready, so that nothing is asked of a cluster that is still being built. The
shadows start with as many replicas as the live fleet then has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from foresail.domain.snapshot import Demand
from foresail.simulator.arrivals import RateArrivals
from foresail.simulator.baselines import HpaRule, StaticCount, in_flight, in_flight_target, peak_replicas, work_rate
from foresail.simulator.engine import Engine
from foresail.simulator.fleet import TICK_SECONDS, Fleet
from foresail.simulator.observation import Observer
from foresail.simulator.pods import PodState
from foresail.simulator.replay import Contender, RaceSettings, at, make_contender, make_observer
from foresail.simulator.trace import RateTrace

LIVE = "live"
CHANGE_SECONDS = 5.0  # pods of one change of the target come and go within this
MOST_TICKS = 600  # caught up at once after a pause of the process; a longer one is left out


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How the live simulation is run.

    Args:
        race: As of a race; `start` and `initial_replicas` come from the cluster.
        min_replicas: Of the HPA's rules.
        max_replicas: Of the HPA's rules.
        static_seconds: Length of the stretch for whose peak the static fleet is sized.
    """

    race: RaceSettings
    min_replicas: int = 1
    max_replicas: int = 12
    static_seconds: float = 600.0


class Live:
    """The state of the live simulation; `now` is always given."""

    def __init__(self, trace: RateTrace, settings: LiveSettings, *, now: float) -> None:
        self._trace = trace
        self._settings = settings
        self._race = settings.race
        self._arrivals = RateArrivals(trace.faster(self._race.speed), seed=self._race.seed)
        self._offset = self._race.play_from_seconds / self._race.speed
        self.fleet = Fleet(self._race.engine, self._race.limits, now=now, seed=self._race.seed)
        self.contenders = [Contender(LIVE, self.fleet, None, startup_seconds=0.0)]
        self.started_at: float | None = None
        self._observer: Observer | None = None
        self._ticks = 0
        self._changed_at = 0.0
        self._leaving: dict[str, Engine] = {}

    def sync(self, pods: Sequence[PodState], now: float) -> None:
        """Take in which pods there are."""
        staying = {pod.name: pod for pod in pods if not pod.deleting}
        replicas = self.fleet.replicas
        if set(staying) != set(replicas):
            self._note_change(now)
        for name in set(replicas) - set(staying):
            self._leaving[name] = replicas[name].engine
            self.fleet.drain(name)
        for name, pod in staying.items():
            if name not in replicas:
                self.fleet.add(name, ready_at=None, created_at=pod.created_at)
            if pod.ready_at is not None and replicas[name].ready_at is None:
                self.fleet.mark_ready(name, min(pod.ready_at, now))
            elif pod.ready_at is None:
                replicas[name].ready_at = None
        known = {pod.name for pod in pods}
        self._leaving = {name: engine for name, engine in self._leaving.items() if name in known}

    def _note_change(self, now: float) -> None:
        if self.started_at is not None and now - self._changed_at > CHANGE_SECONDS:
            self.fleet.replica_changes += 1
        self._changed_at = now

    def advance(self, now: float) -> None:
        """Play the trace up to `now`, in whole ticks."""
        if self.started_at is None:
            self._wait(now)
            return
        ticks = int((now - self.started_at) / TICK_SECONDS)
        if ticks - self._ticks > MOST_TICKS:  # the process was stopped for long
            self.started_at += (ticks - self._ticks) * TICK_SECONDS
            return
        while self._ticks < ticks:
            self._tick(self.started_at)

    def exposed(self) -> dict[str, Engine]:
        """Servers that answer a scrape, by pod: those that are ready and those on their way out."""
        return {replica.name: replica.engine for replica in self.fleet.ready()} | self._leaving

    def played_seconds(self) -> float:
        """How long the trace has been played."""
        return self._ticks * TICK_SECONDS

    def summary(self) -> dict[str, Any]:
        """What everybody achieved on the same demand, as JSON."""
        return {
            "simulated": True,
            "played_seconds": self.played_seconds(),
            "speed": self._race.speed,
            "startup_seconds": self._race.startup_seconds,
            "limits": self._race.limits._asdict(),
            "policies": [_without_timeline(contender) for contender in self.contenders],
        }

    def state(self) -> dict[str, Any]:
        """Where the simulation stands, as JSON."""
        counts = self.fleet.counts()
        played = self.played_seconds()
        demand = self._observer.demand() if self._observer is not None else Demand(0.0, 0.0, 0.0)
        return {
            "simulated": True,
            "started_at": self.started_at,
            "played_seconds": played,
            "speed": self._race.speed,
            "trace_seconds": self._race.play_from_seconds + played * self._race.speed,
            "trace_end_seconds": self._trace.duration_seconds,
            "demand": asdict(demand),
            "expected_demand": asdict(self._arrivals.expected(self._offset + played)),
            "replicas": asdict(counts),
            "waiting": self.fleet.queued,
            "running": self.fleet.running,
            "recent_attainment": self.fleet.score.recent_attainment(self.fleet.now),
            "pods": {name: engine.in_flight for name, engine in self.exposed().items()},
        }

    def _wait(self, now: float) -> None:
        self.fleet.now = now
        if self.fleet.ready():
            self.started_at = now
            self.fleet.replica_changes = 0
            for replica in self.fleet.replicas.values():
                replica.engine.clock = now
            race = replace(self._race, start=now, initial_replicas=self.fleet.counts().current)
            self._observer = make_observer(self._trace, race)
            self.contenders += self._shadows(race)

    def _shadows(self, race: RaceSettings) -> list[Contender]:
        first = int(race.play_from_seconds // self._trace.step_seconds)
        last = first + round(self._settings.static_seconds * race.speed / self._trace.step_seconds)
        bounds = (self._settings.min_replicas, self._settings.max_replicas)
        past = self._trace.rows(0, first) if first > 0 else self._trace
        target = in_flight_target(past, race.engine)
        return [
            make_contender("hpa-in-flight", HpaRule(in_flight, target=target, bounds=bounds), race),
            make_contender("hpa-work-rate", HpaRule(work_rate(race.engine), bounds=bounds), race),
            make_contender("static-peak", StaticCount(peak_replicas(self._trace.rows(first, last), race.engine)), race),
        ]

    def _tick(self, start: float) -> None:
        since, self._ticks = self._ticks * TICK_SECONDS, self._ticks + 1
        until = self._ticks * TICK_SECONDS
        observer = self._observer
        if observer is None:
            return
        requests = at(start - self._offset, self._arrivals.between(self._offset + since, self._offset + until))
        observer.note(start + until, requests)
        for contender in self.contenders:
            contender.advance(start + until, requests)
        if self._ticks % round(self._race.cycle_seconds / TICK_SECONDS) == 0:
            for contender in self.contenders:
                if contender.policy is not None:
                    contender.decide(observer)


def _without_timeline(contender: Contender) -> dict[str, Any]:
    outcome = asdict(contender.outcome())
    del outcome["timeline"]
    return outcome | {"gpu_hours": outcome["gpu_seconds"] / 3600}
