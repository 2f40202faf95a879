"""Least privilege: every verb of the chart's roles is used by a line of code, and the API server grants no other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from foresail.operator.actuate.kube import KubeClient
from foresail.operator.clock import SystemClock
from foresail.operator.kinds import KINDS
from foresail.operator.watch import Watch
from foresail.sandbox.control_plane import write_kubeconfig
from tests.conftest import ROOT, wait_for
from tests.manifests.conftest import Empty
from tests.manifests.helm import CHART, Helm, Manifest, of_kind, only
from tests.manifests.rights import CLUSTER_WIDE, IN_ONE_NAMESPACE, LEADING, LEASE_NAME, ROUTED, Right, Use

WATCHED_ONE = "rights-watched"
ACCOUNT = {"view": "viewer", "edit": "editor"}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def rights_of(rules: Iterable[Manifest]) -> list[Right]:
    """The rights of a role, one by one."""
    return [Right(*one) for rule in rules for one in product(rule["apiGroups"], rule["resources"], rule["verbs"])]


def rights_in(uses: Iterable[Use]) -> list[Right]:
    return sorted(use.right for use in uses)


@pytest.mark.parametrize("use", [*CLUSTER_WIDE, *LEADING, *ROUTED], ids=lambda use: "-".join(filter(None, use.right)))
def test_every_right_is_used_by_the_code(use: Use) -> None:
    assert use.code in (ROOT / use.file).read_text(), f"{use.file} no longer says {use.code!r}: {use.why}"


def test_the_cluster_role_has_the_rights_that_are_used_and_no_others(rendering: Helm) -> None:
    roles = of_kind(rendering.template(), "ClusterRole")
    (role,) = [role for role in roles if role["metadata"]["name"] == "foresail"]

    assert sorted(rights_of(role["rules"])) == rights_in(CLUSTER_WIDE)


def test_in_one_namespace_there_are_roles_only(rendering: Helm) -> None:
    manifests = rendering.template({"watchNamespace": "team-a"})

    assert of_kind(manifests, "ClusterRole", "ClusterRoleBinding") == []
    roles = {role["metadata"]["namespace"]: role for role in of_kind(manifests, "Role")}
    assert sorted(rights_of(roles["team-a"]["rules"])) == rights_in(IN_ONE_NAMESPACE)
    assert set(roles) == {"team-a", "foresail-system"}


def test_the_lease_is_the_only_right_in_the_operators_own_namespace(rendering: Helm) -> None:
    role = only(rendering.template(), "Role")

    assert sorted(rights_of(role["rules"])) == rights_in(LEADING)
    named = [rule for rule in role["rules"] if rule.get("resourceNames") == [LEASE_NAME]]
    assert sorted(right.verb for right in rights_of(named)) == ["get", "update"]


def test_more_kinds_are_opted_in_one_by_one(rendering: Helm) -> None:
    values = {"scaleTargets": [{"group": "argoproj.io", "resource": "rollouts"}], "rbac": {"podDeletionCost": False}}
    (role,) = [
        role for role in of_kind(rendering.template(values), "ClusterRole") if role["metadata"]["name"] == "foresail"
    ]

    rights = set(rights_of(role["rules"]))
    before = set(rights_in(CLUSTER_WIDE))
    assert rights - before == {Right("argoproj.io", "rollouts/scale", verb) for verb in ("get", "patch")}
    assert before - rights == {
        right for right in before if right.resource.endswith("/scale") or right == Right("", "pods", "patch")
    }


@pytest.mark.parametrize("watched", ["", "team-a"])
def test_routes_are_read_and_patched_only_where_it_is_asked_for(rendering: Helm, watched: str) -> None:
    values = {"watchNamespace": watched, "routing": {"httpRoutes": {"enabled": True}}}
    kind, uses = ("Role", IN_ONE_NAMESPACE) if watched else ("ClusterRole", CLUSTER_WIDE)
    (role,) = [role for role in of_kind(rendering.template(values), kind) if role["metadata"]["name"] == "foresail"]

    assert sorted(rights_of(role["rules"])) == rights_in([*uses, *ROUTED])


@pytest.fixture(scope="module")
def judge(empty: Empty, helm: Helm) -> Iterator[client.AuthorizationV1Api]:
    """The authorizer of a cluster on which one operator watches everything and another one namespace."""
    for name in ("rights-all", "rights-one", WATCHED_ONE):
        empty.kubectl.run("create", "namespace", name)
    common = {"replicas": 0, "crds": {"install": False}}  # an authorizer asks for rules, not for kinds
    helm.run("upgrade", "--install", "all", CHART, "--namespace", "rights-all", values=common)
    one = common | {"watchNamespace": WATCHED_ONE}
    helm.run("upgrade", "--install", "one", CHART, "--namespace", "rights-one", values=one)
    login = str(empty.control_plane.kubeconfig)
    with config.new_client_from_config(login) as api:  # type: ignore[no-untyped-call]
        yield client.AuthorizationV1Api(api)
    helm.run("uninstall", "all", "--namespace", "rights-all")
    helm.run("uninstall", "one", "--namespace", "rights-one")


def may(judge: client.AuthorizationV1Api, account: str, right: Right, *, namespace: str = "", name: str = "") -> bool:
    """Whether a ServiceAccount ("namespace:name") may do something in a namespace, or with "" in all of them."""
    resource, _, subresource = right.resource.partition("/")
    attributes = client.V1ResourceAttributes(
        group=right.group,
        resource=resource,
        subresource=subresource,
        verb=right.verb,
        namespace=namespace,
        name=name,
    )
    user = f"system:serviceaccount:{account}"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{account.partition(':')[0]}", "system:authenticated"]
    spec = client.V1SubjectAccessReviewSpec(user=user, groups=groups, resource_attributes=attributes)
    answer = judge.create_subject_access_review(client.V1SubjectAccessReview(spec=spec))
    return bool(answer.status and answer.status.allowed)


def every_right(empty: Empty) -> set[Right]:
    """Every verb on every resource that the API server serves, and on those that the roles name."""
    rows = [
        row.split()
        for row in empty.kubectl.run("api-resources", "--no-headers", "--output=wide").splitlines()
        if "selfsubject" not in row  # anybody may ask about themselves
    ]
    served = {(version_of(row).rpartition("/")[0], row[0]) for row in rows}
    subresources = {("apps", f"{name}/scale") for name in ("deployments", "statefulsets", "replicasets")}
    subresources |= {("", f"pods/{name}") for name in ("exec", "eviction", "status", "ephemeralcontainers")}
    named = {(use.right.group, use.right.resource) for use in CLUSTER_WIDE}
    return {Right(*place, verb) for place, verb in product(served | subresources | named, VERBS)}


def version_of(row: list[str]) -> str:
    """The apiVersion in a row of `kubectl api-resources`; short names are there or not."""
    return row[next(index for index, word in enumerate(row) if word in ("true", "false")) - 1]


@pytest.mark.cluster
def test_the_api_server_grants_these_rights_and_no_others(empty: Empty, judge: client.AuthorizationV1Api) -> None:
    everything = sorted(every_right(empty))
    assert len(everything) > 400  # some sixty resources, eight verbs

    granted, anybodys = (
        {right for right in everything if may(judge, account, right)}
        for account in ("rights-all:all-foresail", "rights-all:default")
    )
    assert sorted(granted - anybodys) == rights_in(CLUSTER_WIDE)


@pytest.mark.cluster
def test_one_namespace_is_one_namespace(judge: client.AuthorizationV1Api) -> None:
    account = "rights-one:one-foresail"

    for use in IN_ONE_NAMESPACE:
        assert may(judge, account, use.right, namespace=WATCHED_ONE), use
        assert not may(judge, account, use.right, namespace="rights-one"), use
    for use in CLUSTER_WIDE:
        assert not may(judge, account, use.right), use


@pytest.mark.cluster
def test_the_lease_is_ours_alone_and_only_at_home(judge: client.AuthorizationV1Api) -> None:
    account, lease = "rights-all:all-foresail", "coordination.k8s.io"

    for verb in ("get", "update"):
        right = Right(lease, "leases", verb)
        assert may(judge, account, right, namespace="rights-all", name=LEASE_NAME)
        assert not may(judge, account, right, namespace="rights-all", name="kube-scheduler")
        assert not may(judge, account, right, namespace="kube-system", name=LEASE_NAME)
    assert may(judge, account, Right(lease, "leases", "create"), namespace="rights-all")
    assert not may(judge, account, Right(lease, "leases", "delete"), namespace="rights-all", name=LEASE_NAME)


@pytest.mark.cluster
def test_viewers_may_view_and_editors_edit_our_kinds(empty: Empty, judge: client.AuthorizationV1Api) -> None:
    for role in ("view", "edit"):
        empty.kubectl.run("create", "serviceaccount", ACCOUNT[role], "-n", WATCHED_ONE)
        empty.kubectl.run(
            *("create", "rolebinding", ACCOUNT[role], "-n", WATCHED_ONE, f"--clusterrole={role}"),
            f"--serviceaccount={WATCHED_ONE}:{ACCOUNT[role]}",
        )

    rights = {verb: Right("foresail.dev", "modeldeployments", verb) for verb in VERBS}

    def verbs(account: str) -> list[str]:
        return [verb for verb in VERBS if may(judge, f"{WATCHED_ONE}:{account}", rights[verb], namespace=WATCHED_ONE)]

    # The controller-manager adds our rules to the cluster's roles when it comes to it.
    wait_for(lambda: verbs("editor") == list(VERBS), what="editing")
    assert verbs("viewer") == ["get", "list", "watch"]
    status = Right("foresail.dev", "modeldeployments/status", "patch")
    assert not may(judge, f"{WATCHED_ONE}:editor", status, namespace=WATCHED_ONE)


@pytest.mark.cluster
@pytest.mark.parametrize(("account", "watched"), [("all", None), ("one", WATCHED_ONE)])
async def test_the_rights_suffice_to_watch(
    empty: Empty, judge: client.AuthorizationV1Api, tmp_path: Path, account: str, watched: str | None
) -> None:
    """The very watch of the operator, by its own ServiceAccount; without these rights it would never be whole."""
    token = empty.kubectl.run("create", "token", f"{account}-foresail", "-n", f"rights-{account}").strip()
    plane = empty.control_plane
    login = write_kubeconfig(
        tmp_path / "kubeconfig", url=plane.url, certificate_authority=plane.certificate_authority, token=token
    )
    kinds = [kind for kind in KINDS if kind.group != "foresail.dev"]  # which a test beside this one may install

    async with KubeClient(str(login)) as kube:
        watch = Watch(kube, Deaf(), SystemClock(), kubeconfig=str(login), namespace=watched, kinds=kinds)
        task = asyncio.create_task(watch.run())
        try:
            async with asyncio.timeout(30):
                while not watch.synced:  # noqa: ASYNC110 - the watch has no event to wait for
                    await asyncio.sleep(0.05)
        finally:
            task.cancel()
            await asyncio.wait([task])

    seen = set(watch.ages()) - {"probe"}
    optional = {"nodes", "namespaces"} if watched is None else set()
    assert seen == {"pods", "deployments.apps", "statefulsets.apps", "horizontalpodautoscalers.autoscaling"} | optional


class Deaf:
    """A store that forgets."""

    def apply(self, event_type: str | None, body: Mapping[str, Any]) -> None:
        """Take in one event."""
