"""The inventory: what nodes offer less what pods ask for, read from their bodies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from foresail.domain.accelerator import Accelerator, NodeRoom, PodRequest, Pool
from foresail.operator.observe.inventory import count_pools
from foresail.operator.observe.records import read_node, read_pod
from foresail.operator.observe.requests import read_request
from tests.builders import make_accelerator
from tests.unit.operator.observe.bodies import make_node_body, make_pod_body

GPU, SLICE = "nvidia.com/gpu", "nvidia.com/mig-3g.40gb"
MEMORY = 512 * 1024  # MiB of a node


def pools(
    nodes: Iterable[dict[str, Any]], *bodies: dict[str, Any], profiles: Sequence[Accelerator] = (make_accelerator(),)
) -> dict[str, Pool]:
    accelerators = {profile.name: profile for profile in profiles}
    return dict(count_pools(accelerators, [read_node(node) for node in nodes], [read_pod(body) for body in bodies]))


def expected(total: int, *rooms: NodeRoom, largest: int = 0) -> Pool:
    return Pool("h100", total, sum(room.free_gpus for room in rooms), rooms, largest, GPU)


def request(*containers: dict[str, Any], **spec: Any) -> PodRequest:
    return read_request({"containers": [{"resources": {"requests": each}} for each in containers], **spec})


def test_what_pods_ask_for_is_not_free() -> None:
    finished = make_pod_body("finished")
    finished["status"]["phase"] = "Succeeded"
    going = make_pod_body("going", deletionTimestamp="2026-11-23T12:00:00Z")
    waiting = make_pod_body("waiting", node="", ready_after=None)
    seen = pools([make_node_body()], make_pod_body("a", gpus=2), going, finished, waiting)
    assert seen["h100"] == expected(8, NodeRoom("node-1", 5, 64_000 - 2 * 4000, MEMORY), largest=8)


def test_cpu_that_pods_without_gpus_take_is_gone_too() -> None:
    agent = make_pod_body("agent", gpus=0)
    agent["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1500m", "memory": "1Gi"}}
    (room,) = pools([make_node_body()], agent)["h100"].nodes
    assert room == NodeRoom("node-1", 8, 62_500, MEMORY - 1024)


def test_what_a_node_does_not_tell_is_unknown_and_not_zero() -> None:
    body = make_node_body()
    body["status"]["allocatable"] = {GPU: "8"}
    assert pools([body], make_pod_body("a"))["h100"].nodes == (NodeRoom("node-1", 7, None, None),)


@pytest.mark.parametrize("node", [make_node_body(unschedulable=True), make_node_body(ready=False)])
def test_nodes_that_take_no_pods_are_no_room(node: dict[str, Any]) -> None:
    seen = pools([node, make_node_body("node-2")], make_pod_body("a"))
    assert seen["h100"] == expected(8, NodeRoom("node-2", 8, 64_000, MEMORY), largest=8)


def test_nodes_of_other_labels_belong_to_other_pools() -> None:
    other = make_node_body("node-2")
    other["metadata"]["labels"] = {"nvidia.com/gpu.product": "a100"}
    seen = pools([other, make_node_body(gpus=2)])
    assert seen["h100"] == expected(2, NodeRoom("node-1", 2, 64_000, MEMORY), largest=2)


def test_an_accelerator_without_nodes_caps_nothing_and_one_whose_nodes_are_away_does() -> None:
    other = make_node_body("node-2")
    other["metadata"]["labels"] = {"nvidia.com/gpu.product": "a100"}
    assert pools([other]) == {}  # nodes may be made for pods that wait, but not for pods that nobody asks for
    assert pools([other, make_node_body(ready=False)])["h100"] == expected(0)


def test_more_asked_for_than_there_is_leaves_nothing_free() -> None:
    nodes = [make_node_body(gpus=1), make_node_body("node-2", gpus=4)]
    greedy = make_pod_body("a", gpus=8)
    greedy["spec"]["containers"][0]["resources"]["limits"] |= {"cpu": "65", "memory": "1Ti"}
    rooms = NodeRoom("node-1", 0, 0, 0), NodeRoom("node-2", 4, 64_000, MEMORY)
    assert pools(nodes, greedy)["h100"] == expected(5, *rooms, largest=4)


def test_slices_are_counted_by_the_name_under_which_nodes_offer_them() -> None:
    node, pod = make_node_body(), make_pod_body("a")
    node["status"]["allocatable"] |= {GPU: "4", SLICE: "6"}
    pod["spec"]["containers"][0]["resources"] = {"limits": {SLICE: "2"}}
    sliced = replace(make_accelerator("slices"), gpu_resource=SLICE, node_selector={})
    seen = pools([node], pod, profiles=[make_accelerator(), sliced])
    assert {name: (pool.free_gpus, pool.overlaps) for name, pool in seen.items()} == {
        "h100": (4, ()),
        "slices": (4, ()),
    }


def test_profiles_that_select_the_same_nodes_know_of_each_other() -> None:
    everything = replace(make_accelerator("everything"), node_selector={})
    other = make_node_body("node-2")
    other["metadata"]["labels"] = {"nvidia.com/gpu.product": "a100"}
    profiles = [make_accelerator("h100"), make_accelerator("a100"), everything]
    seen = pools([make_node_body(), other], profiles=profiles)
    assert {name: pool.overlaps for name, pool in seen.items()} == {
        "h100": ("everything",),
        "a100": ("everything",),
        "everything": ("a100", "h100"),
    }


@pytest.mark.parametrize(
    ("cpu", "memory", "milli", "mebibytes"),
    [
        ("2", "1Gi", 2000, 1024),
        ("500m", "1G", 500, 954),  # a part of a MiB is one
        ("0.1", "128974848", 100, 123),
        ("1e1", "1.5Mi", 10_000, 2),
        ("1k", "2Ti", 1_000_000, 2 * 1024**2),
        ("nonsense", "1..2", 0, 0),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(cpu: str, memory: str, milli: int, mebibytes: int) -> None:
    assert request({"cpu": cpu, "memory": memory}) == PodRequest(milli, mebibytes, {})


def test_a_pod_asks_for_its_containers_or_its_largest_init_container_beside_its_sidecars() -> None:
    sidecar = {"restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}}
    init = {"resources": {"requests": {"cpu": "5", GPU: "1"}}}
    assert request({"cpu": "2", GPU: "1"}, {"cpu": "1"}) == PodRequest(3000, 0, {GPU: 1})
    assert request({"cpu": "2"}, initContainers=[sidecar]) == PodRequest(3000, 0, {})
    assert request({"cpu": "2"}, initContainers=[sidecar, init]) == PodRequest(6000, 0, {GPU: 1})
    assert request({"cpu": "2"}, initContainers=[init, sidecar]) == PodRequest(5000, 0, {GPU: 1})


def test_overhead_and_what_is_set_for_the_whole_pod_count() -> None:
    whole = {"requests": {"cpu": "10"}}
    assert request({"cpu": "2", GPU: "1"}, resources=whole, overhead={"cpu": "250m", "memory": "1Mi"}) == PodRequest(
        10_250, 1, {GPU: 1}
    )


def test_a_limit_without_a_request_is_one() -> None:
    limited = {"resources": {"limits": {"cpu": "4", "memory": "8Gi"}, "requests": {"cpu": "1"}}}
    assert read_request({"containers": [limited, {}]}) == PodRequest(1000, 8192, {})


def test_pods_that_ask_for_the_same_share_what_is_kept() -> None:
    assert request({"cpu": "7", GPU: "1"}) is request({"cpu": "7000m", GPU: "1"})
