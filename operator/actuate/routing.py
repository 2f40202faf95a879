"""Carry out routing weights: read the HTTPRoute that a workload names, change its weights, and say how that stands.

Each workload with `spec.routing` gets a condition, `RoutingReady`, whatever becomes of it. Nothing here keeps replicas
from being set: a route that is missing, incomplete or not ours to write is a sentence. It is read in every cycle rather
than watched: few workloads have one, and a right to list the routes of the whole cluster is more than that takes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from foresail.domain.decision import Condition, Decision
from foresail.domain.errors import ActuationError, ConflictError
from foresail.domain.reason import Reason
from foresail.domain.snapshot import WorkloadObservation
from foresail.domain.workload import Mode, Routing, RoutingMode, Workload, WorkloadKey
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import JSON_PATCH, ApiError, ForbiddenError, NotFoundError
from foresail.operator.actuate.route import Plan, plan_weights

CONDITION: Final = "RoutingReady"
GROUP_VERSION: Final = "gateway.networking.k8s.io/v1"
AT_ONCE: Final = 8

logger = logging.getLogger(__name__)


class Api(Protocol):
    """The part of the client of the API server that reading routes needs."""

    async def request(self, method: str, path: str) -> dict[str, Any]:
        """Ask the API server and return its answer."""


class Router:
    """Writes routing weights where they may be written."""

    def __init__(self, api: Api, writer: FencedWriter) -> None:
        self._api = api
        self._writer = writer

    async def route(
        self, decisions: Mapping[WorkloadKey, Decision], observations: Mapping[WorkloadKey, WorkloadObservation]
    ) -> dict[WorkloadKey, Condition]:
        """Carry out the weights of all decisions; a condition for every workload with `spec.routing`."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def gated(decision: Decision, workload: Workload, routing: Routing) -> Condition:
            async with gate:
                return await self._route(decision, workload, routing)

        asked = [
            (decision, workload, workload.routing)
            for key, decision in decisions.items()
            if (workload := observations[key].workload).routing is not None
        ]
        told = await asyncio.gather(*(gated(*one) for one in asked))
        return {decision.key: condition for (decision, _, _), condition in zip(asked, told, strict=True)}

    async def _route(self, decision: Decision, workload: Workload, routing: Routing) -> Condition:
        shares = _shares(decision, workload)
        held = _held(decision, workload, routing, shares)
        if held is not None:
            return held
        what = f"HTTPRoute {routing.http_route}"
        path = f"/apis/{GROUP_VERSION}/namespaces/{decision.key.namespace}/httproutes/{routing.http_route}"
        try:
            plan = plan_weights(await self._api.request("GET", path), shares, routing.rule)
            if plan.patch:
                await self._writer.write("PATCH", path, plan.patch, content_type=JSON_PATCH)
                logger.info("%s: %s: %s", decision.key, what, ", ".join(plan.changes))
        except ActuationError as error:
            return _failure(what, error)
        return _success(what, plan)


def _shares(decision: Decision, workload: Workload) -> dict[str, float]:
    """Shares by Service, as far as they are known."""
    services = {variant.name: variant.service for variant in workload.variants}
    return {
        service: variant.weight
        for variant in decision.variants
        if (service := services.get(variant.name)) is not None and variant.weight is not None
    }


def _held(decision: Decision, workload: Workload, routing: Routing, shares: Mapping[str, float]) -> Condition | None:
    """Why the route is left alone; None when it is not."""
    shown = "Weights are shown in status.variants and not written"
    if workload.mode is not Mode.AUTO:
        return _condition("True", Reason.WEIGHTS_SHOWN, f"{shown}: spec.mode is {workload.mode}.")
    if routing.mode is RoutingMode.OBSERVE:
        return _condition("True", Reason.WEIGHTS_SHOWN, f"{shown}: spec.routing.mode is {routing.mode}.")
    if not any(shares.values()):
        why = "No variant with a service has ready replicas of known capacity; the HTTPRoute stays as it is."
        return _condition("Unknown", Reason.WEIGHTS_UNKNOWN, why)
    if not any(variant.acts for variant in decision.variants):
        return _condition("True", Reason.WEIGHTS_SHOWN, f"{shown}: somebody else sets the replicas.")
    return None


def _success(what: str, plan: Plan) -> Condition:
    if plan.problem:
        remedy = "correct the HTTPRoute, or spec.routing and the variants' service"
        return _condition("False", Reason.ROUTE_INCOMPLETE, f"{what} {plan.problem}; {remedy}.")
    return _condition("True", Reason.WEIGHTS_WRITTEN, f"{what} shares requests as the ready replicas can carry them.")


def _failure(what: str, error: ActuationError) -> Condition:
    match error:
        case NotFoundError(reason="NotFound"):
            why = f"{what} does not exist; create it, or correct spec.routing.httpRoute.name."
            return _condition("False", Reason.ROUTE_NOT_FOUND, why)
        case NotFoundError():
            why = f"HTTPRoutes of {GROUP_VERSION} are not served; install the Gateway API, or remove spec.routing."
            return _condition("False", Reason.ROUTE_NOT_FOUND, why)
        case ForbiddenError():
            remedy = "set the chart's value routing.httpRoutes.enabled"
            return _condition(
                "False", Reason.ROUTE_FORBIDDEN, f"{what} may not be read or patched ({error}); {remedy}."
            )
        case _ if _is_conflict(error):
            why = f"{what} changed while its weights were written; the next cycle tries again."
            return _condition("Unknown", Reason.ROUTE_CHANGED, why)
        case _:
            return _condition("False", Reason.ROUTE_REFUSED, f"{what} could not be read or patched ({error}).")


def _is_conflict(error: ActuationError) -> bool:
    """Whether the route is not as it was read any more; 422 is a test of the patch that failed, or an invalid route."""
    failed_test = isinstance(error, ApiError) and error.status == 422 and "is invalid" not in str(error)
    return failed_test or isinstance(error, ConflictError)


def _condition(status: str, reason: Reason, message: str) -> Condition:
    return Condition(CONDITION, status, str(reason), message)
