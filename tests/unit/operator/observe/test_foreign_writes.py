"""Who wrote the replicas, as a real API server tells it in managedFields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from foresail.operator.actuate.kube import MERGE_PATCH, KubeClient
from foresail.operator.observe.records import TargetKey
from foresail.operator.store import Store
from tests.builders import NOW
from tests.conftest import Cluster
from tests.unit.operator.fakes import HandClock

pytestmark = pytest.mark.cluster


def make_deployment(namespace: str) -> dict[str, Any]:
    labels = {"app": "chat"}
    containers = [{"name": "engine", "image": "example.com/engine:1"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


async def test_our_writes_are_ours_and_others_are_noticed(cluster: Cluster, namespace: str) -> None:
    clock = HandClock(wall=NOW + 10 * 365 * 86_400)
    store = Store(clock)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/chat"
    key = TargetKey("apps", "Deployment", namespace, "chat")

    async def look() -> tuple[int, str | None]:
        store.apply("MODIFIED", await kube.request("GET", path))
        target = store.targets[key]
        return target.replicas, None if target.foreign_write is None else target.foreign_write.manager

    async def scale(replicas: int, manager: str) -> None:
        body = {"spec": {"replicas": replicas}}
        params = {"fieldManager": manager}
        await kube.request("PATCH", f"{path}/scale", body=body, content_type=MERGE_PATCH, params=params)

    async with KubeClient(str(cluster.kubeconfig)) as kube:
        cluster.kubectl.run("apply", "-f", "-", stdin=json.dumps(make_deployment(namespace)))
        assert await look() == (1, None)
        await scale(3, "foresail")
        assert await look() == (3, None)
        cluster.kubectl.run("scale", "deployment/chat", "--replicas=2", "-n", namespace)
        assert await look() == (2, "kubectl")
        foreign = store.targets[key].foreign_write
        assert foreign is not None
        assert foreign.time == clock.wall()  # the API server notes no time for what is written through /scale
        await scale(3, "foresail")
        assert await look() == (3, None)
        store.expect(store.targets[key].uid, 0)
        await scale(0, "foresail")
        assert await look() == (0, None)  # the API server notes no manager of zero replicas
        store.expect(store.targets[key].uid, 3)
        await scale(3, "foresail")
        assert await look() == (3, None)
        cluster.kubectl.run("scale", "deployment/chat", "--replicas=0", "-n", namespace)
        assert await look() == (0, "unknown")
        cluster.kubectl.run("apply", "-f", "-", stdin=json.dumps(make_deployment(namespace)))
        replicas, manager = await look()
        assert (replicas, manager) == (1, "kubectl-client-side-apply")
