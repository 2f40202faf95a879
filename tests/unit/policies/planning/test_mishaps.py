"""Demand that barely is, loads that fill GPUs exactly, counts that go and come, numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresail.domain.accelerator import CapacityPoint, NodeRoom, PodRequest, Pool
from foresail.domain.decision import Decision
from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Demand
from foresail.domain.workload import Workload, WorkloadKey
from foresail.policies.cycle import run_cycle
from tests.builders import (
    MODEL,
    NOW,
    make_accelerator,
    make_forecast,
    make_memory,
    make_observation,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)

CYCLE_SECONDS = 15.0
TYPES = ("h100", "a100")
PROFILES = (make_accelerator("h100"), make_accelerator("a100", rps=3.0, usd_per_gpu_hour="2.2"))
Pools = Sequence[Pool] | None
Counts = dict[tuple[str, str], int]


@dataclass
class Fleet:
    """Workloads on both types; what is decided is there in the next cycle."""

    running: Counts
    workloads: Sequence[Workload]
    memory: Memory = field(default_factory=Memory)
    now: float = NOW

    def __post_init__(self) -> None:
        uids = {name: f"uid-of-{name}" for name in TYPES}
        remembered = [make_memory(each, target_uids=uids).workloads for each in self.workloads]
        self.memory = Memory({key: entry for each in remembered for key, entry in each.items()})

    def turn(self, pools: Pools, rps: float) -> Mapping[WorkloadKey, Decision]:
        observed = [
            make_observation(
                each,
                variants=[make_variant_observation(name, self.running[each.key.name, name]) for name in TYPES],
                demand=rps,
            )
            for each in self.workloads
        ]
        snapshot = make_snapshot(*observed, accelerators=PROFILES, pools=pools, now=self.now)
        forecasts = {each.key: make_forecast(rps, origin=self.now) for each in self.workloads}
        result = run_cycle(snapshot, forecasts, self.memory)
        self.memory, self.now = result.memory, self.now + CYCLE_SECONDS
        for key, decision in result.decisions.items():
            self.running |= {(key.name, variant.name): variant.desired or 0 for variant in decision.variants}
        return result.decisions

    def free(self, total: Mapping[str, int]) -> list[Pool]:
        """One node of each type, less what runs."""
        taken = {name: sum(n for (_, own), n in self.running.items() if own == name) for name in TYPES}
        rooms = {name: NodeRoom(f"node-{name}", max(total[name] - taken[name], 0)) for name in TYPES}
        return [Pool(name, total[name], room.free_gpus, (room,), total[name]) for name, room in rooms.items()]


def make_fleet(*names: str, h100: int = 4, a100: int = 0) -> Fleet:
    variants = tuple(make_variant(name, min_replicas=0) for name in TYPES)
    running = {(own, name): count for own in names for name, count in (("h100", h100), ("a100", a100))}
    return Fleet(running, [make_workload(own, variants=variants) for own in names])


@pytest.mark.parametrize("rps", [1e-6, 1e-3])
def test_demand_next_to_nothing_keeps_the_replica_that_serves_it(rps: float) -> None:
    fleet = make_fleet("chat", h100=1)
    for _ in range(3):
        fleet.turn(fleet.free({"h100": 8, "a100": 8}), rps)
    assert sum(fleet.running.values()) == 1


@pytest.mark.parametrize("full", [12.0, 24.0, 27.0])
def test_a_load_that_fills_gpus_exactly_does_not_flip_between_cycles(full: float) -> None:
    """It wobbles by a thousandth around what whole replicas carry, in pools that two share and that one could fill."""
    fleet, seen = make_fleet("a", "b"), []
    for cycle in range(40):
        fleet.turn(fleet.free({"h100": 9, "a100": 3}), full * (1.0 + 1e-3 * (-1.0) ** cycle))
        seen.append(tuple(fleet.running.values()))
    assert len(set(seen[30:])) == 1


def test_a_count_that_is_lost_and_comes_back_lowers_nobody_and_moves_nothing() -> None:
    fleet, total = make_fleet("a", "b"), {"h100": 10, "a100": 4}
    for _ in range(3):
        fleet.turn(fleet.free(total), 26.0)
    before = dict(fleet.running)
    for pools in (None, None, fleet.free(total)):
        decisions = fleet.turn(pools, 26.0)
        told = {c.reason for d in decisions.values() for c in d.conditions if c.type == "CapacityAvailable"}
        assert (Reason.INVENTORY_UNKNOWN in told) == (pools is None)
        assert fleet.running == before


def test_a_quota_that_shrinks_to_nothing_and_comes_back_lowers_nobody() -> None:
    fleet, total = make_fleet("a", "b"), {"h100": 10, "a100": 4}
    for _ in range(3):
        fleet.turn(fleet.free(total), 26.0)
    before = dict(fleet.running)
    for cut in ({"h100": 1, "a100": 0}, {"h100": 0, "a100": 0}, total):
        fleet.turn(fleet.free(cut), 26.0)
        assert fleet.running == before


@pytest.mark.parametrize("rate", [math.nan, math.inf, -6.0, 0.0])
def test_a_listed_capacity_that_is_none_is_not_taken_for_one(rate: float) -> None:
    """The border refuses them; whatever comes past it neither crashes a cycle nor lowers anybody."""
    wrong = replace(make_accelerator("h100"), capacity=(CapacityPoint(MODEL, 1, rate, 1000.0, 250.0),))
    workload = make_workload()
    fleet = make_snapshot(make_observation(workload), accelerators=[wrong])
    decision = run_cycle(fleet, {workload.key: make_forecast(36)}, make_memory(workload)).decisions[workload.key]
    assert decision.desired == 5
    assert decision.reason == Reason.CAPACITY_UNKNOWN


@pytest.mark.parametrize("spoil", [lambda _: math.nan, lambda _: math.inf, lambda rate: -rate])
def test_a_measured_throughput_that_is_none_changes_nothing(spoil: Callable[[float], float]) -> None:
    workload = make_workload()

    def desired(served: Demand | None) -> int:
        seen = make_variant_observation(served=served, pressure=0.9)
        fleet = make_snapshot(make_observation(workload, variants=[seen]))
        decisions = run_cycle(fleet, {workload.key: make_forecast(36)}, make_memory(workload)).decisions
        return decisions[workload.key].desired

    assert desired(Demand(spoil(24.0), spoil(24_000.0), spoil(6_000.0))) == desired(None) > 5


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 40_000)), min_size=1, max_size=3),
    st.lists(
        st.tuples(st.sampled_from([1, 2, 4]), st.sampled_from([0, 4000, 9000]), st.integers(0, 9)),
        min_size=1,
        max_size=3,
    ),
)
def test_what_is_added_fits_on_the_nodes(rooms: list[tuple[int, int]], asked: list[tuple[int, int, int]]) -> None:
    """Whatever they ask for and whoever is greater, no more is added than nodes hold: of each, and of all together."""
    profile = make_accelerator(points=[CapacityPoint(MODEL, n, 6.0 * n, 1000.0, 250.0) for n in (1, 2, 4)])
    observed = []
    for index, (gpus, cpu, priority) in enumerate(asked):
        variants = (make_variant("h100", gpus_per_replica=gpus),)
        pod = PodRequest(cpu, 0, {"nvidia.com/gpu": gpus})
        seen = make_variant_observation("h100", 1, pod=pod)
        workload = make_workload(f"w{index}", priority=priority, variants=variants)
        observed.append(make_observation(workload, variants=[seen], demand=40.0))
    nodes = tuple(NodeRoom(f"node-{i}", gpus, cpu, None) for i, (gpus, cpu) in enumerate(rooms))
    pool = Pool("h100", 8 * len(nodes), sum(room.free_gpus for room in nodes), nodes, 8, "nvidia.com/gpu")
    fleet = make_snapshot(*observed, accelerators=[profile], pools=[pool])
    memory = Memory({k: m for o in observed for k, m in make_memory(o.workload).workloads.items()})
    decisions = run_cycle(fleet, dict.fromkeys(fleet.workloads, make_forecast(40)), memory).decisions
    added = [decisions[each.workload.key].desired - 1 for each in observed]
    assert min(added) >= 0
    assert sum(n * gpus for n, (gpus, _, _) in zip(added, asked, strict=True)) <= pool.free_gpus
    assert sum(n * cpu for n, (_, cpu, _) in zip(added, asked, strict=True)) <= sum(room[1] for room in rooms)
    for n, (gpus, cpu, _) in zip(added, asked, strict=True):
        assert n <= sum(min(free // gpus, left // cpu if cpu else free) for free, left in rooms)
