from __future__ import annotations

from typing import Any

import pytest

from foresail.domain.errors import SpecError
from foresail.domain.workload import WorkloadKey
from foresail.operator.observe.records import ForeignWrite, TargetKey
from foresail.operator.observe.selector import Requirement, Selector, read_selector
from foresail.operator.store import REMEMBER_SECONDS, Store
from tests.builders import NOW, make_variant, make_workload
from tests.unit.operator.fakes import HandClock
from tests.unit.operator.observe.bodies import (
    changed,
    make_accelerator_body,
    make_deployment_body,
    make_node_body,
    make_pod_body,
    make_rival_body,
    make_workload_body,
)

KEY = WorkloadKey("prod", "chat")
TARGET = TargetKey("apps", "Deployment", "prod", "chat-h100")
SELECTOR = Selector((Requirement("app", "In", frozenset({"chat-h100"})),))


@pytest.fixture
def clock() -> HandClock:
    return HandClock(wall=NOW)


@pytest.fixture
def store(clock: HandClock) -> Store:
    return Store(clock)


def names(store: Store, selector: Selector = SELECTOR) -> list[str]:
    return [pod.name for pod in store.pods_of("prod", selector)]


def test_a_workload_comes_changes_and_goes(store: Store) -> None:
    store.apply(None, make_workload_body())
    assert store.workloads[KEY].workload == make_workload()
    store.apply("MODIFIED", make_workload_body(make_workload(priority=7, generation=2)))
    stored = store.workloads[KEY]
    assert stored.workload is not None
    assert (stored.workload.priority, stored.generation) == (7, 2)
    store.apply("DELETED", make_workload_body())
    assert store.workloads == {}


def test_a_workload_keeps_when_it_was_created(store: Store) -> None:
    store.apply(None, make_workload_body(creationTimestamp="2026-11-23T12:00:00Z"))
    assert store.workloads[KEY].created == NOW


def test_a_spec_that_cannot_be_parsed_keeps_the_last_good_one(store: Store) -> None:
    store.apply("ADDED", make_workload_body())
    bad = make_workload_body(generation=2)
    store.apply("MODIFIED", changed(bad, schedules=[{"name": "x", "start": "25:00", "end": "1", "minReplicas": 1}]))
    stored = store.workloads[KEY]
    assert stored.workload == make_workload()
    assert isinstance(stored.problem, SpecError)
    store.apply("MODIFIED", make_workload_body(generation=3))
    assert store.workloads[KEY].problem is None


def test_a_recreated_object_does_not_inherit_the_spec_of_its_predecessor(store: Store) -> None:
    store.apply("ADDED", make_workload_body())
    store.apply("MODIFIED", changed(make_workload_body(uid="another", generation=1), variants=[]))
    assert store.workloads[KEY].workload is None
    assert store.workloads[KEY].problem is not None


def test_a_new_status_is_kept_without_parsing_the_spec_again(clock: HandClock) -> None:
    parsed: list[Any] = []

    def parse(body: Any) -> Any:
        parsed.append(body)
        return make_workload()

    store = Store(clock, parse_workload=parse)
    store.apply("ADDED", make_workload_body())
    store.apply("MODIFIED", make_workload_body() | {"status": {"currentReplicas": 3}})
    assert store.workloads[KEY].status == {"currentReplicas": 3}
    assert len(parsed) == 1


def test_a_profile_that_cannot_be_parsed_keeps_the_last_good_one(store: Store) -> None:
    store.apply("ADDED", make_accelerator_body())
    good = store.accelerators["h100"]
    store.apply("MODIFIED", changed(make_accelerator_body(), usdPerGpuHour="dear"))
    assert store.accelerators["h100"] == good
    assert "usdPerGpuHour" in str(store.accelerator_problems["h100"])
    store.apply("DELETED", make_accelerator_body())
    assert store.accelerators == {} == store.accelerator_problems


def test_pods_are_found_by_selector_oldest_first(store: Store) -> None:
    store.apply(None, make_pod_body("b", created=NOW - 10))
    store.apply(None, make_pod_body("a", created=NOW - 20))
    store.apply(None, make_pod_body("c", app="other"))
    store.apply(None, make_pod_body("d", namespace="test"))
    assert names(store) == ["a", "b"]
    everyone = read_selector({"matchExpressions": [{"key": "app", "operator": "Exists"}]})
    assert everyone is not None
    assert names(store, everyone) == ["c", "a", "b"]


def test_a_pod_whose_labels_change_is_found_by_the_new_ones_only(store: Store) -> None:
    store.apply(None, make_pod_body("a"))
    store.apply("MODIFIED", make_pod_body("a", labels={"app": "other"}))
    assert names(store) == []
    assert names(store, Selector((Requirement("app", "In", frozenset({"other"})),))) == ["a"]


