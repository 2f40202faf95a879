"""The HTTP API: `/healthz`, `/readyz`, `/metrics`, and `/api/v1/decisions`; everything is read-only."""

from __future__ import annotations

import re

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from foresail.service.document import to_list
from foresail.service.state import ServiceState

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
PARAMETERS = ("namespace", "name")


def create_app(state: ServiceState) -> Starlette:
    """Make the application over the operator's state."""

    async def healthz(_: Request) -> Response:
        return _health(state.liveness_problem(), state)

    async def readyz(_: Request) -> Response:
        return _health(state.readiness_problem(), state)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(state.registry), media_type=CONTENT_TYPE_LATEST)

    async def decisions(request: Request) -> Response:
        return _decisions(request, state)

    endpoints = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics, "/api/v1/decisions": decisions}
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in endpoints.items()])


def _decisions(request: Request, state: ServiceState) -> Response:
    asked = dict(request.query_params)
    for parameter, value in sorted(asked.items()):
        if parameter not in PARAMETERS:
            return _refusal(f"there is no parameter {parameter!r}; ask with namespace and name", status=400)
        if NAME.fullmatch(value) is None:
            return _refusal(f"{parameter} must be a Kubernetes name, got {value!r}", status=422)
    namespace, name = map(asked.get, PARAMETERS)
    traces = [
        trace
        for key, trace in sorted(state.traces.items())
        if namespace in (None, key.namespace) and name in (None, key.name)
    ]
    if name is not None and not traces:
        return _refusal(f"no decision is known of {namespace or 'any namespace'}/{name}", status=404)
    return JSONResponse(to_list(traces))


def _health(problem: str, state: ServiceState) -> Response:
    ages = {name: round(age, 3) for name, age in state.ages_seconds().items()}
    return JSONResponse(
        {"status": problem or "ok", "ages_seconds": ages},
        status_code=503 if problem else 200,
    )


def _refusal(sentence: str, *, status: int) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
