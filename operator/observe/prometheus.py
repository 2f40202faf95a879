"""The client of Prometheus' query API: every question ends in time, with numbers or with the reason why there are none.

No answer is read beyond `max_bytes` (decompression is not offered, so that what is read is what was sent), credentials
follow no redirect, at most four questions are asked at once, and a server that asks for patience (429, 503) is given
it: until then it is not asked again.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self, TypeVar

import aiohttp

from foresail.domain.reason import Reason
from foresail.operator.observe.answers import (
    Matrix,
    Unavailable,
    Vector,
    pack_samples,
    read_matrix,
    read_vector,
)
from foresail.operator.settings import Settings

CONCURRENCY: Final = 4
MAX_POINTS: Final = 11_000  # Prometheus refuses longer ranges
MAX_PATIENCE_SECONDS: Final = 60.0
DEFAULT_PATIENCE_SECONDS: Final = 5.0
CHUNK_BYTES: Final = 65_536

A = TypeVar("A", Vector, Matrix)


class QueryReport(NamedTuple):
    """How one query went: its name, wall time, bytes, series (None: no answer) and the reason why there was none."""

    name: str
    seconds: float
    answer_bytes: int
    series: int | None
    reason: str = ""


class _RefusedError(Exception):
    """No answer; carries why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.unavailable = Unavailable(reason, message)


