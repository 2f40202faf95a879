"""What nodes hold is what may be had: GPUs where CPU and memory are, counted once, whoever asks first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from foresail.domain.accelerator import CapacityPoint, NodeRoom, PodRequest, Pool
from foresail.domain.decision import Decision
from foresail.domain.memory import Memory
from foresail.domain.reason import Reason
from foresail.domain.snapshot import WorkloadObservation
from foresail.policies.cycle import run_cycle
from tests.builders import (
    INPUT_TOKENS_PER_REQUEST,
    MODEL,
    OUTPUT_TOKENS_PER_REQUEST,
    make_accelerator,
    make_forecast,
    make_memory,
    make_nodes,
    make_observation,
    make_pool,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)

GPU, SLICE = "nvidia.com/gpu", "nvidia.com/mig-3g.40gb"
LENGTHS = INPUT_TOKENS_PER_REQUEST, OUTPUT_TOKENS_PER_REQUEST
PROFILES = [
    make_accelerator("h100", points=[CapacityPoint(MODEL, gpus, 6.0 * gpus, *LENGTHS) for gpus in (1, 4)]),
    make_accelerator("a100", usd_per_gpu_hour="9"),
]


def pool(*rooms: tuple[int, int, int], name: str = "h100", resource: str = GPU, overlaps: Sequence[str] = ()) -> Pool:
    """A pool of nodes of eight with free GPUs, CPU in thousandths, and MiB."""
    nodes = tuple(NodeRoom(f"node-{number}", *room) for number, room in enumerate(rooms))
    free = sum(room.free_gpus for room in nodes)
    return Pool(name, 8 * len(nodes), free, nodes, 8, resource, tuple(overlaps))


def asking(cpu_milli: int = 8000, memory_mebibytes: int = 65_536, resource: str = GPU, count: int = 1) -> PodRequest:
    return PodRequest(cpu_milli, memory_mebibytes, {resource: count})


def one(name: str = "chat", *, current: int = 2, pod: PodRequest | None = None) -> WorkloadObservation:
    """On h100 alone."""
    return make_observation(make_workload(name), variants=[make_variant_observation("h100", current, pod=pod)])


def decide(*observations: WorkloadObservation, pools: Sequence[Pool] | None, rps: float = 48.0) -> list[Decision]:
    fleet = make_snapshot(*observations, accelerators=PROFILES, pools=pools)
    memory = Memory({k: m for o in observations for k, m in make_memory(o.workload).workloads.items()})
    return list(run_cycle(fleet, {key: make_forecast(rps) for key in fleet.workloads}, memory).decisions.values())


def capacity(decision: Decision) -> tuple[str, str, str]:
    found = next(c for c in decision.conditions if c.type == "CapacityAvailable")
    return found.status, found.reason, found.message


@pytest.mark.parametrize(
    ("rooms", "short"),
    [
        (((8, 17_000, 10**6), (8, 9_000, 10**6)), "1 CPU free on any of them, and 8 are needed"),
        (((8, 10**6, 140_000), (8, 10**6, 70_000)), "MiB of memory free on any of them, and 65536 are needed"),
    ],
)
def test_cpu_and_memory_of_the_nodes_cap_what_is_added(rooms: Sequence[tuple[int, int, int]], short: str) -> None:
    (decision,) = decide(one(pod=asking()), pools=[pool(*rooms)])
    assert decision.desired == 2 + 3
    status, reason, message = capacity(decision)
    assert (status, reason) == ("False", Reason.POOL_EXHAUSTED)
    assert "room for three replicas" in message
    assert short in message


def test_what_a_pod_asks_for_is_not_guessed_where_it_is_unknown() -> None:
    (decision,) = decide(one(), pools=[pool((8, 0, 0))])
    assert decision.desired > 5
    assert capacity(decision)[0] == "True"


def test_cpu_is_given_away_once() -> None:
    decisions = decide(one("a", pod=asking()), one("b", pod=asking()), pools=[pool((8, 33_000, 10**6))])
    assert sum(decision.desired for decision in decisions) == 4 + 4


def test_two_that_fit_alone_and_not_together_are_not_both_sent_to_the_same_node() -> None:
    """Eight GPUs are free and one node has four of them: the other workload takes the dearer accelerator."""
    variants = (
        make_variant("tp4", accelerator="h100", gpus_per_replica=4),
        make_variant("a100", min_replicas=0),
    )
    observed = [make_variant_observation("tp4", 1), make_variant_observation("a100", 0)]
    both = [make_observation(make_workload(name, variants=variants), variants=observed) for name in ("a", "b")]
    decisions = decide(*both, pools=[make_nodes(4, 2, 2), make_pool("a100")], rps=40.0)
    counts = [{variant.name: variant.desired or 0 for variant in decision.variants} for decision in decisions]
    assert sorted(count["tp4"] for count in counts) == [1, 2]
    assert all(24 * count["tp4"] + 6 * count["a100"] >= 40 for count in counts)


def test_pods_that_take_slices_are_not_counted_in_whole_gpus_and_it_is_said() -> None:
    (decision,) = decide(one(pod=asking(resource=SLICE)), pools=[pool((0, 10**6, 10**6))])
    assert decision.desired > 2
    status, reason, message = capacity(decision)
    assert (status, reason) == ("Unknown", Reason.INVENTORY_UNKNOWN)
    assert f"pods of h100 ask for {SLICE}, and AcceleratorProfile h100 counts {GPU}" in message
    assert "set its spec.gpuResource" in message


def test_slices_cap_pods_that_take_them() -> None:
    (decision,) = decide(one(pod=asking(resource=SLICE)), pools=[pool((3, 10**6, 10**6), resource=SLICE)])
    assert decision.desired == 5
    assert capacity(decision)[:2] == ("False", Reason.POOL_EXHAUSTED)
