"""Who takes first where pools are shared: workloads of greater priority, and each sees what those before it left."""

from __future__ import annotations

from collections.abc import Iterable

from foresail.domain.snapshot import WorkloadObservation
from foresail.domain.workload import Mode


def by_priority(workloads: Iterable[WorkloadObservation]) -> list[WorkloadObservation]:
    """The order in which workloads take: those that act first, then by priority, then by name."""
    return sorted(
        workloads,
        key=lambda observation: (
            observation.workload.mode is not Mode.AUTO,
            -observation.workload.priority,
            observation.workload.key,
        ),
    )
