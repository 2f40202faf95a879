"""Replicas as serving units: which pods of a target serve, start, wait for a node or run on after they were let go."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median_low
from typing import Final

from foresail.domain.snapshot import Replicas
from foresail.operator.observe.labels import PodKey
from foresail.operator.observe.records import PodRecord

STARTUPS_KEPT: Final = 20
LONGEST_LOADING_SECONDS: Final = 3600.0  # what takes longer is no start that anybody waits for
ALIKE: Final = 3.0  # replicas of one target load the same weights: none is so many times slower than most


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
    """Counts of one target of which `current` replicas are asked for.

    A pod that was ready and is not now counts as starting, as it does not serve and may return; but it has been so only
    since it fell back, however long ago it was scheduled.
    """
    messages = [pod.unschedulable for pod in pods.pending if pod.unschedulable]
    return Replicas(
        current=current,
        ready=len(pods.ready),
        starting=len(pods.starting),
        pending=len(pods.pending),
        draining=len(pods.draining),
        pending_seconds=tuple(sorted((now - pod.created for pod in pods.pending), reverse=True)),
        starting_seconds=tuple(sorted((now - _unready_since(pod) for pod in pods.starting), reverse=True)),
        pending_message=messages[0] if messages else "",
    )


@dataclass(slots=True)
class StartupLog:
    """Start-up times of one target's pods in the order in which they became ready, each pod once.

    Of a pod that was seen before it was ready, the time is what it was seen to take. One that is ready when it is first
    seen, after a restart of the operator, tells only when it became ready *last*: after a missed readiness probe that
    is days after its start. A start's readiness comes after its containers began to run by the time it takes to load,
    which siblings take likewise. So such a time is believed if the pod took at most an hour to load, and at most three
    times as long as the lower median of its siblings. Readiness that was lost only makes times longer, so it is told
    as long as half of the pods have kept theirs; a slow start that is left out is made good by the next one seen.
    """

    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=STARTUPS_KEPT))
    seen: set[str] = field(default_factory=set)
    awaited: set[str] = field(default_factory=set)

    def note(self, pods: VariantPods) -> tuple[float, ...]:
        """Take in what is to be seen now; the times, newest last."""
        known = {pod.uid: pod for pod in (*pods.pending, *pods.all)}
        fresh = [pod for uid, pod in known.items() if uid not in self.seen and pod.ready_at is not None]
        usual = median_low(loadings) if (loadings := [_loading(pod) for pod in known.values() if _tells(pod)]) else 0.0
        for pod in sorted(fresh, key=lambda pod: pod.ready_at or 0.0):
            self.seen.add(pod.uid)
            if _tells(pod) and (
                pod.uid in self.awaited or _loading(pod) <= min(ALIKE * usual, LONGEST_LOADING_SECONDS)
            ):
                self.seconds.append(max((pod.ready_at or 0.0) - pod.created, 0.0))
        self.awaited |= {uid for uid, pod in known.items() if pod.ready_at is None and not pod.fell_back}
        self.seen &= known.keys()
        self.awaited &= known.keys() - self.seen
        return tuple(self.seconds)


def keys_of(pods: Iterable[PodRecord]) -> list[PodKey]:
    """Pods as they are called in the labels of series."""
    return [PodKey(pod.namespace, pod.name) for pod in pods]


def load_by_pod(loads: Mapping[PodKey, float | None]) -> Mapping[str, float]:
    """Loads by the pod's name, as far as known."""
    return {key.pod: load for key, load in loads.items() if load is not None}


def nodes_of(pods: Iterable[PodRecord]) -> tuple[str, ...]:
    """Nodes on which some pods are."""
    return tuple(sorted({pod.node for pod in pods if pod.node}))


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


def _unready_since(pod: PodRecord) -> float:
    return max(pod.scheduled_at or pod.created, pod.unready_since or 0.0)


def _tells(pod: PodRecord) -> bool:
    """Whether a pod became ready once and no container of it has restarted: that would tell of the restart."""
    return pod.ready_at is not None and pod.restarts == 0


def _loading(pod: PodRecord) -> float:
    """Seconds from when its containers began to run, as far as known, until it was ready."""
    return (pod.ready_at or 0.0) - (pod.started_at or pod.scheduled_at or pod.created)
