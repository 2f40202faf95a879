"""The one door for writes: open while this process holds the lease, and no request outlives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from foresail.domain.errors import ActuationError
from foresail.operator.actuate.kube import DEADLINE_SECONDS, JSON, Body

FIELD_MANAGER = "foresail"


class NotLeadingError(ActuationError):
    """Another operator leads; nothing was sent."""


class Api(Protocol):
    """The part of the client of the API server that writes need."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> dict[str, Any]:
        """Ask the API server and return its answer."""


class Holder(Protocol):
    """Whoever knows how long this process may write."""

    def remaining_seconds(self) -> float:
        """How long this process may go on writing, 0 when it may not."""


class FencedWriter:
    """Writes while the lease is held."""

    def __init__(self, api: Api, lease: Holder, *, on_write: Callable[[], None] = lambda: None) -> None:
        self._api = api
        self._lease = lease
        self._on_write = on_write

    async def write(
        self,
        method: str,
        path: str,
        body: Body,
        *,
        content_type: str = JSON,
        force: bool = False,
    ) -> dict[str, Any]:
        """Send one write as field manager `foresail`; `force` takes over fields in a server-side apply.

        Raises:
            NotLeadingError: The lease is not held.
            ActuationError: The API server refused or did not answer.
        """
        remaining = self._lease.remaining_seconds()
        if remaining <= 0:
            raise NotLeadingError(f"{method} {path}: not sent, another operator leads")
        self._on_write()
        return await self._api.request(
            method,
            path,
            body=body,
            content_type=content_type,
            params={"fieldManager": FIELD_MANAGER, **({"force": "true"} if force else {})},
            deadline_seconds=min(DEADLINE_SECONDS, remaining),
        )
