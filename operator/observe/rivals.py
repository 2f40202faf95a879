"""Rivals: other controllers of the same replicas, and hands that changed them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from foresail.domain.snapshot import FIELD_MANAGER, Rival
from foresail.domain.workload import Mode, Workload, WorkloadKey
from foresail.operator.observe.records import ForeignWrite, RivalRecord, TargetKey
from foresail.operator.observe.targets import key_of

OURS = "ModelDeployment"


def acting_workloads(workloads: Iterable[Workload]) -> list[RivalRecord]:
    """Our own objects that set replicas, as rivals of each other: two on one target would duel like any two."""
    return [
        RivalRecord(OURS, workload.key.namespace, workload.key.name, key_of(workload.key.namespace, variant.target))
        for workload in workloads
        if workload.mode is Mode.AUTO
        for variant in workload.variants
    ]


def others(records: Iterable[RivalRecord], key: WorkloadKey) -> list[RivalRecord]:
    """All but the workload itself."""
    return [record for record in records if record[:3] != (OURS, key.namespace, key.name)]


def by_target(records: Iterable[RivalRecord]) -> Mapping[TargetKey, list[RivalRecord]]:
    """Other autoscalers by what they scale, in a stable order."""
    found: defaultdict[TargetKey, list[RivalRecord]] = defaultdict(list)
    for record in sorted(records):
        found[record.target].append(record)
    return found


def name_rivals(
    target: TargetKey, autoscalers: Iterable[RivalRecord], foreign_write: ForeignWrite | None, mode: Mode
) -> tuple[Rival, ...]:
    """Who else sets the replicas of a target.

    A foreign write counts in Auto only: without it somebody else is meant to set them. While an autoscaler is there,
    its writes are its own and not a hand's.
    """
    what = f"{target.kind}/{target.name}"
    rivals = [
        Rival(
            record.kind,
            record.name,
            f"{record.kind} {record.name} scales {what} too; delete it, or set mode Advisory or Off here",
        )
        for record in autoscalers
    ]
    if not rivals and foreign_write is not None and mode is Mode.AUTO:
        change = f"changed the replicas of {what} from {foreign_write.before} to {foreign_write.after}"
        rivals.append(
            Rival(FIELD_MANAGER, foreign_write.manager, f"{foreign_write.manager} {change}", foreign_write.time)
        )
    return tuple(rivals)
