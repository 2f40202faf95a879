"""The HTTP API of the forecaster: `POST /v1/forecasts`, `/v1/models`, `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError

from foresail import __version__
from foresail.forecaster.desk import Desk
from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.questions import Questions


def create_app(
    desk: Desk,
    metrics: ForecasterMetrics,
    *,
    max_bytes: int,
    problem: Callable[[], str],
    store: Callable[[], str] | None = None,
) -> FastAPI:
    """Make the application.

    Args:
        desk: Answers.
        metrics: Shown.
        max_bytes: Longest request.
        problem: Why the process should be restarted, empty when it should not.
        store: Why nothing is copied to the object store, empty when all is; None: there is none.
    """
    app = FastAPI(title="Foresail forecaster", version=__version__, docs_url=None, redoc_url=None)
    _add_forecasts(app, desk, max_bytes)
    _add_health(app, desk, problem, store)

    @app.get("/v1/models")
    async def models() -> JSONResponse:
        told = {} if store is None else {"store": store() or "ok"}
        return JSONResponse({"missing": desk.missing, "models": desk.models()} | told)

    @app.get("/metrics")
    async def show_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _add_forecasts(app: FastAPI, desk: Desk, max_bytes: int) -> None:
    @app.post("/v1/forecasts")
    async def forecasts(request: Request) -> Response:
        body = await _read(request, max_bytes)
        if body is None:
            return _refusal(f"the request is longer than {max_bytes} bytes; send fewer workloads at once", status=413)
        try:
            questions = await asyncio.to_thread(Questions.model_validate_json, body)
        except ValidationError as error:
            return _refusal(_told(error), status=422)
        return Response(await desk.answer(questions), media_type="application/json")


def _add_health(app: FastAPI, desk: Desk, problem: Callable[[], str], store: Callable[[], str] | None) -> None:
    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """A store that fails is told, and is no reason for a restart."""
        return _health(problem(), **({} if store is None else {"store": store() or "ok"}))

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        return _health(desk.problem)


async def _read(request: Request, max_bytes: int) -> bytes | None:
    """The body, None when it is too long; no more than `max_bytes` are ever held."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            return None
    return bytes(body)


def _told(error: ValidationError) -> str:
    """The first thing that is wrong, with the field's name."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the body"
    return f"{place}: {first['msg']}, got {str(first.get('input'))[:60]!r}"


def _health(problem: str, **told: str) -> JSONResponse:
    return JSONResponse({"status": problem or "ok"} | told, status_code=503 if problem else 200)


def _refusal(sentence: str, *, status: int) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)
