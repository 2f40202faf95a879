"""Routing weights on a real API server: from shares to the HTTPRoute's weights, and what keeps them from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from foresail.domain.decision import VariantDecision
from foresail.domain.workload import Routing, RoutingMode, WorkloadKey
from foresail.operator.actuate import routing as module
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import KubeClient
from foresail.operator.actuate.route import plan_weights
from foresail.operator.actuate.routing import Router
from foresail.operator.resources import parse_workload
from foresail.sandbox.control_plane import write_kubeconfig
from tests.builders import make_observation, make_variant, make_workload
from tests.conftest import ROOT, Cluster, missing
from tests.integration.routes import make_route, routes
from tests.unit.operator.actuate.routes import weights_of
from tests.unit.operator.explain.statuses import make_decision
from tests.unit.operator.fakes import HandLease

pytestmark = pytest.mark.cluster

EXAMPLE = ROOT / "examples" / "02-two-gpus-one-route"


async def route_once(api: Any, writer: FencedWriter, namespace: str, *, h100: float = 0.7) -> tuple[str, str]:
    """One turn of the router; status and reason of its condition."""
    key = WorkloadKey(namespace, "chat")
    variants = tuple(make_variant(name, service=f"chat-{name}") for name in ("h100", "l40s"))
    workload = make_workload(variants=variants, routing=Routing("chat", mode=RoutingMode.WRITE))
    weights = {"h100": h100, "l40s": 1 - h100}
    decided = tuple(VariantDecision(name, 2, 2, 2, acts=True, weight=weight) for name, weight in weights.items())
    decision = make_decision(variants=decided, key=key)
    told = await Router(api, writer).route({key: decision}, {key: make_observation(workload)})
    return told[key].status, told[key].reason


async def test_only_our_weights_are_written_and_by_our_field_manager(
    gateway: Cluster, kube: KubeClient, namespace: str
) -> None:
    before = await kube.request("POST", routes(namespace), body=make_route(), params={"fieldManager": "kubectl"})
    writer = FencedWriter(kube, HandLease())
    assert await route_once(kube, writer, namespace) == ("True", "WeightsWritten")
    after = await kube.request("GET", f"{routes(namespace)}/chat")
    assert weights_of(after) == [[70, 30], [140, 50, 60], [7]]
    for rule in (rule for route in (before, after) for rule in route["spec"]["rules"]):
        for ref in rule["backendRefs"]:
            del ref["weight"]
    assert after["spec"] == before["spec"]
    assert {entry["manager"] for entry in after["metadata"]["managedFields"]} == {"kubectl", "foresail"}

    version = after["metadata"]["resourceVersion"]
    assert await route_once(kube, writer, namespace, h100=0.71) == ("True", "WeightsWritten")
    again = await kube.request("GET", f"{routes(namespace)}/chat")
    assert again["metadata"]["resourceVersion"] == version  # a point is no reason to write


@pytest.mark.parametrize("shorter", [False, True], ids=["changed", "reordered"])
async def test_a_conflict_changes_nothing_and_the_next_turn_tries_again(
    gateway: Cluster, kube: KubeClient, namespace: str, shorter: bool
) -> None:
    """Somebody writes between our reading and our writing: another weight, or other rules in other places."""
    await kube.request("POST", routes(namespace), body=make_route())
    path = f"{routes(namespace)}/chat"

    class Late:
        """A client whose answers are already out of date."""

        async def request(self, method: str, path: str) -> dict[str, Any]:
            read = await kube.request(method, path)
            rules = make_route()["spec"]["rules"][1:] if shorter else make_route()["spec"]["rules"]
            theirs = read | {"spec": read["spec"] | {"hostnames": ["new.example.com"], "rules": rules}}
            await kube.request("PUT", path, body=theirs)
            return read

    writer = FencedWriter(kube, HandLease())
    assert await route_once(Late(), writer, namespace) == ("Unknown", "RouteChanged")
    untouched = [[100, 50, 100], [7]] if shorter else [[1, 1], [100, 50, 100], [7]]
    assert weights_of(await kube.request("GET", path)) == untouched
    assert await route_once(kube, writer, namespace) == ("True", "WeightsWritten")
    assert weights_of(await kube.request("GET", path))[-2:] == [[140, 50, 60], [7]]


async def test_a_missing_kind_a_missing_route_and_a_missing_right_are_told_apart(
    gateway: Cluster, kube: KubeClient, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FencedWriter(kube, HandLease())
    assert await route_once(kube, writer, namespace) == ("False", "RouteNotFound")
    with monkeypatch.context() as patch:
        patch.setattr(module, "GROUP_VERSION", "gateway.networking.k8s.io/v9")
        assert await route_once(kube, writer, namespace) == ("False", "RouteNotFound")

    plane = gateway.control_plane
    if plane is None:
        missing("a login without rights needs a control plane of our own: unset FORESAIL_TEST_KUBECONFIG")
        return
    token = gateway.kubectl.run("create", "token", "default", "-n", namespace).strip()
    login = write_kubeconfig(
        tmp_path / "kubeconfig", url=plane.url, certificate_authority=plane.certificate_authority, token=token
    )
    async with KubeClient(str(login)) as nobody:
        told = await route_once(nobody, FencedWriter(nobody, HandLease()), namespace)
    assert told == ("False", "RouteForbidden")


def test_the_example_is_accepted_and_its_parts_name_each_other(gateway: Cluster, namespace: str) -> None:
    engines, (route,), (model,) = (
        list(yaml.safe_load_all(path.read_text())) for path in sorted(EXAMPLE.glob("*.yaml"))
    )
    for body in (route, model):
        body["metadata"]["namespace"] = namespace
    gateway.kubectl.apply(route, model)
    workload = parse_workload(gateway.kubectl.get("modeldeployment", "chat", "-n", namespace))
    services = {body["metadata"]["name"] for body in engines if body["kind"] == "Service"}
    targets = {body["metadata"]["name"] for body in engines if body["kind"] == "Deployment"}
    assert {variant.service for variant in workload.variants} == services
    assert {variant.target.name for variant in workload.variants} == targets
    assert workload.routing is not None
    stored = gateway.kubectl.get("httproute", workload.routing.http_route, "-n", namespace)
    assert plan_weights(stored, dict.fromkeys(services, 0.5), workload.routing.rule).problem == ""
