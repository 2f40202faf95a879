"""Keep the store like the cluster: streams, and a watchdog that trusts none of them.

The streams bring every change within milliseconds. The watchdog finds what they cannot tell:

* a stream without a byte for `stale_seconds`: silently stalled, the store is stale;
* another number of objects than the API server counts (LIST with limit=1, one small answer per kind): objects that
  went while a stream was interrupted beyond 410 Gone leave no event. The kind is listed and the store mended;
* kinds that appeared or went: the streams start anew with the kinds there are;
* an API server that does not answer.

A stale store is never acted upon; `problem` says so to readiness, liveness and the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from foresail.domain.errors import ActuationError
from foresail.operator.actuate.kube import ForbiddenError, KubeClient, NotFoundError
from foresail.operator.clock import Clock
from foresail.operator.kinds import KINDS, Kind
from foresail.operator.ledger import Ledger
from foresail.operator.streams import DEFAULT_TIMEOUTS, Streams, WatchTimeouts

RECHECK_SECONDS = 2.0  # a difference in numbers must outlast an event that is on its way
STARTUP_CHECK_SECONDS = 0.1
STOP_SECONDS = 0.8

logger = logging.getLogger(__name__)


class Receiver(Protocol):
    """The store, as far as events go."""

    def apply(self, event_type: str | None, body: Mapping[str, Any]) -> None:
        """Take in one event."""


class Watch:
    """The store's supply of events, and what is known of its health."""

    def __init__(
        self,
        kube: KubeClient,
        store: Receiver,
        clock: Clock,
        *,
        kubeconfig: str | None = None,
        namespace: str | None = None,
        timeouts: WatchTimeouts = DEFAULT_TIMEOUTS,
        kinds: Iterable[Kind] = KINDS,
    ) -> None:
        self._kube = kube
        self._store = store
        self._clock = clock
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._timeouts = timeouts
        self._kinds = tuple(kinds)
        self._served: tuple[Kind, ...] = ()
        self._unsynced: set[Kind] = set()
        self._ledger = Ledger()
        self._touched: dict[str, float] = {}
        self._probed_at = clock.steady()
        self._problem = "the cluster has not been looked at yet"

    @property
    def synced(self) -> bool:
        """Whether every watched kind has once been seen as a whole."""
        return not self._problem and not self._unsynced

    @property
    def problem(self) -> str:
        """Why the store must not be acted upon, one sentence; empty when it may."""
        if self._problem:
            return self._problem
        if self._unsynced:
            return "the first list of " + ", ".join(sorted(str(kind) for kind in self._unsynced)) + " is not complete"
        stale = [f"{kind} for {age:.0f} s" for kind, age in self.ages().items() if age > self._timeouts.stale_seconds]
        return "no sign of life on the watch of " + ", ".join(stale) if stale else ""

    def ages(self) -> dict[str, float]:
        """Seconds since the last byte of each watched kind's stream, or since the last answer to the watchdog."""
        now = self._clock.steady()
        ages = {str(kind): now - self._touched.get(kind.path(self._namespace), now) for kind in self._served}
        return ages | {"probe": max(now - self._probed_at - self._timeouts.probe_seconds, 0.0)}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._discover()
            streams = self._start_streams()
            try:
                await self._oversee(streams)
            finally:
                await streams.stop(STOP_SECONDS)

    async def _discover(self) -> None:
        """Wait until the required kinds are served and readable, and note which of the others are."""
        while True:
            try:
                self._served, refused = await self._look_at_kinds()
            except ActuationError as error:
                self._problem = f"the API server does not answer ({error})"
            else:
                self._probed_at = self._clock.steady()
                self._problem = "; ".join(refused)
                if not refused:
                    return
            logger.warning("watch: %s", self._problem)
            await asyncio.sleep(RECHECK_SECONDS)

    async def _look_at_kinds(self) -> tuple[tuple[Kind, ...], list[str]]:
        served, refused = [], []
        for kind in self._kinds:
            try:
                await self._count(kind)
            except NotFoundError:
                if kind.required:
                    refused.append(f"{kind} are not served: install them with `kubectl apply -f crds/`")
            except ForbiddenError as error:
                if kind.required:
                    refused.append(f"{kind} cannot be listed: {error}; install the chart's roles")
            else:
                served.append(kind)
        return tuple(served), refused

    def _start_streams(self) -> Streams:
        now = self._clock.steady()
        self._touched = {kind.path(self._namespace): now for kind in self._served}
        self._unsynced = set(self._served)
        loop = asyncio.get_running_loop()
        streams = Streams(
            self._served,
            kubeconfig=self._kubeconfig,
            namespace=self._namespace,
            timeouts=self._timeouts,
            receive=lambda event_type, body: _post(loop, self.receive, event_type, body),
            touch=self._touch,
        )
        streams.start()
        return streams

    def _touch(self, path: str) -> None:
        # Called in the streams' thread; storing one item in a dict is atomic.
        self._touched[path] = self._clock.steady()

    def receive(self, event_type: str | None, body: Mapping[str, Any]) -> None:
        """Take in one event, in the loop of the store."""
        self._ledger.note(event_type, body)
        self._store.apply(event_type, body)

    async def _oversee(self, streams: Streams) -> None:
        """Probe until the streams end or should start anew."""
        while streams.alive:
            await asyncio.sleep(STARTUP_CHECK_SECONDS if self._unsynced else self._timeouts.probe_seconds)
            try:
                served, refused = await self._look_at_kinds() if not self._unsynced else (self._served, [])
                if served != self._served or refused:
                    logger.info("watch: kinds changed, starting anew")
                    return
                await self._compare()
            except ActuationError as error:
                logger.warning("watch: probe failed: %s", error)
            else:
                self._probed_at = self._clock.steady()
        logger.warning("watch: the streams ended, starting anew")

    async def _compare(self) -> None:
        different = [kind for kind in self._served if await self._differs(kind)]
        self._unsynced &= set(different)
        if self._unsynced or not different:
            return
        await asyncio.sleep(RECHECK_SECONDS)
        for kind in different:
            if await self._differs(kind):
                logger.warning("watch: %s differ from the API server's, listing them", kind)
                await self._mend(kind)

    async def _differs(self, kind: Kind) -> bool:
        return await self._count(kind) != self._ledger.count(kind)

    async def _count(self, kind: Kind) -> int:
        answer = await self._kube.request("GET", kind.path(self._namespace), params={"limit": "1"})
        return len(answer["items"]) + int(answer["metadata"].get("remainingItemCount") or 0)

    async def _mend(self, kind: Kind) -> None:
        before = self._ledger.snapshot(kind)
        listed: list[dict[str, Any]] = []
        params: dict[str, str] | None = {"limit": str(self._timeouts.page_objects)}
        while params is not None:
            page = await self._kube.request("GET", kind.path(self._namespace), params=params)
            defaults = {"apiVersion": page["apiVersion"], "kind": page["kind"].removesuffix("List")}
            listed += [defaults | item for item in page["items"]]
            token = page["metadata"].get("continue")
            params = params | {"continue": token} if token else None
        for event_type, body in self._ledger.difference(kind, before, listed):
            self.receive(event_type, body)


def _post(loop: asyncio.AbstractEventLoop, receive: Any, event_type: str | None, body: Mapping[str, Any]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(receive, event_type, body)
