from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from foresail.domain.decision import VariantDecision
from foresail.domain.workload import WorkloadKey
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import KubeClient
from foresail.operator.actuate.outbox import Outbox, TokenBucket
from foresail.operator.actuate.scale import OutcomeKind, scale
from foresail.operator.clock import SystemClock
from foresail.operator.explain.events import EventRecorder
from foresail.operator.explain.notices import Notice
from foresail.operator.explain.status import Object, StatusWriter
from foresail.operator.lease import Lease, LeaseTiming
from tests.builders import NOW, make_workload
from tests.integration.conftest import deployments, make_deployment, make_model_deployment, model_deployments
from tests.unit.operator.explain.statuses import make_decision
from tests.unit.operator.fakes import HandLease, eventually

pytestmark = pytest.mark.cluster


async def decide(kube: KubeClient, namespace: str, **changes: Any) -> tuple[str, VariantDecision]:
    """Create a target with 2 replicas and a decision for 3 on it as it is."""
    created = await kube.request(
        "POST",
        deployments(namespace),
        body=make_deployment("chat", replicas=2),
        params={"fieldManager": "kubectl"},
    )
    metadata = created["metadata"]
    decision = VariantDecision("h100", 2, 3, 2, True, metadata["uid"], metadata["resourceVersion"])
    return f"{deployments(namespace)}/chat/scale", replace(decision, **changes)


async def test_replicas_are_set_by_our_field_manager_through_scale(kube: KubeClient, namespace: str) -> None:
    path, decision = await decide(kube, namespace)
    current = await kube.request("GET", path)
    decision = replace(decision, resource_version=current["metadata"]["resourceVersion"])
    outcome = await scale(FencedWriter(kube, HandLease()), path, decision)
    assert outcome.kind in (OutcomeKind.WRITTEN, OutcomeKind.CONFLICT)  # the controller may write in between
    while outcome.kind is OutcomeKind.CONFLICT:
        current = await kube.request("GET", path)
        decision = replace(decision, resource_version=current["metadata"]["resourceVersion"])
        outcome = await scale(FencedWriter(kube, HandLease()), path, decision)
    body = await kube.request("GET", path.removesuffix("/scale"))
    assert body["spec"]["replicas"] == 3
    ours = [entry for entry in body["metadata"]["managedFields"] if entry["manager"] == "foresail"]
    assert {tuple(entry["fieldsV1"]["f:spec"]) for entry in ours} == {("f:replicas",)}


@pytest.mark.parametrize("changes", [{"resource_version": "1"}, {"target_uid": "0" * 8}], ids=["version", "uid"])
async def test_a_target_that_is_not_the_observed_one_is_a_conflict_and_stays(
    kube: KubeClient, namespace: str, changes: dict[str, str]
) -> None:
    path, decision = await decide(kube, namespace, **changes)
    outcome = await scale(FencedWriter(kube, HandLease()), path, decision)
    assert outcome.kind is OutcomeKind.CONFLICT
    assert (await kube.request("GET", path))["spec"]["replicas"] == 2


async def test_a_status_is_written_once_and_accepted_by_the_schema(kube: KubeClient, namespace: str) -> None:
    created = await kube.request("POST", model_deployments(namespace), body=make_model_deployment("chat"))
    outbox = Outbox(TokenBucket(SystemClock()))
    writer = StatusWriter(FencedWriter(kube, HandLease()), outbox)
    key = WorkloadKey(namespace, "chat")
    about = Object(key, created["metadata"]["uid"], created["metadata"]["generation"], {}, make_workload())
    writer.publish(about, make_decision(), (), NOW)
    await outbox.do_next()
    body = await kube.request("GET", f"{model_deployments(namespace)}/chat")
    assert body["status"]["lastDecision"]["to"] == 7
    assert body["status"]["maxReplicas"] == 20
    assert {entry["manager"] for entry in body["metadata"]["managedFields"] if entry.get("subresource")} == {"foresail"}
    writer.publish(about._replace(status=body["status"]), make_decision(identity="other"), (), NOW + 15)
    assert len(outbox) == 0


async def test_news_is_counted_in_one_event(kube: KubeClient, namespace: str) -> None:
    outbox = Outbox(TokenBucket(SystemClock()))
    recorder = EventRecorder(FencedWriter(kube, HandLease()), outbox)
    for _ in range(3):
        recorder.record(WorkloadKey(namespace, "chat"), "u", Notice(True, "Conflict", "HPA/chat scales it"), NOW)
        await outbox.do_next()
    events = (await kube.request("GET", f"/api/v1/namespaces/{namespace}/events"))["items"]
    assert [(event["reason"], event["count"]) for event in events] == [("Conflict", 3)]


async def test_another_takes_over_after_a_kill_and_at_once_after_a_release(kube: KubeClient, namespace: str) -> None:
    timing = LeaseTiming(duration_seconds=3, renew_seconds=0.5, retry_seconds=0.2)
    leases = [Lease(kube, SystemClock(), namespace=namespace, identity=name, timing=timing) for name in "abc"]
    tasks = []
    for lease in leases:
        tasks.append(asyncio.ensure_future(lease.run()))
        await eventually(lambda: leases[0].leading, every=0.01)
    tasks[0].cancel()  # as a SIGKILL would: no word
    killed = time.monotonic()
    await eventually(lambda: leases[1].leading or leases[2].leading, seconds=6, every=0.01)
    assert 2.0 < time.monotonic() - killed < 5.0
    assert not leases[0].leading
    second = next(lease for lease in leases if lease.leading)
    tasks[leases.index(second)].cancel()
    await second.release()
    third = next(lease for lease in leases[1:] if lease is not second)
    await eventually(lambda: third.leading, seconds=2, every=0.01)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
