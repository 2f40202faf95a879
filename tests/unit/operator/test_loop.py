from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from foresail.domain.decision import Condition, CycleResult, Decision, Outlook, VariantDecision
from foresail.domain.errors import ForecastError
from foresail.domain.forecast import Forecast
from foresail.domain.memory import Change, Memory, Recommendation
from foresail.domain.snapshot import FleetSnapshot, Unknown, WorkloadObservation
from foresail.domain.workload import Mode, Workload, WorkloadKey
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.outbox import Outbox, TokenBucket
from foresail.operator.actuate.scale import Outcome, OutcomeKind
from foresail.operator.explain.announcer import Announcer, Stored
from foresail.operator.explain.events import EventRecorder
from foresail.operator.explain.metrics import OperatorMetrics
from foresail.operator.explain.status import StatusWriter
from foresail.operator.loop import Loop, Stages, forget_instants
from tests.builders import NOW, make_memory, make_snapshot, make_workload
from tests.unit.operator.fakes import FakeApi, HandClock, HandLease, eventually

KEY = WorkloadKey("prod", "chat")
PATH = "/apis/foresail.dev/v1alpha1/namespaces/prod/modeldeployments/chat/status"


def make_decision(desired: int = 7, current: int = 5) -> Decision:
    return Decision(
        id=f"{current}-{desired}",
        key=KEY,
        time=NOW,
        current=current,
        desired=desired,
        reason="ForecastDemand",
        message=f"{current} to {desired}",
        steps=(),
        variants=(VariantDecision("h100", current, desired, 5, acts=True, target_uid="t", resource_version="1"),),
        conditions=(Condition("Ready", "True", "Deciding", "fine"),),
        outlook=Outlook(lead_time_seconds=120.0),
    )


class House:
    """A loop between stages that the test controls."""

    def __init__(self, mode: Mode = Mode.AUTO) -> None:
        self.clock = HandClock(wall=NOW)
        self.lease = SimpleNamespace(leader_since=NOW, leading=True)
        self.watch = SimpleNamespace(problem="")
        self.api = FakeApi()
        self.api.put_in(PATH, {"metadata": {}, "status": {}})
        self.outbox = Outbox(TokenBucket(self.clock))
        self.metrics = OperatorMetrics(self.clock)
        writer = FencedWriter(self.api, HandLease())
        self.announcer = Announcer(
            StatusWriter(writer, self.outbox), EventRecorder(writer, self.outbox), self.metrics.fleet
        )
        workload = make_workload(mode=mode)
        self.entries: dict[WorkloadKey, Any] = {KEY: make_stored(workload)}
        self.acted: list[Mapping[WorkloadKey, Decision]] = []
        self.leader_since: list[float] = []
        self.memories: list[Memory] = []
        self.failing = ""
        self.outcome = OutcomeKind.WRITTEN
        self.routed: Condition | None = None
        self.cycles = 0
        self.loop = Loop(
            Stages(self, self.forecast, self.decide, self, self, self.announcer, lambda: self.entries),
            lease=self.lease,
            watch=self.watch,
            metrics=self.metrics,
            clock=self.clock,
            cycle_seconds=15.0,
        )

    async def observe(self, now: float, leader_since: float) -> FleetSnapshot:
        self.cycles += 1
        self.leader_since.append(leader_since)
        self._fail("observe")
        return make_snapshot(now=now)

    async def forecast(self, snapshot: FleetSnapshot, _: Memory) -> dict[WorkloadKey, Forecast | Unknown]:
        if self.failing == "forecast-typed":
            raise ForecastError("no window")
        self._fail("forecast")
        return {key: Unknown("ForecastUnknown", "none") for key in snapshot.workloads}

    def decide(
        self, _: FleetSnapshot, forecasts: Mapping[WorkloadKey, Forecast | Unknown], memory: Memory
    ) -> CycleResult:
        self._fail("decide")
        assert set(forecasts) == {KEY}
        self.memories.append(memory)
        return CycleResult({KEY: make_decision()}, make_memory(changes=(Change(self.clock.wall(), "h100", 2),)))

    async def act(
        self, decisions: Mapping[WorkloadKey, Decision], _: Mapping[WorkloadKey, WorkloadObservation]
    ) -> dict[WorkloadKey, tuple[Outcome, ...]]:
        self._fail("actuate")
        self.acted.append(decisions)
        return {KEY: (Outcome("h100", 7, self.outcome, "said the server"),)}

    async def route(
        self, decisions: Mapping[WorkloadKey, Decision], _: Mapping[WorkloadKey, WorkloadObservation]
    ) -> dict[WorkloadKey, Condition]:
        return dict.fromkeys(decisions, self.routed) if self.routed is not None else {}

    async def status(self) -> dict[str, Any]:
        while len(self.outbox):
            await self.outbox.do_next()
        status: dict[str, Any] = self.api.objects[PATH]["status"]
        return status

    async def ready(self) -> tuple[str, str]:
        entry = next(entry for entry in (await self.status())["conditions"] if entry["type"] == "Ready")
        return entry["status"], entry["reason"]

    def events(self) -> list[str]:
        return [body["reason"] for path, body in self.api.objects.items() if "/events/" in path]

    def _fail(self, stage: str) -> None:
        if self.failing == stage:
            raise ZeroDivisionError(stage)


def make_stored(workload: Workload) -> Stored:
    entry = SimpleNamespace(workload=workload, problem=None, generation=1, status={}, uid=workload.uid)
    return cast("Stored", entry)


async def test_a_cycle_goes_from_observation_to_status() -> None:
    house = House()
    await house.loop.turn()
    assert (await house.status())["lastDecision"]["to"] == 7
    assert len(house.acted) == 1
    assert house.announcer.traces[KEY].writes[0].outcome == "Written"
    assert house.events() == ["ForecastDemand"]


