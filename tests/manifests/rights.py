"""Every right that the operator needs: what for, and the code that uses it. The chart gives these and no others."""

from __future__ import annotations

from typing import NamedTuple

from foresail.operator.kinds import KINDS


class Right(NamedTuple):
    """A verb on a resource (with its subresource) of a group."""

    group: str
    resource: str
    verb: str


class Use(NamedTuple):
    """A right, why it is needed, and a piece of the code that needs it."""

    right: Right
    why: str
    file: str
    code: str


APPS = ("deployments", "statefulsets")
LEADER_WORKER_SETS = ("leaderworkerset.x-k8s.io", "leaderworkersets/scale")

WATCHED = [
    Use(Right(kind.group, kind.plural, verb), f"keep the store like the cluster's {kind}", *where)
    for kind in KINDS
    for verb, where in (
        ("list", ("operator/watch.py", '"GET", kind.path(self._namespace)')),
        ("watch", ("operator/streams.py", "kopf.on.event(kind.group, kind.version, kind.plural")),
    )
]
CLUSTER_SCOPED = frozenset(kind.plural for kind in KINDS if not kind.namespaced)

WRITTEN = [
    Use(
        Right("foresail.dev", "modeldeployments/status", "patch"),
        "say what was observed and decided",
        "operator/explain/status.py",
        '"PATCH", path, body, content_type=APPLY_PATCH',
    ),
    Use(Right("", "events", "create"), "tell people", "operator/explain/events.py", '"POST", folder'),
    Use(Right("", "events", "patch"), "count the same news up", "operator/explain/events.py", '"PATCH", f"{folder}/'),
    Use(
        Right("", "pods", "patch"),
        "mark the least-loaded pods before a step down",
        "operator/actuate/deletion_cost.py",
        '"PATCH", path, {"metadata": {"annotations": {ANNOTATION',
    ),
    *(
        Use(
            Right("apps", f"{resource}/scale", "patch"),
            "set replicas",
            "operator/actuate/scale.py",
            'writer.write("PATCH", path, body',
        )
        for resource in APPS
    ),
    Use(
        Right(*LEADER_WORKER_SETS, "patch"),
        "set replicas",
        "operator/actuate/scale.py",
        'writer.write("PATCH", path, body',
    ),
    Use(
        Right(*LEADER_WORKER_SETS, "get"),
        "read replicas of kinds that are not watched",
        "operator/observe/targets.py",
        'self._api.request("GET", path)',
    ),
]

LEADING = [
    Use(Right("coordination.k8s.io", "leases", verb), "one operator writes", "operator/lease.py", code)
    for verb, code in (
        ("get", '"GET", f"{self._folder}/{LEASE_NAME}"'),
        ("create", '"POST", self._folder'),
        ("update", '"PUT", f"{self._folder}/{LEASE_NAME}"'),
    )
]
LEASE_NAME = "foresail-operator"

ROUTES = ("gateway.networking.k8s.io", "httproutes")
ROUTED = [  # only where the chart's value routing.httpRoutes.enabled asks for it
    Use(Right(*ROUTES, "get"), "read weights", "operator/actuate/routing.py", 'self._api.request("GET", path)'),
    Use(Right(*ROUTES, "patch"), "set weights", "operator/actuate/routing.py", 'self._writer.write("PATCH", path'),
]

CLUSTER_WIDE = [*WATCHED, *WRITTEN]
IN_ONE_NAMESPACE = [use for use in CLUSTER_WIDE if use.right.resource not in CLUSTER_SCOPED]
