"""The store: the cluster as the watches told of it, in memory, ready to be asked once a cycle for the whole fleet.

It is filled by `apply`, one event at a time, in the loop's thread. Events are levels: applying one twice changes
nothing, and a body of another UID under a known name replaces what was there. A spec that cannot be parsed keeps the
last good copy beside the problem: a typo scales nothing. Pods that went are remembered for ten minutes, because their
series live on in rates and in the history of the last minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from foresail.domain.accelerator import Accelerator
from foresail.domain.errors import SpecError
from foresail.domain.workload import Workload, WorkloadKey
from foresail.operator.clock import Clock
from foresail.operator.observe.records import (
    NodeRecord,
    PodRecord,
    RivalRecord,
    TargetKey,
    TargetRecord,
    group_of,
    read_node,
    read_pod,
    read_rival,
    read_target,
    to_instant,
)
from foresail.operator.observe.selector import Selector
from foresail.operator.resources import parse_accelerator, parse_workload

REMEMBER_SECONDS: Final = 600.0
TARGET_KINDS: Final = frozenset({"Deployment", "StatefulSet"})
RIVAL_KINDS: Final = frozenset({"HorizontalPodAutoscaler", "ScaledObject", "PodAutoscaler"})
K = TypeVar("K")
V = TypeVar("V")
_EVERY: Final = ("", "")  # the index entry of all pods of a namespace


@dataclass(frozen=True, slots=True)
class StoredWorkload:
    """A ModelDeployment: its last good spec (None: never), why the newest one is not understood, and its status.

    `created` is the instant of its creation, seconds since the epoch.
    """

    workload: Workload | None
    problem: SpecError | None
    generation: int
    status: Mapping[str, Any]
    uid: str
    deleting: bool = False
    created: float = 0.0


class Store:
    """The cluster in memory.

    Attributes:
        workloads: ModelDeployments by key.
        accelerators: Last good AcceleratorProfiles by name.
        accelerator_problems: Why the newest spec of a profile is not understood, by name.
        targets: Deployments and StatefulSets.
        nodes: Nodes by name.
        rivals: Other autoscalers by kind, namespace and name.
        terminating: Namespaces that are going.
        seen_at: When the last event of each kind came (wall clock); a kind without an entry was never seen.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        parse_workload: Callable[[Mapping[str, Any]], Workload] = parse_workload,
        parse_accelerator: Callable[[Mapping[str, Any]], Accelerator] = parse_accelerator,
    ) -> None:
        self._clock = clock
        self._parse_workload = parse_workload
        self._parse_accelerator = parse_accelerator
        self.workloads: dict[WorkloadKey, StoredWorkload] = {}
        self.accelerators: dict[str, Accelerator] = {}
        self.accelerator_problems: dict[str, SpecError] = {}
        self.targets: dict[TargetKey, TargetRecord] = {}
        self.nodes: dict[str, NodeRecord] = {}
        self.rivals: dict[tuple[str, str, str], RivalRecord] = {}
        self.terminating: set[str] = set()
        self.seen_at: dict[str, float] = {}
        self._ours: dict[str, int] = {}
        self._pods: dict[str, PodRecord] = {}
        self._pod_uids: dict[tuple[str, str], str] = {}
        self._index: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)

    def apply(self, event_type: str | None, body: Mapping[str, Any]) -> None:
        """Take in one event; `event_type` is None for an object of a first list, else ADDED, MODIFIED or DELETED."""
        kind, gone = body["kind"], event_type == "DELETED"
        self.seen_at[kind] = self._clock.wall()
        match kind:
            case "ModelDeployment":
                self._apply_workload(body, gone=gone)
            case "AcceleratorProfile":
                self._apply_accelerator(body, gone=gone)
            case "Pod":
                self._apply_pod(body, gone=gone)
            case "Node":
                _put(self.nodes, body["metadata"]["name"], None if gone else read_node(body))
            case "Namespace":
                self._apply_namespace(body, gone=gone)
            case _ if kind in TARGET_KINDS:
                self._apply_target(body, gone=gone)
            case _ if kind in RIVAL_KINDS:
                metadata = body["metadata"]
                key = (kind, metadata["namespace"], metadata["name"])
                _put(self.rivals, key, None if gone else read_rival(body))
            case _:
                pass

    def expect(self, target_uid: str, replicas: int) -> None:
        """Know that we are about to set the replicas of a target, so that the event is not taken for a stranger's."""
        self._ours[target_uid] = replicas

    @property
    def pods(self) -> Iterable[PodRecord]:
        """Every pod there is, without the remembered ones."""
        return (pod for pod in self._pods.values() if pod.deleted_at is None)

    def pods_of(self, namespace: str, selector: Selector) -> list[PodRecord]:
        """Pods that a selector takes in, the remembered ones included, oldest first."""
        pods = (self._pods[uid] for uid in self._candidates(namespace, selector))
        return sorted((pod for pod in pods if selector.matches(pod.labels)), key=lambda pod: (pod.created, pod.name))

    def forget_old(self) -> None:
        """Drop pods that went more than ten minutes ago."""
        since = self._clock.wall() - REMEMBER_SECONDS
        for pod in [pod for pod in self._pods.values() if pod.deleted_at is not None and pod.deleted_at < since]:
            del self._pods[pod.uid]
            self._unindex(pod)

    def _apply_workload(self, body: Mapping[str, Any], *, gone: bool) -> None:
        metadata = body["metadata"]
        key = WorkloadKey(metadata["namespace"], metadata["name"])
        _put(self.workloads, key, None if gone else self._read_workload(body, self.workloads.get(key)))

    def _read_workload(self, body: Mapping[str, Any], before: StoredWorkload | None) -> StoredWorkload:
        metadata = body["metadata"]
        uid, generation = metadata["uid"], int(metadata.get("generation") or 0)
        if before is not None and before.uid != uid:
            before = None
        if before is not None and generation and before.generation == generation:
            workload, problem = before.workload, before.problem
        else:
            workload, problem = self._parse(body, None if before is None else before.workload)
        return StoredWorkload(
            workload=workload,
            problem=problem,
            generation=generation,
            status=body.get("status") or {},
            uid=uid,
            deleting=bool(metadata.get("deletionTimestamp")),
            created=to_instant(metadata.get("creationTimestamp")) or 0.0,
        )

    def _parse(self, body: Mapping[str, Any], last_good: Workload | None) -> tuple[Workload | None, SpecError | None]:
        try:
            return self._parse_workload(body), None
        except SpecError as problem:
            return last_good, problem

    def _apply_accelerator(self, body: Mapping[str, Any], *, gone: bool) -> None:
        name = body["metadata"]["name"]
        self.accelerator_problems.pop(name, None)
        if gone:
            self.accelerators.pop(name, None)
            return
        try:
            self.accelerators[name] = self._parse_accelerator(body)
        except SpecError as problem:
            self.accelerator_problems[name] = problem

    def _apply_target(self, body: Mapping[str, Any], *, gone: bool) -> None:
        metadata = body["metadata"]
        key = TargetKey(group_of(body["apiVersion"]), body["kind"], metadata["namespace"], metadata["name"])
        before, uid = self.targets.get(key), metadata["uid"]
        target = read_target(body, before, self._clock.wall(), ours=self._ours.get(uid))
        if gone:
            self._ours.pop(uid, None)
        _put(self.targets, key, None if gone else target)

    def _apply_namespace(self, body: Mapping[str, Any], *, gone: bool) -> None:
        metadata = body["metadata"]
        if metadata.get("deletionTimestamp") and not gone:
            self.terminating.add(metadata["name"])
        else:
            self.terminating.discard(metadata["name"])

    def _apply_pod(self, body: Mapping[str, Any], *, gone: bool) -> None:
        metadata = body["metadata"]
        uid, name = metadata["uid"], (metadata["namespace"], metadata["name"])
        former = self._pod_uids.get(name)
        if former is not None and former != uid and not gone:
            self._let_go(former)  # recreated under its name while nobody told
        if gone:
            self._let_go(uid)
            return
        pod, before = read_pod(body), self._pods.get(uid)
        if before is not None:
            pod = _keep_first_ready(pod, before)
            if before.labels != pod.labels:
                self._unindex(before)
        self._pods[uid] = pod
        self._pod_uids[name] = uid
        for entry in _entries(pod):
            self._index[entry].add(uid)

    def _let_go(self, uid: str) -> None:
        pod = self._pods.get(uid)
        if pod is not None and pod.deleted_at is None:
            self._pods[uid] = replace(pod, ready=False, deleting=True, deleted_at=self._clock.wall())
            self._pod_uids.pop((pod.namespace, pod.name), None)

    def _unindex(self, pod: PodRecord) -> None:
        for entry in _entries(pod):
            uids = self._index[entry]
            uids.discard(pod.uid)
            if not uids:
                del self._index[entry]

    def _candidates(self, namespace: str, selector: Selector) -> set[str]:
        """The smallest indexed set of pods that holds all that a selector takes in."""
        smallest = self._index.get((namespace, *_EVERY), set())
        for requirement in selector.requirements:
            if requirement.operator == "In":
                sets = [self._index.get((namespace, requirement.key, value), set()) for value in requirement.values]
                if sum(map(len, sets)) < len(smallest):
                    smallest = set().union(*sets)
        return smallest


def _put(records: dict[K, V], key: K, record: V | None) -> None:
    if record is None:
        records.pop(key, None)
    else:
        records[key] = record


def _entries(pod: PodRecord) -> Iterator[tuple[str, str, str]]:
    yield (pod.namespace, *_EVERY)
    for key, value in pod.labels.items():
        yield pod.namespace, key, value


def _keep_first_ready(pod: PodRecord, before: PodRecord) -> PodRecord:
    """A pod measures its start by the first time it was ready, however often it fell back since."""
    return pod if before.ready_at is None else replace(pod, ready_at=before.ready_at)
