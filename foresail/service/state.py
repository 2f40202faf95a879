"""What the service may read: the last trace of every object, the metrics, and what the operator says of its health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry

from foresail.domain.workload import WorkloadKey
from foresail.service.document import Trace


class ServiceState(Protocol):
    """The operator, as the service sees it."""

    @property
    def registry(self) -> CollectorRegistry:
        """Where the metrics are."""

    @property
    def traces(self) -> Mapping[WorkloadKey, Trace]:
        """The last cycle of every object."""

    def liveness_problem(self) -> str:
        """Why the process should be restarted, one sentence; empty when it should not."""

    def readiness_problem(self) -> str:
        """Why the process cannot do its work now, one sentence; empty when it can."""

    def ages_seconds(self) -> Mapping[str, float]:
        """Ages of the loop and of the streams."""
