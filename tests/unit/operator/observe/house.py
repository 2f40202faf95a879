"""An observer in a house of stand-ins: a store that was filled by hand and a Prometheus that answers as told."""

from __future__ import annotations

from dataclasses import dataclass

from foresail.domain.snapshot import FleetSnapshot, WorkloadObservation
from foresail.domain.workload import WorkloadKey
from foresail.operator.observe.prometheus import QueryReport
from foresail.operator.observe.snapshot import Observer
from foresail.operator.store import Store
from tests.builders import NOW
from tests.fakes.prometheus import FakePrometheus
from tests.unit.operator.fakes import HandClock

KEY = WorkloadKey("prod", "chat")
PODS = ("chat-h100-7d9c6b5f4-bbbbb", "chat-h100-7d9c6b5f4-ccccc")
MAX_QUERIES = 15


@dataclass
class House:
    """An observer, and everything that it looks at."""

    prometheus: FakePrometheus
    store: Store
    clock: HandClock
    observer: Observer
    reports: list[QueryReport]

    async def observe(self) -> FleetSnapshot:
        self.reports.clear()
        return await self.observer.observe(self.clock.wall(), NOW - 3600)

    async def look(self) -> WorkloadObservation:
        snapshot = await self.observe()
        return snapshot.workloads[KEY]

    def pass_cycle(self) -> None:
        self.clock.advance(15.0)
