from __future__ import annotations

from typing import Any

import pytest

from foresail.domain.errors import ActuationError
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import TargetRef
from foresail.operator.actuate.kube import ForbiddenError, UnreachableError
from foresail.operator.observe.records import TargetKey, TargetRecord, read_target
from foresail.operator.observe.targets import Targets, key_of
from tests.builders import NOW
from tests.unit.operator.fakes import FakeApi
from tests.unit.operator.observe.bodies import make_deployment_body

DEPLOYMENT = TargetRef("apps/v1", "Deployment", "chat-h100")
LWS = TargetRef("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "chat")
ROOT = "/apis/leaderworkerset.x-k8s.io/v1"
SCALE = f"{ROOT}/namespaces/prod/leaderworkersets/chat/scale"
WATCHED = {key_of("prod", DEPLOYMENT): read_target(make_deployment_body(), None, NOW)}


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.put_in(ROOT, {"resources": [{"name": "leaderworkersets", "kind": "LeaderWorkerSet"}]})
    api.put_in(SCALE, make_scale())
    return api


def make_scale(selector: str = "app=chat,worker-index=0") -> dict[str, Any]:
    return {"metadata": {"uid": "uid-lws"}, "spec": {"replicas": 3}, "status": {"replicas": 3, "selector": selector}}


async def find(api: FakeApi, ref: TargetRef) -> TargetRecord | Unknown:
    found = await Targets(api).find([("prod", ref)], WATCHED)
    return found[key_of("prod", ref)]


async def test_watched_kinds_are_not_asked_for(api: FakeApi) -> None:
    target = await find(api, DEPLOYMENT)
    assert isinstance(target, TargetRecord)
    assert (target.uid, target.replicas, target.resource_version) == ("uid-prod-chat-h100", 2, "7")
    assert api.requests == []


async def test_other_kinds_are_read_by_their_scale(api: FakeApi) -> None:
    target = await find(api, LWS)
    assert isinstance(target, TargetRecord)
    assert (target.uid, target.replicas, target.resource_version) == ("uid-lws", 3, "2")
    assert target.selector is not None
    assert target.selector.matches({"app": "chat", "worker-index": "0"})


async def test_the_plural_of_a_kind_is_asked_for_once(api: FakeApi) -> None:
    targets = Targets(api)
    for _ in range(3):
        await targets.find([("prod", LWS)], {})
    assert [path for _, path, _ in api.requests] == [ROOT, SCALE, SCALE, SCALE]


async def test_a_target_named_twice_is_asked_for_once(api: FakeApi) -> None:
    await Targets(api).find([("prod", LWS), ("prod", LWS)], {})
    assert [path for _, path, _ in api.requests].count(SCALE) == 1


@pytest.mark.parametrize("ref", [TargetRef("apps/v1", "Deployment", "gone"), TargetRef("ray.io/v1", "RayService", "x")])
async def test_a_target_that_does_not_exist_is_said_with_its_name(api: FakeApi, ref: TargetRef) -> None:
    target = await find(api, ref)
    assert isinstance(target, Unknown)
    assert target.reason == "TargetNotFound"
    assert f"{ref.kind}/{ref.name} in namespace prod" in target.message


@pytest.mark.parametrize(
    ("error", "reason", "word"),
    [
        (ForbiddenError("not allowed", status=403), "TargetForbidden", "scaleTargets"),
        (UnreachableError("no answer"), "TargetUnreadable", "no answer"),
    ],
)
async def test_a_target_that_cannot_be_read_is_unknown_and_does_not_raise(
    api: FakeApi, error: ActuationError, reason: str, word: str
) -> None:
    api.failure = error
    target = await find(api, LWS)
    assert isinstance(target, Unknown)
    assert target.reason == reason
    assert word in target.message


async def test_a_scale_without_a_selector_is_of_no_use(api: FakeApi) -> None:
    api.put_in(SCALE, make_scale(selector=""))
    target = await find(api, LWS)
    assert isinstance(target, Unknown)
    assert "labelSelectorPath" in target.message


def test_versions_of_a_group_name_the_same_target() -> None:
    assert key_of("prod", TargetRef("apps/v1beta1", "Deployment", "a")) == TargetKey("apps", "Deployment", "prod", "a")
