from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from foresail.domain.decision import Condition, VariantDecision
from foresail.domain.errors import ActuationError
from foresail.domain.workload import Mode, Routing, RoutingMode
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import (
    ApiConflictError,
    ApiError,
    ForbiddenError,
    NotFoundError,
    UnreachableError,
)
from foresail.operator.actuate.routing import Router
from tests.builders import make_observation, make_variant, make_workload
from tests.unit.operator.actuate.routes import make_ref, make_route, weights_of
from tests.unit.operator.explain.statuses import KEY, make_decision
from tests.unit.operator.fakes import FakeApi, HandLease

PATH = "/apis/gateway.networking.k8s.io/v1/namespaces/prod/httproutes/chat"
SEVENTY = {"h100": 0.7, "l40s": 0.3}


class Stage:
    """A Router before a fake API server that has one route, evenly weighted."""

    def __init__(self, *, remaining: float = 10.0) -> None:
        self.api = FakeApi()
        self.api.put_in(PATH, make_route([make_ref("chat-h100", 50), make_ref("chat-l40s", 50)]))
        self._router = Router(self.api, FencedWriter(self.api, HandLease(remaining)))

    async def route(
        self,
        weights: Mapping[str, float | None] = SEVENTY,
        *,
        acts: bool = True,
        mode: Mode = Mode.AUTO,
        routing: Routing | None = Routing("chat", mode=RoutingMode.WRITE),  # noqa: B008 - frozen
    ) -> Condition | None:
        """One turn; the condition, None without one."""
        variants = tuple(make_variant(name, service=f"chat-{name}") for name in ("h100", "l40s"))
        workload = make_workload(variants=variants, mode=mode, routing=routing)
        decided = tuple(VariantDecision(name, 5, 5, 5, acts, weight=weight) for name, weight in weights.items())
        told = await self._router.route({KEY: make_decision(variants=decided)}, {KEY: make_observation(workload)})
        return told.get(KEY)

    def weights(self) -> Any:
        return weights_of(self.api.objects[PATH])[0]


def said(condition: Condition | None) -> tuple[str, str]:
    assert condition is not None
    assert condition.type == "RoutingReady"
    assert condition.message.endswith(".")
    return condition.status, condition.reason


async def test_weights_go_to_the_route_by_our_field_manager_and_once() -> None:
    stage = Stage()
    assert said(await stage.route()) == ("True", "WeightsWritten")
    assert stage.weights() == [70, 30]
    assert stage.api.params[-1] == {"fieldManager": "foresail"}
    assert said(await stage.route()) == ("True", "WeightsWritten")
    assert len(stage.api.writes()) == 1


async def test_without_routing_nothing_is_asked_and_nothing_said() -> None:
    stage = Stage()
    assert await stage.route(routing=None) is None
    assert stage.api.requests == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mode": Mode.ADVISORY}, "spec.mode is Advisory"),
        ({"mode": Mode.OFF}, "spec.mode is Off"),
        ({"routing": Routing("chat")}, "spec.routing.mode is Observe"),
        ({"acts": False}, "somebody else sets the replicas"),
    ],
    ids=["advisory", "off", "observe", "rival"],
)
async def test_weights_are_only_shown_where_we_may_not_write(changes: dict[str, Any], why: str) -> None:
    stage = Stage()
    condition = await stage.route(**changes)
    assert said(condition) == ("True", "WeightsShown")
    assert condition is not None
    assert why in condition.message
    assert stage.api.requests == []


@pytest.mark.parametrize("weights", [{"h100": None, "l40s": None}, {"h100": 0.0, "l40s": None}])
async def test_what_is_unknown_leaves_the_route_as_it_is(weights: dict[str, float | None]) -> None:
    stage = Stage()
    assert said(await stage.route(weights)) == ("Unknown", "WeightsUnknown")
    assert stage.api.requests == []


async def test_a_route_that_is_not_there_is_a_condition() -> None:
    stage = Stage()
    del stage.api.objects[PATH]
    condition = await stage.route()
    assert said(condition) == ("False", "RouteNotFound")
    assert condition is not None
    assert condition.message == "HTTPRoute chat does not exist; create it, or correct spec.routing.httpRoute.name."


async def test_a_rule_that_is_not_there_is_a_condition() -> None:
    stage = Stage()
    assert said(await stage.route(routing=Routing("chat", "x", RoutingMode.WRITE))) == ("False", "RouteIncomplete")
    assert stage.api.writes() == []


@pytest.mark.parametrize(
    ("error", "status", "reason", "part"),
    [
        (NotFoundError("404 page not found", status=404), "False", "RouteNotFound", "install the Gateway API"),
        (ForbiddenError("forbidden", status=403), "False", "RouteForbidden", "routing.httpRoutes.enabled"),
        (UnreachableError("no answer"), "False", "RouteRefused", "no answer"),
        (ApiConflictError("modified", status=409), "Unknown", "RouteChanged", "next cycle"),
        (ApiError("422 the server rejected our request", status=422), "Unknown", "RouteChanged", "next cycle"),
        (ApiError('422 HTTPRoute "chat" is invalid: x', status=422), "False", "RouteRefused", "is invalid"),
    ],
)
async def test_every_answer_of_the_api_server_is_a_condition(
    error: ActuationError, status: str, reason: str, part: str
) -> None:
    stage = Stage()
    stage.api.failure = error
    condition = await stage.route()
    assert said(condition) == (status, reason)
    assert condition is not None
    assert part in condition.message


async def test_a_route_that_changes_in_between_stays_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    theirs = make_route([make_ref("chat-l40s", 9), make_ref("chat-h100", 9)])
    real = stage.api.request

    async def and_then_somebody_writes(method: str, path: str, **arguments: Any) -> dict[str, Any]:
        answer = await real(method, path, **arguments)
        if method == "GET":
            stage.api.put_in(PATH, theirs)
        return answer

    monkeypatch.setattr(stage.api, "request", and_then_somebody_writes)
    assert said(await stage.route()) == ("Unknown", "RouteChanged")
    assert stage.weights() == [9, 9]
    monkeypatch.setattr(stage.api, "request", real)
    assert said(await stage.route()) == ("True", "WeightsWritten")
    assert stage.weights() == [30, 70]


async def test_nothing_is_written_without_the_lease() -> None:
    stage = Stage(remaining=0.0)
    assert said(await stage.route()) == ("False", "RouteRefused")
    assert stage.api.writes() == []
