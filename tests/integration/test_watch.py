from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from foresail.domain.workload import WorkloadKey
from foresail.operator.actuate.kube import KubeClient, UnreachableError
from foresail.operator.clock import SystemClock
from foresail.operator.observe.records import TargetKey
from foresail.operator.store import Store
from foresail.operator.streams import WatchTimeouts
from foresail.operator.watch import Watch
from tests.conftest import Cluster
from tests.integration.conftest import deployments, make_deployment, make_model_deployment, model_deployments
from tests.integration.proxy import Proxy
from tests.unit.operator.fakes import eventually

pytestmark = pytest.mark.cluster
EVERY = 0.02


@asynccontextmanager
async def watching(
    kubeconfig: Path, *, namespace: str | None = None, timeouts: WatchTimeouts | None = None
) -> AsyncIterator[tuple[Watch, Store]]:
    clock = SystemClock()
    store = Store(clock)
    async with KubeClient(str(kubeconfig)) as kube:
        watch = Watch(
            kube,
            store,
            clock,
            kubeconfig=str(kubeconfig),
            namespace=namespace,
            timeouts=timeouts or WatchTimeouts(probe_seconds=0.5),
        )
        task = asyncio.ensure_future(watch.run())
        try:
            await eventually(lambda: watch.synced, seconds=30, every=EVERY)
            yield watch, store
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_the_store_follows_what_is_created_changed_and_deleted(
    cluster: Cluster, kube: KubeClient, namespace: str
) -> None:
    key, target = WorkloadKey(namespace, "chat"), TargetKey("apps", "Deployment", namespace, "chat")
    await kube.request("POST", deployments(namespace), body=make_deployment("chat"))
    async with watching(cluster.kubeconfig) as (watch, store):
        assert store.targets[target].replicas == 1
        await kube.request("POST", model_deployments(namespace), body=make_model_deployment("chat"))
        await eventually(lambda: key in store.workloads, every=EVERY)
        await kube.request("DELETE", f"{deployments(namespace)}/chat")
        await eventually(lambda: target not in store.targets, every=EVERY)
        assert watch.problem == ""


async def test_only_one_namespace_is_seen_in_namespaced_mode(
    cluster: Cluster, kube: KubeClient, namespace: str
) -> None:
    for name in (namespace, "default"):
        await kube.request("POST", model_deployments(name), body=make_model_deployment(f"seen-{namespace}"))
    async with watching(cluster.kubeconfig, namespace=namespace) as (_, store):
        assert {key.namespace for key in store.workloads} == {namespace}


async def test_a_silently_stalled_watch_makes_the_store_stale_and_heals(
    cluster: Cluster, kube: KubeClient, namespace: str, tmp_path: Path
) -> None:
    timeouts = WatchTimeouts(
        connect_seconds=1, inactivity_seconds=1.0, stale_seconds=3.0, reconnect_seconds=0.1, probe_seconds=0.5
    )
    key = WorkloadKey(namespace, "chat")
    async with Proxy(cluster.kubeconfig) as proxy:
        kubeconfig = proxy.write_kubeconfig(tmp_path / "kubeconfig")
        async with watching(kubeconfig, timeouts=timeouts) as (watch, store):
            proxy.fall_silent()
            await eventually(lambda: "no sign of life" in watch.problem, seconds=15, every=EVERY)
            await kube.request("POST", model_deployments(namespace), body=make_model_deployment("chat"))
            assert key not in store.workloads
            proxy.speak()
            await eventually(lambda: key in store.workloads and not watch.problem, seconds=30, every=EVERY)


async def test_a_watch_that_ends_while_the_api_server_is_silent_leaks_no_socket(
    cluster: Cluster, tmp_path: Path
) -> None:
    """A leaked socket is reported when it is collected, and a warning is an error here."""
    timeouts = WatchTimeouts(
        connect_seconds=1, inactivity_seconds=1.0, stale_seconds=3.0, reconnect_seconds=0.1, probe_seconds=0.5
    )
    async with Proxy(cluster.kubeconfig) as proxy:
        kubeconfig = proxy.write_kubeconfig(tmp_path / "kubeconfig")
        async with watching(kubeconfig, timeouts=timeouts) as (watch, _):
            proxy.fall_silent()
            await eventually(lambda: "no sign of life" in watch.problem, seconds=15, every=EVERY)
        assert watch.problem
        proxy.speak()
    gc.collect()


async def test_a_client_that_gives_up_on_a_silent_api_server_leaves_no_connection(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with Proxy(cluster.kubeconfig) as proxy:
        async with KubeClient(str(proxy.write_kubeconfig(tmp_path / "kubeconfig"))) as kube:
            await kube.request("GET", "/api/v1/nodes")
            proxy.fall_silent()
            with pytest.raises(UnreachableError):
                await kube.request("GET", "/api/v1/nodes", deadline_seconds=0.2)
        await eventually(lambda: proxy.connected == 0, seconds=5, every=EVERY)


async def test_an_object_that_went_unseen_is_found_missing(cluster: Cluster, namespace: str) -> None:
    key = WorkloadKey(namespace, "phantom")
    phantom = make_model_deployment("phantom")
    phantom["metadata"] |= {"namespace": namespace, "uid": "gone", "resourceVersion": "1", "generation": 1}
    async with watching(cluster.kubeconfig) as (watch, store):
        watch.receive("ADDED", phantom)
        assert key in store.workloads
        await eventually(lambda: key not in store.workloads, seconds=15, every=EVERY)


async def test_without_an_answer_of_the_api_server_nothing_may_be_acted_upon(cluster: Cluster, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    async with Proxy(cluster.kubeconfig) as proxy:
        proxy.write_kubeconfig(kubeconfig)
    clock = SystemClock()
    async with KubeClient(str(kubeconfig)) as kube:
        watch = Watch(kube, Store(clock), clock, kubeconfig=str(kubeconfig))
        task = asyncio.ensure_future(watch.run())
        await eventually(lambda: "does not answer" in watch.problem, seconds=15, every=EVERY)
        task.cancel()
        await asyncio.wait({task})
