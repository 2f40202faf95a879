"""Tell everybody: status, Events, one log line per new decision, metrics; the same reason and sentence in all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from foresail.domain.decision import Condition
from foresail.domain.errors import SpecError
from foresail.domain.reason import Reason
from foresail.domain.workload import Mode, Workload, WorkloadKey
from foresail.operator.actuate.scale import OutcomeKind
from foresail.operator.explain.events import EventRecorder
from foresail.operator.explain.metrics import FleetMetrics
from foresail.operator.explain.status import Object, StatusWriter
from foresail.service.document import Trace

logger = logging.getLogger("foresail.decisions")


class Stored(Protocol):
    """A ModelDeployment as the store has it: what was understood last, and what was not understood now."""

    @property
    def workload(self) -> Workload | None:
        """The last good spec."""

    @property
    def problem(self) -> SpecError | None:
        """Why the newest spec is not understood."""

    @property
    def generation(self) -> int:
        """Generation of the newest spec."""

    @property
    def status(self) -> Mapping[str, Any]:
        """The status as it is in the cluster."""

    @property
    def uid(self) -> str:
        """Identity of the object."""


class Announcer:
    """The last stage of a cycle."""

    def __init__(self, status: StatusWriter, events: EventRecorder, metrics: FleetMetrics) -> None:
        self._status = status
        self._events = events
        self._metrics = metrics
        self.traces: dict[WorkloadKey, Trace] = {}

    def announce(
        self,
        stored: Mapping[WorkloadKey, Stored],
        traces: Mapping[WorkloadKey, Trace],
        problems: Sequence[Condition],
        now: float,
    ) -> None:
        """Tell of one cycle.

        Args:
            stored: Every ModelDeployment there is.
            traces: What was decided; an object without a trace keeps its numbers.
            problems: Conditions of the operator itself, shown on every object.
            now: Seconds since the epoch.
        """
        for key, entry in stored.items():
            self._tell(key, entry, traces.get(key), problems, now)
        self._status.keep(entry.uid for entry in stored.values())
        self._metrics.keep(stored)
        self.traces = {key: trace for key, trace in {**self.traces, **traces}.items() if key in stored}

    def fall_silent(self) -> None:
        """Forget every trace: another operator speaks now."""
        self.traces = {}
        self._metrics.keep(())

    def _tell(
        self, key: WorkloadKey, entry: Stored, trace: Trace | None, problems: Sequence[Condition], now: float
    ) -> None:
        decision = trace.decision if trace is not None else None
        routing = (trace.routing,) if trace is not None and trace.routing is not None else ()
        overlay = (*problems, *_refusals(trace), *_spec_problem(entry), *routing)
        about = _about(key, entry, trace)
        published = self._status.publish(about, decision, overlay, now)
        if trace is not None:
            self._metrics.record(trace, now, renewed=published.renewed)
            if published.renewed:
                _log(entry, trace)
        if entry.workload is not None and entry.workload.mode is Mode.AUTO:  # else only status is written
            for notice in published.news:
                self._events.record(key, entry.uid, notice, now)


def _about(key: WorkloadKey, entry: Stored, trace: Trace | None) -> Object:
    """The object, with the spec that the trace rests on: one that was changed during the cycle was not yet observed."""
    seen = trace.observation.workload if trace is not None and trace.observation is not None else entry.workload
    if seen is None or entry.workload is None or seen.generation == entry.workload.generation:
        return Object(key, entry.uid, entry.generation, entry.status, entry.workload)
    generation = max(seen.generation, entry.status.get("observedGeneration") or 0)
    return Object(key, entry.uid, generation, entry.status, seen)


def _spec_problem(entry: Stored) -> Iterable[Condition]:
    if entry.problem is not None:
        consequence = "the last good spec is in force" if entry.workload is not None else "nothing is scaled"
        yield Condition("Ready", "False", Reason.SPEC_INVALID, f"{entry.problem}. Until then {consequence}.")


def _refusals(trace: Trace | None) -> Iterable[Condition]:
    for write in trace.writes if trace is not None else ():
        if write.outcome == OutcomeKind.REFUSED:
            yield Condition("Ready", "False", Reason.WRITE_REFUSED, f"{write.variant}: {write.message}")


def _log(entry: Stored, trace: Trace) -> None:
    decision = trace.decision
    logger.info(
        "%s reason=%s",
        decision.message,
        decision.reason,
        extra={
            "namespace": decision.key.namespace,
            "name_of_object": decision.key.name,
            "uid": entry.uid,
            "generation": entry.generation,
            "decision_id": decision.id,
            "from": decision.current if decision.found else None,
            "to": decision.desired if decision.found else None,
        },
    )
