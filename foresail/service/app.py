"""The HTTP API: `/healthz`, `/readyz`, `/metrics`, and `/api/v1/decisions`; everything is read-only."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from foresail import __version__
from foresail.service.document import to_list
from foresail.service.state import ServiceState

NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
KNOWN_PARAMETERS = frozenset({"namespace", "name"})

Name = Annotated[str | None, Query(pattern=NAME)]


def create_app(state: ServiceState) -> FastAPI:
    """Make the application over the operator's state."""
    app = FastAPI(title="Foresail", version=__version__, docs_url=None, redoc_url=None)

    @app.exception_handler(RequestValidationError)
    async def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return _refusal(f"{first['loc'][-1]} must be a Kubernetes name, got {first.get('input')!r}", status=422)

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        return _health(state.liveness_problem(), state)

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        return _health(state.readiness_problem(), state)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(state.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/api/v1/decisions")
    async def decisions(request: Request, namespace: Name = None, name: Name = None) -> JSONResponse:
        unknown = sorted(set(request.query_params) - KNOWN_PARAMETERS)
        if unknown:
            return _refusal(f"there is no parameter {unknown[0]!r}; ask with namespace and name", status=400)
        traces = [
            trace
            for key, trace in sorted(state.traces.items())
            if namespace in (None, key.namespace) and name in (None, key.name)
        ]
        if name is not None and not traces:
            return _refusal(f"no decision is known of {namespace or 'any namespace'}/{name}", status=404)
        return JSONResponse(to_list(traces))

    return app


def _health(problem: str, state: ServiceState) -> JSONResponse:
    ages = {name: round(age, 3) for name, age in state.ages_seconds().items()}
    return JSONResponse(
        {"status": problem or "ok", "ages_seconds": ages},
        status_code=503 if problem else 200,
    )


def _refusal(sentence: str, *, status: int) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)
