"""The client of the API server: JSON in and out, a deadline for every call, and answers with types.

* ActuationError (domain)
  x ApiError              the server refused                       status, reason
    + NotFoundError       404
    + ForbiddenError      401, 403
    + ApiConflictError    409, a ConflictError of the domain too
    + GoneError           410, a continuation or a resourceVersion that is too old
    + ThrottledError      429, beyond the deadline or too often
    + ServerError         5xx, likewise
  x UnreachableError      no answer within the deadline

What is tried again, at most three times and never beyond the deadline: 429 (nothing was done; Retry-After is obeyed),
5xx and broken connections. The last two may have done the write, so a POST is not repeated; PATCH and PUT carry a
precondition or say the whole of what they want, so doing them twice is doing them once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import aiohttp

from foresail.domain.errors import ActuationError, ConflictError
from foresail.operator.actuate.login import Login

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
JSON_PATCH = "application/json-patch+json"

Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]  # a JSON patch is a list

DEADLINE_SECONDS = 10.0
CONNECT_SECONDS = 5.0
ATTEMPTS = 4
BACKOFF_SECONDS = (0.2, 0.5, 1.0)
MAX_RETRY_AFTER_SECONDS = 30.0


class ApiError(ActuationError):
    """The API server refused."""

    def __init__(self, message: str, *, status: int, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class NotFoundError(ApiError):
    """There is no such object or kind."""


class ForbiddenError(ApiError):
    """We may not do this."""


class ApiConflictError(ApiError, ConflictError):
    """The object changed since it was read, or exists already."""


class GoneError(ApiError):
    """The resourceVersion is too old to go on from."""


class ThrottledError(ApiError):
    """The API server is overloaded."""


class ServerError(ApiError):
    """The API server failed."""


class UnreachableError(ActuationError):
    """No answer came within the deadline."""


ERROR_OF_STATUS: Mapping[int, type[ApiError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ApiConflictError,
    410: GoneError,
    429: ThrottledError,
}


class KubeClient:
    """One connection pool to the API server; made and closed in the loop that uses it."""

    def __init__(self, kubeconfig: str | None = None, *, login: Login | None = None) -> None:
        self._login = login or Login(kubeconfig)
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []

    @property
    def server(self) -> str:
        """The API server's address."""
        return self._login.server

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client may be used again."""
        self._retire_session()
        while self._retired:
            await self._retired.pop().close()

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
        """Ask the API server and return its answer.

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: From the root, such as /api/v1/nodes.
            body: What is sent, as JSON.
            content_type: The kind of patch, for PATCH.
            params: The query.
            deadline_seconds: For everything together, retries and waiting included.

        Raises:
            ApiError: The server refused; see the tree above.
            UnreachableError: No answer within the deadline.
        """
        what = f"{method} {path}"
        last: ActuationError = UnreachableError(f"{what}: no answer within {deadline_seconds:g} s")
        try:
            async with asyncio.timeout(deadline_seconds):
                for attempt in range(ATTEMPTS):
                    try:
                        return await self._once(method, path, body=body, content_type=content_type, params=params)
                    except (ApiError, UnreachableError) as error:
                        last = error
                        pause = _pause_before_retry(method, error, attempt)
                        if pause is None:
                            raise
                    await asyncio.sleep(pause)
        except TimeoutError as error:
            raise last from error
        raise last

    async def _once(
        self,
        method: str,
        path: str,
        *,
        body: Body | None,
        content_type: str,
        params: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        if self._session is None:
            self._session = self._login.open_session()
        try:
            async with self._session.request(
                method,
                self._login.server + path,
                data=None if body is None else json.dumps(body),
                headers={"Accept": JSON} if body is None else {"Accept": JSON, "Content-Type": content_type},
                params=params,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                allow_redirects=False,
            ) as response:
                text = await response.text()
                if response.status == 401:  # the token ran out or was rotated
                    await self._log_in_again()
        except aiohttp.ClientError as error:
            raise UnreachableError(f"{method} {path}: {error}") from error
        return _understand(f"{method} {path}", response, text)

    async def _log_in_again(self) -> None:
        # A client certificate may have changed with the token. Others may still be using the old connections.
        if await self._login.reload():
            self._retire_session()

    def _retire_session(self) -> None:
        if self._session is not None:
            self._retired.append(self._session)
            self._session = None


def _understand(what: str, response: aiohttp.ClientResponse, text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        answer = {"message": text[:256]}
    if response.status < 300 and isinstance(answer, dict):
        return answer
    status = answer if isinstance(answer, dict) else {}
    fallback = ServerError if response.status >= 500 else ApiError
    raise ERROR_OF_STATUS.get(response.status, fallback)(
        f"{what}: {response.status} {status.get('message', response.reason)}",
        status=response.status,
        reason=str(status.get("reason", "")),
        retry_after=_retry_after(response.headers.get("Retry-After")),
    )


def _retry_after(header: str | None) -> float | None:
    # Kubernetes sends seconds only; a date would be somebody's proxy and is met with our own pause.
    return min(float(header), MAX_RETRY_AFTER_SECONDS) if header is not None and header.isdecimal() else None


def _pause_before_retry(method: str, error: ActuationError, attempt: int) -> float | None:
    """Seconds to wait before the next attempt, None when there is none."""
    if attempt >= len(BACKOFF_SECONDS):
        return None
    backoff = BACKOFF_SECONDS[attempt]
    if isinstance(error, ThrottledError):
        return max(error.retry_after or 0.0, backoff)
    if isinstance(error, ServerError | UnreachableError) and method != "POST":
        return max(getattr(error, "retry_after", None) or 0.0, backoff)
    if isinstance(error, ForbiddenError) and error.status == 401 and attempt == 0:
        return 0.0
    return None
