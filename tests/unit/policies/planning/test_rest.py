"""Cycle after cycle on nodes of a few GPUs: once demand is steady, so are the replicas, whoever lacks what."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import pytest

from foresail.domain.accelerator import CapacityPoint
from foresail.domain.memory import Memory
from foresail.domain.snapshot import Replicas, WorkloadObservation
from foresail.policies.cycle import run_cycle
from tests.builders import (
    INPUT_TOKENS_PER_REQUEST,
    MODEL,
    NOW,
    OUTPUT_TOKENS_PER_REQUEST,
    make_accelerator,
    make_forecast,
    make_memory,
    make_nodes,
    make_observation,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)

LENGTHS = INPUT_TOKENS_PER_REQUEST, OUTPUT_TOKENS_PER_REQUEST
PROFILE = make_accelerator(points=[CapacityPoint(MODEL, gpus, 6.0 * gpus, *LENGTHS) for gpus in (1, 2, 4)])
CYCLE_SECONDS, START_CYCLES, DRAIN_CYCLES, JUMP, CYCLES = 15.0, 6, 2, 40, 120


@dataclass(slots=True)
class Pod:
    """One replica; without a node it waits. Cycles are those in which it was made, is ready and is gone."""

    made: int
    node: int | None = None
    ready: int = 0
    gone: int | None = None


class Target:
    """A Deployment whose pods go to the first node that has room, and run on for a while after they were let go."""

    def __init__(self, name: str, priority: int, gpus: int, rps: tuple[float, float]) -> None:
        variants = (make_variant("h100", gpus_per_replica=gpus, min_replicas=0, max_replicas=40),)
        self.workload, self.gpus, self.rps = make_workload(name, priority=priority, variants=variants), gpus, rps
        self.desired, self.pods = 0, list[Pod]()

    def act(self, cycle: int) -> None:
        """Make and stop pods: those without a node go first."""
        self.pods = [pod for pod in self.pods if pod.gone is None or pod.gone > cycle]
        wanted = sorted((pod for pod in self.pods if pod.gone is None), key=lambda pod: pod.node is None)
        self.pods += [Pod(cycle) for _ in range(self.desired - len(wanted))]
        for pod in wanted[self.desired :]:
            pod.gone = cycle + DRAIN_CYCLES
        self.pods = [pod for pod in self.pods if pod.node is not None or pod.gone is None]

    def settle(self, cycle: int, free: list[int]) -> None:
        """Bind pods that wait."""
        for pod in self.pods:
            node = next((i for i, gpus in enumerate(free) if gpus >= self.gpus), None)
            if pod.node is None and node is not None:
                pod.node, pod.ready = node, cycle + START_CYCLES
                free[node] -= self.gpus

    def observe(self, cycle: int) -> WorkloadObservation:
        """What is to be seen of it."""
        stay = [pod for pod in self.pods if pod.gone is None]
        pending = [CYCLE_SECONDS * (cycle - pod.made) for pod in stay if pod.node is None]
        ready = sum(pod.node is not None and pod.ready <= cycle for pod in stay)
        replicas = Replicas(
            self.desired,
            ready,
            starting=len(stay) - ready - len(pending),
            pending=len(pending),
            draining=len(self.pods) - len(stay),
            pending_seconds=tuple(pending),
        )
        observed = [make_variant_observation("h100", replicas)]
        return make_observation(self.workload, variants=observed, demand=self.rps[cycle >= JUMP])


def run(nodes: list[int], targets: list[Target]) -> list[list[int]]:
    """What everybody was to have, cycle by cycle; demand jumps once."""
    memory = Memory({k: m for target in targets for k, m in make_memory(target.workload).workloads.items()})
    asked = []
    for cycle in range(CYCLES):
        now, free = NOW + CYCLE_SECONDS * cycle, list(nodes)
        for target in targets:
            target.act(cycle)
            for pod in target.pods:
                if pod.node is not None:
                    free[pod.node] -= target.gpus
        for target in targets:
            target.settle(cycle, free)
        pool = make_nodes(*free, largest=max(nodes))
        fleet = make_snapshot(*[t.observe(cycle) for t in targets], accelerators=[PROFILE], pools=[pool], now=now)
        forecasts = {t.workload.key: make_forecast(t.rps[cycle >= JUMP], origin=now) for t in targets}
        decisions, memory = (result := run_cycle(fleet, forecasts, memory)).decisions, result.memory
        for target in targets:
            target.desired = decisions[target.workload.key].desired
        asked.append([target.desired for target in targets])
    return asked


@pytest.mark.parametrize("nodes", [[8, 8], [4, 4, 4, 4], [8, 4, 2, 2]])
@pytest.mark.parametrize(("urgent", "lesser"), [(4, 1), (2, 1), (1, 2), (4, 2), (1, 1)])
def test_it_comes_to_rest(nodes: list[int], urgent: int, lesser: int) -> None:
    targets = [Target("urgent", 9, urgent, (20.0, 70.0)), Target("lesser", 0, lesser, (50.0, 50.0))]
    first, *last = deque(run(nodes, targets), maxlen=40)
    assert last == [first] * 39
    assert first[0] * urgent >= 8
