"""Rivals: other controllers of the same replicas, and hands that changed them.

Of two of our own objects on one target the older one acts, and the younger one waits: a stray object does not freeze a
model in production. Age is what the API server says, and so every leader decides it alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from foresail.domain.snapshot import FIELD_MANAGER, Rival
from foresail.domain.workload import Mode, Workload, WorkloadKey
from foresail.operator.observe.records import ForeignWrite, RivalRecord, TargetKey
from foresail.operator.observe.targets import key_of

OURS = "ModelDeployment"


def acting_workloads(workloads: Iterable[Workload], created: Mapping[WorkloadKey, float]) -> list[RivalRecord]:
    """Our own objects in Auto, as rivals of each other: two on one target would duel like any two.

    One waits, with all of its variants, for an older one that acts on any of its targets. What waits holds no target,
    so a third object on another of its targets acts.

    Args:
        workloads: The fleet.
        created: When each was created, seconds since the epoch; of equals the smaller UID counts as older.
    """
    holders: dict[TargetKey, str] = {}
    records: list[RivalRecord] = []
    acting = (workload for workload in workloads if workload.mode is Mode.AUTO)
    for workload in sorted(acting, key=lambda workload: (created[workload.key], workload.uid)):
        namespace, name = workload.key
        targets = [key_of(namespace, variant.target) for variant in workload.variants]
        yields_to = next((holders[target] for target in targets if target in holders), "")
        if not yields_to:
            holders.update(dict.fromkeys(targets, name))
        records += [RivalRecord(OURS, namespace, name, target, yields_to) for target in targets]
    return records


def others(records: Iterable[RivalRecord], key: WorkloadKey) -> list[RivalRecord]:
    """All but the workload itself; of our own objects, those that wait for it, or else the one it must heed."""
    records = list(records)
    own = next((record for record in records if _is(record, key)), None)
    rest = [record for record in records if not _is(record, key)]
    if own is None:
        return [record for record in rest if not record.yields_to]
    if own.yields_to:
        return [record for record in rest if record.kind != OURS or record.name == own.yields_to]
    return rest


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
    rivals = [_name(record, what) for record in autoscalers]
    if all(rival.waits for rival in rivals) and foreign_write is not None and mode is Mode.AUTO:
        change = f"changed the replicas of {what} from {foreign_write.before} to {foreign_write.after}"
        rivals.append(
            Rival(FIELD_MANAGER, foreign_write.manager, f"{foreign_write.manager} {change}", foreign_write.time)
        )
    return tuple(rivals)


def _name(record: RivalRecord, what: str) -> Rival:
    if record.yields_to:
        waits = f"names {what} too and waits, as the younger one; delete it, or set its mode to Advisory or Off"
        return Rival(record.kind, record.name, f"{record.kind} {record.name} {waits}", waits=True)
    older = ", is older and goes first" if record.kind == OURS else ""
    says = f"scales {what} too{older}; delete it, or set mode Advisory or Off here"
    return Rival(record.kind, record.name, f"{record.kind} {record.name} {says}")


def _is(record: RivalRecord, key: WorkloadKey) -> bool:
    return record[:3] == (OURS, key.namespace, key.name)
