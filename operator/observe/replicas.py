"""Replicas as serving units: which pods of a target serve, start, wait for a node or run on after they were let go."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from foresail.domain.snapshot import Replicas
from foresail.operator.observe.labels import PodKey
from foresail.operator.observe.records import PodRecord

STARTUPS_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class VariantPods:
    """The pods of one target by phase, oldest first; `gone` ones live on in their series only.

    A pod is a serving unit: where a replica has several (LeaderWorkerSet), the target's selector takes in the leaders.
    """

    ready: tuple[PodRecord, ...] = ()
    starting: tuple[PodRecord, ...] = ()
    pending: tuple[PodRecord, ...] = ()
    draining: tuple[PodRecord, ...] = ()
    gone: tuple[PodRecord, ...] = ()

    @property
    def all(self) -> tuple[PodRecord, ...]:
        """Every pod that may have series."""
        return (*self.ready, *self.starting, *self.draining, *self.gone)


def sort_pods(pods: Iterable[PodRecord]) -> VariantPods:
    """Tell pods apart by phase. Finished pods are no replicas."""
    phases: dict[str, list[PodRecord]] = {"ready": [], "starting": [], "pending": [], "draining": [], "gone": []}
    for pod in pods:
        phase = _phase(pod)
        if phase:
            phases[phase].append(pod)
    return VariantPods(**{phase: tuple(members) for phase, members in phases.items()})


def count_replicas(current: int, pods: VariantPods, now: float) -> Replicas:
    """Counts of one target of which `current` replicas are asked for."""
    messages = [pod.unschedulable for pod in pods.pending if pod.unschedulable]
    return Replicas(
        current=current,
        ready=len(pods.ready),
        starting=len(pods.starting),
        pending=len(pods.pending),
        draining=len(pods.draining),
        oldest_pending_seconds=max((now - pod.created for pod in pods.pending), default=0.0),
        oldest_starting_seconds=max((now - (pod.scheduled_at or pod.created) for pod in pods.starting), default=0.0),
        pending_message=messages[0] if messages else "",
    )


@dataclass(slots=True)
class StartupLog:
    """Start-up times of one target's pods in the order in which they became ready, each pod once."""

    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=STARTUPS_KEPT))
    seen: set[str] = field(default_factory=set)

    def note(self, pods: VariantPods) -> tuple[float, ...]:
        """Take in what is to be seen now; the times, newest last."""
        known = {pod.uid: pod for pod in pods.all}
        fresh = [pod for uid, pod in known.items() if uid not in self.seen and pod.ready_at is not None]
        for pod in sorted(fresh, key=lambda pod: pod.ready_at or 0.0):
            self.seen.add(pod.uid)
            if pod.restarts == 0 and pod.ready_at is not None:  # else the time tells of a restart, not of the start
                self.seconds.append(max(pod.ready_at - pod.created, 0.0))
        self.seen &= known.keys()
        return tuple(self.seconds)


def keys_of(pods: Iterable[PodRecord]) -> list[PodKey]:
    """Pods as they are called in the labels of series."""
    return [PodKey(pod.namespace, pod.name) for pod in pods]


def load_by_pod(loads: Mapping[PodKey, float | None]) -> Mapping[str, float]:
    """Loads by the pod's name, as far as known."""
    return {key.pod: load for key, load in loads.items() if load is not None}


def _phase(pod: PodRecord) -> str:
    if pod.deleted_at is not None:
        return "gone"
    if pod.finished:
        return ""
    if pod.deleting:
        return "draining"
    if pod.ready:
        return "ready"
    return "starting" if pod.node else "pending"
