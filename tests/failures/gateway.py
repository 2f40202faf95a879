"""An HTTP gateway before the API server that can answer in its place, hold requests back and break watches.

It runs in a thread with a loop of its own. Plain HTTP on loopback, so that it sees what it passes on.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from foresail.sandbox.control_plane import ControlPlane

PASSED_ON = frozenset({"Accept", "Authorization", "Content-Type"})
GONE = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired", "message": "gone"}


class Fault(StrEnum):
    """What is wrong with it."""

    NONE = "none"
    CONFLICTING = "writes of scale are answered with 409"
    THROTTLING = "writes of scale are answered with 429 and Retry-After"
    HOLDING = "writes of scale do not arrive"
    STALLING = "not a byte comes through on watches"
    GONE = "watches break, and the next ones are told that their version is too old"


@dataclass
class Gateway:
    """Start it with `with Gateway(control_plane) as gateway:`."""

    control_plane: ControlPlane
    fault: Fault = Fault.NONE
    retry_after_seconds: int = 1
    scale_writes: list[float] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._watches: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = self._run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.fault = Fault.NONE
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def write_kubeconfig(self, path: Path) -> Path:
        """A kubeconfig that leads through here."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "gateway",
            "clusters": [{"name": "gateway", "cluster": {"server": self.url}}],
            "users": [{"name": "gateway", "user": {"token": self.control_plane.admin_token}}],
            "contexts": [{"name": "gateway", "context": {"cluster": "gateway", "user": "gateway"}}],
        }
        path.write_text(json.dumps(content))
        return path

    def break_watches(self) -> None:
        """Let every watch end, and the next one of each collection be told 410 once."""
        self.gone.clear()
        self.fault = Fault.GONE
        self._run(self._cut())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=20)

    async def _open(self) -> str:
        tls = ssl.create_default_context(cafile=str(self.control_plane.certificate_authority))
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls), timeout=aiohttp.ClientTimeout(total=None)
        )
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def _close(self) -> None:
        await self._cut()
        await self._runner.cleanup()
        await self._client.close()
        await asyncio.sleep(0.2)  # until the sockets are closed, which nothing tells

    async def _cut(self) -> None:
        watches = set(self._watches)
        for task in watches:
            task.cancel()
        if watches:
            await asyncio.wait(watches, timeout=5)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        if request.method == "PATCH" and request.path.endswith("/scale"):
            self.scale_writes.append(time.monotonic())
            refusal = await self._meet_scale_write()
            if refusal is not None:
                return refusal
        async with self._ask(request, await request.read()) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), headers={"Content-Type": "application/json"}
            )

    async def _meet_scale_write(self) -> web.Response | None:
        if self.fault is Fault.CONFLICTING:
            return _status(409, "Conflict", "the object has been modified; please apply your changes to it")
        if self.fault is Fault.THROTTLING:
            retry_after = {"Retry-After": str(self.retry_after_seconds)}
            return _status(429, "TooManyRequests", "too many requests, please try again later", retry_after)
        if self.fault is Fault.HOLDING:
            await self._while_it_lasts(Fault.HOLDING)
            return _status(503, "ServiceUnavailable", "it never arrived")
        return None

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            await self._while_it_lasts(Fault.STALLING)
            if self.fault is Fault.GONE and request.path not in self.gone:
                self.gone.add(request.path)
                await response.prepare(request)
                await response.write(json.dumps({"type": "ERROR", "object": GONE}).encode() + b"\n")
                return response
            async with self._ask(request, b"") as answer:
                response.set_status(answer.status)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await self._while_it_lasts(Fault.STALLING)
                    await response.write(chunk)
        except (aiohttp.ClientError, ConnectionError):
            pass  # one of the two is gone
        finally:
            self._watches.discard(task)
        return response

    async def _while_it_lasts(self, fault: Fault) -> None:
        while self.fault is fault:  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.02)

    def _ask(self, request: web.Request, body: bytes) -> Any:
        headers = {name: value for name, value in request.headers.items() if name in PASSED_ON}
        return self._client.request(
            request.method, self.control_plane.url + request.path_qs, data=body or None, headers=headers
        )


def _status(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return web.json_response(body | {"message": message}, status=code, headers=headers)
