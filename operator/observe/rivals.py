"""Rivals: other controllers of the same replicas, and hands that changed them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from foresail.domain.snapshot import FIELD_MANAGER, Rival
from foresail.domain.workload import Mode
from foresail.operator.observe.records import ForeignWrite, RivalRecord, TargetKey


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