@pytest.mark.parametrize(("outcome", "remembered"), [(OutcomeKind.WRITTEN, 1), (OutcomeKind.CONFLICT, 0)])
async def test_a_change_that_was_not_written_uses_up_no_step(outcome: OutcomeKind, remembered: int) -> None:
    house = House()
    house.outcome = outcome
    await house.loop.turn()
    await house.loop.turn()
    assert len(house.memories[-1].workloads[KEY].changes) == remembered


async def test_in_advisory_only_status_is_written() -> None:
    house = House(Mode.ADVISORY)
    await house.loop.turn()
    await house.status()
    assert {path for _, path, _ in house.api.writes()} == {PATH}


@pytest.mark.parametrize("stage", ["observe", "forecast", "decide", "actuate"])
async def test_a_stage_that_fails_changes_nothing_is_said_and_the_loop_goes_on(stage: str) -> None:
    house = House()
    house.failing = stage
    await house.loop.turn()
    assert house.acted == []
    assert await house.ready() == ("False", "CycleFailed")
    assert house.metrics.registry.get_sample_value("foresail_cycle_failures_total", {"stage": stage}) == 1.0
    house.failing = ""
    await house.loop.turn()
    assert await house.ready() == ("True", "Deciding")


async def test_a_forecast_that_fails_as_expected_is_unknown_to_the_decision() -> None:
    house = House()
    house.failing = "forecast-typed"
    await house.loop.turn()
    assert len(house.acted) == 1


async def test_a_stale_store_is_not_acted_upon() -> None:
    house = House()
    house.watch.problem = "no sign of life on the watch of pods for 100 s"
    await house.loop.turn()
    assert house.cycles == 0
    assert await house.ready() == ("False", "WatchStalled")


async def test_a_refused_write_is_said_in_ready() -> None:
    house = House()
    house.outcome = OutcomeKind.REFUSED
    await house.loop.turn()
    assert await house.ready() == ("False", "WriteRefused")


async def test_how_routing_stands_is_said_beside_the_decision_and_in_the_metrics() -> None:
    house = House()
    house.routed = Condition("RoutingReady", "False", "RouteNotFound", "HTTPRoute chat does not exist.")
    await house.loop.turn()
    status = await house.status()
    assert status["lastDecision"]["to"] == 7
    assert [entry["type"] for entry in status["conditions"]] == ["Ready", "RoutingReady"]
    labels = {"namespace": "prod", "name": "chat", "type": "RoutingReady", "status": "False"}
    assert house.metrics.registry.get_sample_value("foresail_condition", labels) == 1.0
    assert sorted(house.events()) == ["ForecastDemand", "RouteNotFound"]
    house.routed = None
    await house.loop.turn()
    assert [entry["type"] for entry in (await house.status())["conditions"]] == ["Ready"]


async def test_a_follower_stands_still_and_says_nothing() -> None:
    house = House()
    house.lease.leading = False
    house.lease.leader_since = None
    await house.loop.turn()
    assert house.cycles == 0
    assert len(house.outbox) == 0


async def test_a_new_leadership_begins_without_memory() -> None:
    house = House()
    await house.loop.turn()
    await house.loop.turn()
    house.lease.leading = False
    await house.loop.turn()
    assert house.announcer.traces == {}
    house.lease.leading = True
    await house.loop.turn()
    assert [bool(memory.workloads) for memory in house.memories] == [False, True, False]


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
async def test_a_clock_that_was_set_is_treated_as_a_change_of_leader(seconds: float) -> None:
    house = House()
    await house.loop.turn()
    house.clock.wall_seconds += seconds
    await house.loop.turn()
    assert house.leader_since == [NOW, NOW + seconds]
    assert house.memories[-1].workloads[KEY].known_since is None


def test_a_moved_clock_costs_instants_but_not_what_was_learned() -> None:
    memory = make_memory(
        recommendations=(Recommendation(NOW, "h100", 5),), changes=(Change(NOW, "h100", 1),), log_feedback=0.1
    )
    entry = forget_instants(memory).workloads[KEY]
    assert (entry.recommendations, entry.changes, entry.known_since) == ((), (), None)
    assert entry.log_feedback == 0.1
    assert replace(entry, known_since=NOW).target_uids == {"h100": "uid-of-h100"}


async def test_an_overrun_skips_cycles_and_never_piles_them_up() -> None:
    house = House()
    original = house.decide

    def slow(*arguments: Any) -> CycleResult:
        house.clock.advance(40.0)  # with cycles of 15 s, those at 15 s and 30 s are skipped
        return original(*arguments)

    stages = Stages(house, house.forecast, slow, house, house, house.announcer, lambda: house.entries)
    loop = Loop(
        stages,
        lease=house.lease,
        watch=house.watch,
        metrics=house.metrics,
        clock=house.clock,
        cycle_seconds=15.0,
    )
    task = asyncio.ensure_future(loop.run(asyncio.Event()))
    await eventually(lambda: house.metrics.registry.get_sample_value("foresail_cycles_skipped_total") == 2.0)
    task.cancel()
    await asyncio.wait({task})
    assert house.cycles == 1


async def test_an_object_that_went_takes_its_series_along() -> None:
    house = House()
    await house.loop.turn()
    labels = {"namespace": "prod", "name": "chat", "variant": "h100"}
    assert house.metrics.registry.get_sample_value("foresail_desired_replicas", labels) == 7.0
    house.entries.clear()
    await house.loop.turn()
    assert house.metrics.registry.get_sample_value("foresail_desired_replicas", labels) is None
    assert house.announcer.traces == {}
