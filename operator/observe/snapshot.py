"""The observer: what Prometheus and the cluster tell, joined to one snapshot of the fleet, once a cycle.

Nothing that is missing raises: it is typed as unknown, with the reason and what mends it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from foresail.domain.accelerator import Pool
from foresail.domain.memory import Learned
from foresail.domain.snapshot import Demand, FleetSnapshot, Unknown, VariantObservation, WorkloadObservation
from foresail.domain.workload import Variant, Workload, WorkloadKey
from foresail.operator.learned import parse_learned
from foresail.operator.observe.attainment import Buckets, observe_attainment, observe_pressure, read_buckets
from foresail.operator.observe.demand import (
    MixMeter,
    RolePods,
    Times,
    arrivals,
    observe_flows,
    observe_served,
    observe_sum,
)
from foresail.operator.observe.inventory import count_pools
from foresail.operator.observe.labels import PodKey
from foresail.operator.observe.poll import Past, Poll
from foresail.operator.observe.prometheus import PrometheusClient
from foresail.operator.observe.queries import ADJACENT_SCRAPES, Indicator
from foresail.operator.observe.records import RivalRecord, TargetKey, TargetRecord
from foresail.operator.observe.replicas import (
    StartupLog,
    VariantPods,
    count_replicas,
    keys_of,
    load_by_pod,
    nodes_of,
    sort_pods,
)
from foresail.operator.observe.rivals import acting_workloads, by_target, name_rivals, others
from foresail.operator.observe.targets import Api, Targets, key_of
from foresail.operator.observe.telemetry import Telemetry
from foresail.operator.settings import Settings
from foresail.operator.store import Store
from foresail.profiles.predict import hardware_problem, predict_variants

# A new pod is found by Prometheus and scraped twice within this time beyond a few scrapes.
DISCOVERY_SECONDS: Final = 15.0


@dataclass(slots=True)
class _Remembered:
    """What is kept of one workload between cycles."""

    mix: MixMeter = field(default_factory=MixMeter)
    startups: dict[str, StartupLog] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Round:
    """What one cycle knows of everything."""

    now: float
    telemetry: Telemetry
    ttft: Buckets
    tpot: Buckets
    targets: Mapping[TargetKey, TargetRecord | Unknown]
    rivals: Mapping[TargetKey, list[RivalRecord]]


class Observer:
    """Makes snapshots of the fleet; keeps between them only what saves asking again."""

    def __init__(self, settings: Settings, prometheus: PrometheusClient, store: Store, kube: Api) -> None:
        self._settings = settings
        self._store = store
        self._poll = Poll.from_settings(settings, prometheus)
        self._past = Past.from_settings(settings)
        self._targets = Targets(kube)
        self._remembered: dict[WorkloadKey, _Remembered] = {}

    @property
    def _grace_seconds(self) -> float:
        return ADJACENT_SCRAPES * self._poll.queries.scrape_seconds + DISCOVERY_SECONDS

    async def observe(self, now: float, leader_since: float) -> FleetSnapshot:
        """The fleet now.

        Objects that are being deleted, or whose namespace is, are left out: nothing is decided for them.
        """
        self._store.forget_old()
        workloads = self._workloads()
        self._remembered = {key: self._remembered.get(key, _Remembered()) for key in workloads}
        before = self._past.recent.last
        self._past.follow(workloads, now)
        telemetry = await self._poll.ask(now, workloads, self._past)
        wanted = [(key.namespace, variant.target) for key, load in workloads.items() for variant in load.variants]
        targets = await self._targets.find(wanted, self._store.targets)
        seen = _Round(
            now=now,
            telemetry=telemetry,
            ttft=read_buckets(telemetry.answers.ttft),
            tpot=read_buckets(telemetry.answers.tpot),
            targets=targets,
            rivals=by_target([*self._store.rivals.values(), *self._acting(workloads)]),
        )
        observed = {key: self._observe(workload, seen) for key, workload in workloads.items()}
        self._past.recent.note({key: each.demand for key, each in observed.items()}, now, before=before)
        return FleetSnapshot(
            now=now,
            cycle_seconds=self._settings.cycle_seconds,
            leader_since=leader_since,
            workloads={key: self._with_past(each) for key, each in observed.items()},
            accelerators=dict(self._store.accelerators),
            pools=self._pools(),
            profile_problems=self._profile_problems(),
        )

    def _workloads(self) -> dict[WorkloadKey, Workload]:
        return {
            key: stored.workload
            for key, stored in sorted(self._store.workloads.items())
            if stored.workload is not None and not stored.deleting and key.namespace not in self._store.terminating
        }

    def _acting(self, workloads: Mapping[WorkloadKey, Workload]) -> list[RivalRecord]:
        return acting_workloads(workloads.values(), {key: self._store.workloads[key].created for key in workloads})

    def _observe(self, workload: Workload, seen: _Round) -> WorkloadObservation:
        pods = {variant.name: self._pods(workload, variant, seen) for variant in workload.variants}
        parts = [RolePods(variant.role, pods[variant.name]) for variant in workload.variants]
        telemetry, now, grace = seen.telemetry.of(workload.engine), seen.now, self._grace_seconds
        everyone = keys_of(pod for part in parts for pod in part.pods.all)
        settled = [pod for part in parts for pod in part.pods.ready if now - (pod.ready_at or 0.0) >= grace]
        return WorkloadObservation(
            workload=workload,
            variants=tuple(self._observe_variant(workload, v, pods[v.name], seen) for v in workload.variants),
            demand=self._demand(workload, parts, telemetry, now),
            attainment=observe_attainment(workload.slo, keys_of(settled), everyone, telemetry, seen.ttft, seen.tpot),
            model=_model(everyone, telemetry),
            waiting=observe_sum(Indicator.WAITING, parts, telemetry, now=now, grace_seconds=grace),
            running=observe_sum(Indicator.RUNNING, parts, telemetry, now=now, grace_seconds=grace),
        )

    def _demand(self, workload: Workload, parts: list[RolePods], telemetry: Telemetry, now: float) -> Demand | Unknown:
        flows = observe_flows(parts, telemetry, Times(now, self._grace_seconds, self._poll.queries.window_seconds))
        if isinstance(flows, Unknown):
            return flows
        return arrivals(*flows, self._remembered[workload.key].mix.note(*flows, now))

    def _pods(self, workload: Workload, variant: Variant, seen: _Round) -> VariantPods:
        target = seen.targets[key_of(workload.key.namespace, variant.target)]
        if isinstance(target, Unknown) or target.selector is None:
            return VariantPods()
        return sort_pods(self._store.pods_of(workload.key.namespace, target.selector))

    def _observe_variant(
        self, workload: Workload, variant: Variant, pods: VariantPods, seen: _Round
    ) -> VariantObservation:
        key = key_of(workload.key.namespace, variant.target)
        target = seen.targets[key]
        foreign = None if isinstance(target, Unknown) else target.foreign_write
        rivals = name_rivals(key, others(seen.rivals.get(key, ()), workload.key), foreign, workload.mode)
        if isinstance(target, Unknown):
            return VariantObservation(variant.name, None, problem=target, rivals=rivals)
        ready, telemetry = keys_of(pods.ready), seen.telemetry.of(workload.engine)
        window = self._poll.queries.window_seconds
        served = observe_served(pods, telemetry, Times(seen.now, self._grace_seconds, window))
        log = self._remembered[workload.key].startups.setdefault(f"{variant.name}/{target.uid}", StartupLog())
        return VariantObservation(
            name=variant.name,
            replicas=count_replicas(target.replicas, pods, seen.now),
            target_uid=target.uid,
            resource_version=target.resource_version,
            startup_seconds=log.note(pods),
            served=served,
            pressure=observe_pressure(workload.slo, ready, telemetry, served, window_seconds=window),
            rivals=rivals,
            pod=target.pod,
            nodes=nodes_of((*pods.ready, *pods.starting)),
            load_by_pod=MappingProxyType(load_by_pod({pod: _load(pod, telemetry) for pod in ready})),
        )

    def _with_past(self, observed: WorkloadObservation) -> WorkloadObservation:
        key = observed.workload.key
        history = self._past.history.window(key) if self._past.keeps_history else None
        return replace(
            observed,
            recent=self._past.recent.window(key),
            history=history,
            learned=self._learned(observed.workload),
            predicted=predict_variants(observed.workload, observed.model, self._store.accelerators),
        )

    def _learned(self, workload: Workload) -> Learned | None:
        """What the object says that was learned of it, unless it went meanwhile."""
        stored = self._store.workloads.get(workload.key)
        return None if stored is None or stored.uid != workload.uid else parse_learned(stored.status.get("learned"))

    def _profile_problems(self) -> dict[str, str]:
        """What of each AcceleratorProfile is not understood; of one that was understood before, that stays in force."""
        kept = self._store.accelerators
        named = {name: problem for name, each in kept.items() if (problem := hardware_problem(each))}
        until = dict.fromkeys(kept, "the last good spec is in force")
        return named | {
            name: f"{problem}. Until then {until.get(name, 'it counts as missing')}"
            for name, problem in self._store.accelerator_problems.items()
        }

    def _pools(self) -> Mapping[str, Pool] | None:
        """Pools by accelerator; None where nodes, or the pods of other namespaces, are not to be seen."""
        if self._settings.namespace is not None or "Node" not in self._store.seen_at:
            return None
        return count_pools(self._store.accelerators, self._store.nodes.values(), self._store.pods)


def _load(pod: PodKey, telemetry: Telemetry) -> float | None:
    running, waiting = telemetry.value(Indicator.RUNNING, pod), telemetry.value(Indicator.WAITING, pod)
    return None if running is None or waiting is None else running + waiting


def _model(pods: list[PodKey], telemetry: Telemetry) -> str | None:
    names = Counter(name for pod in pods if (name := telemetry.model(pod)) is not None)
    return min(names, key=lambda name: (-names[name], name)) if names else None
