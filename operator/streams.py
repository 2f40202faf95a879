"""Watch streams by kopf, in a thread with a loop of its own.

In a thread, because kopf takes every task of its loop for its own and cancels them all when it ends, and because the
long parse of a first list must not hold up health probes. Only `@kopf.on.event` is used: no timers, daemons, indexes,
change handlers, finalizers, annotations or peering, so kopf writes nothing.

The session that kopf logs in with notes when bytes came in on each stream: the API server sends a bookmark a minute
even when nothing changes, so a stream without bytes is a dead one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import kopf

from foresail.operator.actuate.login import Login
from foresail.operator.kinds import Kind

Receive = Callable[[str | None, Mapping[str, Any]], None]

logging.getLogger("kopf").setLevel(logging.ERROR)  # it logs each handled event; its errors are worth reading

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchTimeouts:
    """How long is waited for what.

    Args:
        server_seconds: A stream ends and goes on in a new request.
        client_seconds: The same, if the server forgets.
        connect_seconds: For a connection.
        inactivity_seconds: Without a byte; then the stream is dead and a new one is tried.
        stale_seconds: Without a byte on any stream of a kind; then the store is stale: an inactivity and a reconnect.
        reconnect_seconds: Between streams.
        probe_seconds: Between the watchdog's looks.
        page_objects: Objects in one page of a list.
    """

    server_seconds: int = 300
    client_seconds: int = 310
    connect_seconds: int = 30
    inactivity_seconds: float = 70.0
    stale_seconds: float = 95.0
    reconnect_seconds: float = 2.0
    probe_seconds: float = 30.0
    page_objects: int = 100


DEFAULT_TIMEOUTS = WatchTimeouts()


def make_settings(timeouts: WatchTimeouts) -> kopf.OperatorSettings:
    """Kopf's settings: watch only, write nothing, end quickly."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # needs rights on CRDs; the watchdog looks for new kinds itself
    settings.peering.standalone = True
    settings.watching.server_timeout = timeouts.server_seconds
    settings.watching.client_timeout = timeouts.client_seconds
    settings.watching.connect_timeout = timeouts.connect_seconds
    settings.watching.inactivity_timeout = timeouts.inactivity_seconds
    settings.watching.reconnect_backoff = timeouts.reconnect_seconds
    settings.watching.chunk_size = timeouts.page_objects
    settings.networking.connect_timeout = timeouts.connect_seconds
    settings.networking.request_timeout = timeouts.connect_seconds * 2
    settings.queueing.exit_timeout = 0.2
    settings.queueing.idle_timeout = 1.0
    return settings


class Streams:
    """The running watches of some kinds."""

    def __init__(
        self,
        kinds: Iterable[Kind],
        *,
        kubeconfig: str | None,
        namespace: str | None,
        timeouts: WatchTimeouts,
        receive: Receive,
        touch: Callable[[str], None],
    ) -> None:
        """Prepare the watches; `receive` and `touch` (path of a collection) are called in the thread."""
        self._kinds = tuple(kinds)
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._timeouts = timeouts
        self._receive = receive
        self._touch = touch
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._connectors: list[aiohttp.BaseConnector] = []
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the watches run; kopf ends by itself when a kind disappears."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    async def stop(self, seconds: float) -> None:
        """End the watches, waiting for that at most so long; the thread never keeps the process from ending."""
        if self._loop is not None and self._stop is not None and self.alive:
            self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join, seconds)

    def _run(self) -> None:
        asyncio.run(self._watch())

    async def _watch(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        task = asyncio.ensure_future(
            kopf.operator(
                registry=self._make_registry(),
                settings=make_settings(self._timeouts),
                standalone=True,
                clusterwide=self._namespace is None,
                namespaces=[] if self._namespace is None else [self._namespace],
                stop_flag=self._stop,
            )
        )
        # Whatever ends kopf ends only the streams: the watchdog sees it and starts them anew.
        await asyncio.wait({task})
        # Again, after kopf's session: a stream that was given up since is closing still.
        for connector in self._connectors:
            await connector.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("watches ended: %r", error)

    def _make_registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, id="login", retries=3, backoff=5.0)(self._log_in)
        for kind in self._kinds:
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=str(kind))(self._note)
        return registry

    async def _note(self, event: kopf.RawEvent, **_: Any) -> None:
        self._receive(event["type"], cast("Mapping[str, Any]", event["object"]))

    async def _log_in(self, **_: Any) -> kopf.AiohttpSession:
        login = await asyncio.to_thread(Login, self._kubeconfig)
        session = login.open_session(self._listen_in)
        if session.connector is not None:
            self._connectors.append(session.connector)
        return kopf.AiohttpSession(server=login.server, aiohttp_session=session)

    async def _listen_in(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        if response.status == 200:
            path = request.url.path
            self._touch(path)
            if "watch" in request.url.query:
                noted = _NotedContent(response.content, lambda: self._touch(path))
                response.content = cast("aiohttp.StreamReader", noted)
        return response


class _NotedContent:
    """A response's content that tells when a chunk of it came in."""

    def __init__(self, content: aiohttp.StreamReader, touch: Callable[[], None]) -> None:
        self._content = content
        self._touch = touch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        async for chunk in self._content.iter_chunked(size):
            self._touch()
            yield chunk
