"""What the service shows of the operator: traces, metrics, and whether it lives and is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry

from foresail.domain.workload import WorkloadKey
from foresail.operator.explain.announcer import Announcer
from foresail.operator.explain.metrics import OperatorMetrics
from foresail.operator.loop import Loop
from foresail.operator.streams import WatchTimeouts
from foresail.operator.watch import Watch
from foresail.service.document import Trace

LOOP_DEAD_CYCLES = 8
LOOP_DEAD_SECONDS = 60.0  # at least: a first look at a large fleet's history takes its time


class Health:
    """The operator as the service sees it."""

    def __init__(
        self,
        *,
        loop: Loop,
        watch: Watch,
        announcer: Announcer,
        metrics: OperatorMetrics,
        timeouts: WatchTimeouts,
        cycle_seconds: float,
        leading: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._watch = watch
        self._announcer = announcer
        self._metrics = metrics
        self._stream_dead_seconds = 2.0 * timeouts.server_seconds
        self._loop_dead_seconds = max(LOOP_DEAD_CYCLES * cycle_seconds, LOOP_DEAD_SECONDS)
        self._leading = leading

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics, those of the moment set."""
        self._metrics.leader.set(self._leading())
        for name, age in self._watch.ages().items():
            self._metrics.watch_age.labels(name).set(age)
        return self._metrics.registry

    @property
    def traces(self) -> Mapping[WorkloadKey, Trace]:
        """The last cycle of every object."""
        return self._announcer.traces

    def liveness_problem(self) -> str:
        """The loop does not turn, or a stream has been dead for long: a restart may help."""
        if self._loop.age_seconds() > self._loop_dead_seconds:
            return f"the loop has not turned for {self._loop.age_seconds():.0f} s"
        dead = [
            f"{name} for {age:.0f} s" for name, age in self._watch.ages().items() if age > self._stream_dead_seconds
        ]
        return f"no sign of life of {', '.join(dead)}" if dead else ""

    def readiness_problem(self) -> str:
        """The store is not, or no longer, like the cluster."""
        return self._watch.problem

    def ages_seconds(self) -> Mapping[str, float]:
        """Ages of the loop and of the streams."""
        return {"loop": self._loop.age_seconds()} | {f"watch/{k}": age for k, age in self._watch.ages().items()}
