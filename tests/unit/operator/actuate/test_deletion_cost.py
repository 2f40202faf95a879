from __future__ import annotations

from foresail.domain.decision import VariantDecision
from foresail.domain.snapshot import Replicas
from foresail.operator.actuate.deletion_cost import ANNOTATION, DeletionCost, pods_to_let_go
from foresail.operator.actuate.fence import FencedWriter
from tests.builders import make_variant_observation
from tests.unit.operator.fakes import FakeApi, HandLease

LOADS = {"a": 3.0, "b": 1.0, "c": 2.0}


def make_decision(desired: int) -> VariantDecision:
    return VariantDecision("h100", 3, desired, 3, acts=True, target_uid="u", resource_version="1")


def make_api(*pods: str) -> FakeApi:
    api = FakeApi()
    for pod in pods:
        api.put_in(f"/api/v1/namespaces/prod/pods/{pod}", {"metadata": {}})
    return api


def marks(api: FakeApi) -> list[tuple[str, object]]:
    return [(path.rpartition("/")[2], body["metadata"]["annotations"][ANNOTATION]) for _, path, body in api.writes()]


def test_the_least_loaded_are_let_go_first() -> None:
    observation = make_variant_observation(replicas=3, load_by_pod=LOADS)
    assert pods_to_let_go(make_decision(1), observation) == ("b", "c")


def test_replicas_that_are_not_ready_go_before_any_ready_one() -> None:
    replicas = Replicas(current=5, ready=3, starting=1, pending=1)
    observation = make_variant_observation(replicas=replicas, load_by_pod=LOADS)
    assert pods_to_let_go(make_decision(3), observation) == ()
    assert pods_to_let_go(make_decision(2), observation) == ("b",)


def test_nobody_is_chosen_when_loads_are_unknown() -> None:
    assert pods_to_let_go(make_decision(1), make_variant_observation(replicas=3)) == ()


async def test_marks_are_set_once_and_taken_back_when_loads_change() -> None:
    api = make_api("a", "b", "c")
    cost = DeletionCost(FencedWriter(api, HandLease()))
    await cost.prefer("prod", "u", ["b"])
    await cost.prefer("prod", "u", ["b"])
    await cost.prefer("prod", "u", ["a"])
    assert marks(api) == [("b", "-100"), ("b", None), ("a", "-100")]


async def test_a_pod_that_is_gone_is_fine() -> None:
    api = make_api()
    await DeletionCost(FencedWriter(api, HandLease())).prefer("prod", "u", ["gone"])
    assert len(api.writes()) == 1