class PrometheusClient:
    """One connection pool to a Prometheus; made and closed in the loop that uses it."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 5.0,
        max_bytes: int = 16 * 2**20,
        bearer_token_file: str | None = None,
        ca_file: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        report: Callable[[QueryReport], None] = lambda _: None,
    ) -> None:
        self.url = url
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._bearer_token_file = bearer_token_file
        self._ca_file = ca_file
        self._headers = headers
        self._report = report
        self._places = asyncio.Semaphore(CONCURRENCY)
        self._session: aiohttp.ClientSession | None = None
        self._patience_until = float("-inf")
        self.clock_ahead_seconds = 0.0

    @classmethod
    def from_settings(cls, settings: Settings, report: Callable[[QueryReport], None] = lambda _: None) -> Self:
        """The client that the settings describe."""
        return cls(
            settings.prometheus_url,
            timeout_seconds=settings.prometheus_timeout_seconds,
            max_bytes=settings.prometheus_max_bytes,
            bearer_token_file=settings.prometheus_bearer_token_file,
            ca_file=settings.prometheus_ca_file,
            headers=settings.prometheus_headers,
            report=report,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client may be used again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def query(self, promql: str, at: float, *, name: str = "query") -> Vector | Unavailable:
        """Ask for an instant; the difference between its clock and `at` is kept in `clock_ahead_seconds`."""
        return await self._ask(name, "query", {"query": promql, "time": f"{at:.3f}"}, read_vector, at)

    async def query_range(
        self, promql: str, *, start: float, end: float, step_seconds: float, name: str = "range"
    ) -> Matrix | Unavailable:
        """Ask for a regular grid from `start` to `end`, both included.

        Raises:
            ValueError: More than MAX_POINTS instants.
        """
        length = round((end - start) / step_seconds) + 1
        if length > MAX_POINTS:
            raise ValueError(f"a range has at most {MAX_POINTS} instants, got {length}")
        form = {"query": promql, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step_seconds:.3f}"}
        return await self._ask(name, "query_range", form, lambda a: read_matrix(a, start, step_seconds, length), None)

    async def _ask(
        self, name: str, what: str, form: Mapping[str, str], read: Callable[[Any], A], at: float | None
    ) -> A | Unavailable:
        async with self._places:
            began, size = time.monotonic(), 0
            try:
                text = await self._post(what, form, at)
                size = len(text)
                answer = read(json.loads(text, object_hook=pack_samples))
            except _RefusedError as error:
                self._report(QueryReport(name, time.monotonic() - began, size, None, error.unavailable.reason))
                return error.unavailable
            except ValueError as error:  # of json and of the reader
                message = f"Prometheus at {self.url} gave an answer that is not understood ({error}); is it Prometheus?"
                self._report(QueryReport(name, time.monotonic() - began, size, None, Reason.ANSWER_MALFORMED))
                return Unavailable(Reason.ANSWER_MALFORMED, message)
            self._report(QueryReport(name, time.monotonic() - began, size, len(answer.labels)))
            return answer

    async def _post(self, what: str, form: Mapping[str, str], at: float | None) -> bytes:
        patience = self._patience_until - time.monotonic()
        if patience > 0:
            raise _RefusedError(
                Reason.PROMETHEUS_THROTTLED, f"Prometheus at {self.url} asked to wait for {patience:.0f} s"
            )
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(f"{self.url}/api/v1/{what}", form, at)
        except TimeoutError as error:
            message = (
                f"Prometheus at {self.url} did not answer within {self._timeout_seconds:g} s; "
                "look at its load, or raise prometheus_timeout_seconds"
            )
            raise _RefusedError(Reason.PROMETHEUS_TIMEOUT, message) from error
        except (aiohttp.ClientError, OSError) as error:
            message = (
                f"Prometheus at {self.url} cannot be reached ({error}); check the URL, its pod and network policies"
            )
            raise _RefusedError(Reason.PROMETHEUS_UNREACHABLE, message) from error

    async def _exchange(self, url: str, form: Mapping[str, str], at: float | None) -> bytes:
        session, headers = self._prepare()
        async with session.post(url, data=form, headers=headers, allow_redirects=False) as response:
            began = time.monotonic()
            if at is not None:
                self._note_clock(response.headers.get("Date"), at)
            text = await self._read(response)
            self._check_status(response, text, began)
            return text

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks, size = [], 0
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > self._max_bytes:
                response.close()
                message = (
                    f"Prometheus at {self.url} sent more than {self._max_bytes} bytes; "
                    "look for series with many labels, or raise prometheus_max_bytes"
                )
                raise _RefusedError(Reason.ANSWER_TOO_LARGE, message)
            chunks.append(chunk)
        return b"".join(chunks)

    def _check_status(self, response: aiohttp.ClientResponse, text: bytes, now: float) -> None:
        status = response.status
        if status == 200:
            return
        said = _said(text)
        if status in (429, 503):
            self._patience_until = now + _patience(response.headers.get("Retry-After"))
            raise _RefusedError(
                Reason.PROMETHEUS_THROTTLED, f"Prometheus at {self.url} is overloaded ({status} {said})"
            )
        if 300 <= status < 400:
            where = response.headers.get("Location", "elsewhere")
            message = f"Prometheus at {self.url} redirects to {where}, which is not followed; set the URL to it"
            raise _RefusedError(Reason.PROMETHEUS_REDIRECTS, message)
        if status in (401, 403):
            message = f"Prometheus at {self.url} refuses us ({status} {said}); check prometheus_bearer_token_file"
            raise _RefusedError(Reason.PROMETHEUS_UNAUTHORIZED, message)
        if status < 500:
            raise _RefusedError(Reason.QUERY_REFUSED, f"Prometheus at {self.url} refused a query ({status} {said})")
        raise _RefusedError(Reason.PROMETHEUS_FAILED, f"Prometheus at {self.url} failed ({status} {said}); see its log")

    def _prepare(self) -> tuple[aiohttp.ClientSession, Mapping[str, str]]:
        try:
            if self._session is None:
                self._session = self._open_session()
            return self._session, self._credentials()
        except (OSError, UnicodeDecodeError) as error:
            message = f"a credential for Prometheus cannot be read ({error}); mount the files that the settings name"
            raise _RefusedError(Reason.CREDENTIALS_UNREADABLE, message) from error

    def _credentials(self) -> Mapping[str, str]:
        if self._bearer_token_file is None:
            return self._headers
        token = Path(self._bearer_token_file).read_text(encoding="utf-8").strip()
        return {**self._headers, "Authorization": f"Bearer {token}"}

    def _open_session(self) -> aiohttp.ClientSession:
        context = ssl.create_default_context(cafile=self._ca_file)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONCURRENCY, ssl=context),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None),
        )

    def _note_clock(self, date: str | None, at: float) -> None:
        if date is not None:
            try:
                self.clock_ahead_seconds = parsedate_to_datetime(date).timestamp() - at
            except ValueError:
                self.clock_ahead_seconds = 0.0


def _said(text: bytes) -> str:
    """The error that Prometheus' JSON names, or the beginning of what it said."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    said = str(answer["error"]) if isinstance(answer, dict) and "error" in answer else text.decode(errors="replace")
    return " ".join(said.split())[:256]


def _patience(header: str | None) -> float:
    seconds = float(header) if header is not None and header.isdecimal() else DEFAULT_PATIENCE_SECONDS
    return min(seconds, MAX_PATIENCE_SECONDS)