def test_a_deleted_pod_is_remembered_for_ten_minutes(store: Store, clock: HandClock) -> None:
    store.apply(None, make_pod_body("a"))
    tombstone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "prod", "uid": "uid-prod-a"}}
    store.apply("DELETED", tombstone)
    assert list(store.pods) == []
    (pod,) = store.pods_of("prod", SELECTOR)
    assert (pod.deleted_at, pod.ready) == (NOW, False)
    clock.advance(REMEMBER_SECONDS + 1)
    store.forget_old()
    assert names(store) == []
    assert store._index == {}


def test_a_pod_recreated_under_its_name_replaces_the_old_one_although_nobody_told(store: Store) -> None:
    store.apply(None, make_pod_body("chat-0", uid="first"))
    store.apply("MODIFIED", make_pod_body("chat-0", uid="second"))
    assert [pod.uid for pod in store.pods] == ["second"]
    store.apply("DELETED", make_pod_body("chat-0", uid="first"))  # late
    assert [pod.uid for pod in store.pods] == ["second"]


def test_a_pod_measures_its_start_by_the_first_time_it_was_ready(store: Store) -> None:
    store.apply(None, make_pod_body("a", ready_after=90.0))
    store.apply("MODIFIED", make_pod_body("a", ready_after=None))
    assert next(iter(store.pods)).ready is False
    store.apply("MODIFIED", make_pod_body("a", ready_after=2000.0))
    (pod,) = store.pods
    assert pod.ready_at is not None
    assert pod.ready_at - pod.created == 90.0


def test_who_changed_replicas_is_noticed_and_forgotten_with_our_next_write(store: Store) -> None:
    store.apply(None, make_deployment_body(replicas=2, writer="helm"))
    assert store.targets[TARGET].foreign_write is None  # what stood there at first is nobody's edit
    store.apply("MODIFIED", make_deployment_body(replicas=4, writer="foresail"))
    assert store.targets[TARGET].foreign_write is None
    store.apply("MODIFIED", make_deployment_body(replicas=3, writer="kubectl-scale"))
    assert store.targets[TARGET].foreign_write == ForeignWrite("kubectl-scale", NOW - 10, 4, 3)
    store.apply("MODIFIED", make_deployment_body(replicas=3, writer="kubectl-scale", version="9"))
    assert store.targets[TARGET].foreign_write is not None
    store.apply("MODIFIED", make_deployment_body(replicas=4, writer="foresail"))
    assert store.targets[TARGET].foreign_write is None


def test_a_recreated_target_is_another_one(store: Store) -> None:
    store.apply(None, make_deployment_body(replicas=2))
    store.apply("MODIFIED", make_deployment_body(replicas=9, uid="another"))
    assert store.targets[TARGET].uid == "another"
    assert store.targets[TARGET].foreign_write is None
    store.apply("DELETED", make_deployment_body())
    assert store.targets == {}


def test_rivals_nodes_and_terminating_namespaces_come_and_go(store: Store) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "uid": "n"}}
    going = {**namespace, "metadata": {"name": "prod", "uid": "n", "deletionTimestamp": "2026-11-23T12:00:00Z"}}
    for body in (make_rival_body(), make_node_body(), going):
        store.apply("ADDED", body)
    assert [rival.target for rival in store.rivals.values()] == [TARGET]
    node = store.nodes["node-1"]
    assert (node.allocatable, node.cpu_milli, node.memory_mebibytes) == ({"nvidia.com/gpu": 8}, 64_000, 512 * 1024)
    assert store.terminating == {"prod"}
    for body in (make_rival_body(), make_node_body(), namespace):
        store.apply("DELETED", body)
    assert (store.rivals, store.nodes, store.terminating) == ({}, {}, set())


def test_keda_defaults_and_rivals_without_a_target_are_understood(store: Store) -> None:
    store.apply(None, make_rival_body("ScaledObject", apiVersion=None, kind=None))
    assert [rival.target for rival in store.rivals.values()] == [TARGET]
    store.apply("MODIFIED", make_rival_body("ScaledObject", name=None))
    assert store.rivals == {}


def test_the_age_of_each_kind_is_known_and_unknown_kinds_do_no_harm(store: Store, clock: HandClock) -> None:
    store.apply(None, make_pod_body("a"))
    clock.advance(5)
    store.apply("ADDED", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "uid": "s"}})
    assert store.seen_at == {"Pod": NOW, "Secret": NOW + 5}


def test_an_event_twice_is_an_event_once(store: Store) -> None:
    for _ in range(2):
        store.apply("ADDED", make_pod_body("a"))
        store.apply("ADDED", make_deployment_body())
        store.apply("ADDED", make_workload_body(make_workload(variants=(make_variant(),))))
    assert names(store) == ["a"]
    assert len(store.targets) == len(store.workloads) == 1


def test_pods_ask_for_what_their_containers_or_largest_init_container_ask_for(store: Store) -> None:
    body = make_pod_body("a", gpus=2)
    body["spec"]["containers"].append({"resources": {"requests": {"nvidia.com/gpu": "1"}}})
    body["spec"]["initContainers"] = [{"resources": {"limits": {"nvidia.com/gpu": "8"}}}, {}]
    store.apply(None, body)
    assert next(iter(store.pods)).request.extended == {"nvidia.com/gpu": 8}
