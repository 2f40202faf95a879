"""The client of a `foresail forecaster`: it answers within the deadline, or it is said why there is no answer.

Workloads are sent in batches, so that neither side holds a whole fleet's samples at once. What has no model yet is
asked for again after a while only. A forecaster that failed several times in a row is left alone, for longer each time,
so that a dead or slow one does not cost a deadline in every cycle.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, NamedTuple, Self

import aiohttp

from foresail.domain.forecast import Forecast
from foresail.domain.reason import Reason
from foresail.domain.snapshot import Unknown
from foresail.domain.workload import WorkloadKey
from foresail.operator.clock import Clock
from foresail.operator.wire import Answer, NotServed, Question, read_answers, to_body

BATCH: Final = 16  # workloads: some 1 MB to send, up to 10 MB to receive
MAX_BYTES: Final = 16 * 2**20
CHUNK_BYTES: Final = 65_536
FAILURES: Final = 3  # in a row
REST: Final = (30.0, 300.0)  # deadlines, at first and at most; each failure after a rest doubles it

logger = logging.getLogger(__name__)


class _RefusedError(Exception):
    """No answer; carries why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.unknown = Unknown(reason, message)


class _NotServed(NamedTuple):
    """Why there is no forecast of a workload, and until when that is not asked again."""

    until: float
    why: Unknown


class ForecasterClient:
    """One connection pool to a forecaster; made and closed in the loop that uses it."""

    def __init__(self, url: str, clock: Clock, *, deadline_seconds: float, max_bytes: int = MAX_BYTES) -> None:
        self.url = url
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._max_bytes = max_bytes
        self._session: aiohttp.ClientSession | None = None
        self._failures = 0
        self._rests_until = float("-inf")
        self._failed = Unknown(Reason.FORECASTER_RESTING, "")
        self._not_served: dict[WorkloadKey, _NotServed] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client may be used again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, questions: Mapping[WorkloadKey, Question]) -> dict[WorkloadKey, Forecast | Unknown]:
        """The forecast of every workload, or why there is none; returns within the deadline and never raises."""
        now = self._clock.steady()
        if now < self._rests_until:
            return dict.fromkeys(questions, self._failed)
        self._not_served = {key: each for key, each in self._not_served.items() if key in questions}
        answers: dict[WorkloadKey, Forecast | Unknown] = {
            key: self._not_served[key].why for key in questions if self._waits(key, now)
        }
        # Those that are served come first: if the time does not suffice, new ones wait.
        due = sorted(questions.keys() - answers.keys(), key=lambda key: (key in self._not_served, key))
        if not due:
            return answers
        asked, failure = await self._ask_within_deadline({key: questions[key] for key in due})
        for key, answer in asked.items():
            answers[key] = self._note(key, answer, now)
        self._judge(failure, now, anything=bool(asked))
        if failure is not None:
            answers |= dict.fromkeys(questions.keys() - answers.keys(), failure)
        return answers

    def _waits(self, key: WorkloadKey, now: float) -> bool:
        return key in self._not_served and now < self._not_served[key].until

    def _note(self, key: WorkloadKey, answer: Answer, now: float) -> Forecast | Unknown:
        self._not_served.pop(key, None)
        if not isinstance(answer, NotServed):
            return answer
        why = Unknown(Reason.FORECAST_NOT_SERVED, f"the forecaster has no forecast of it: {answer.message}")
        self._not_served[key] = _NotServed(now + answer.again_seconds, why)
        return why

    def _judge(self, failure: Unknown | None, now: float, *, anything: bool) -> None:
        """Leave alone what failed several times in a row."""
        if failure is None or anything:
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= FAILURES:
            least, most = REST
            rest = self._deadline_seconds * min(least * 2.0 ** min(self._failures - FAILURES, 16), most)
            self._rests_until, self._failed = now + rest, Unknown(Reason.FORECASTER_RESTING, failure.message)
            logger.warning("%s; it is left alone for %.0f s", failure.message, rest)

    async def _ask_within_deadline(
        self, questions: Mapping[WorkloadKey, Question]
    ) -> tuple[dict[WorkloadKey, Answer], Unknown | None]:
        """What was answered, and what kept the rest from being answered."""
        answers: dict[WorkloadKey, Answer] = {}
        try:
            async with asyncio.timeout(self._deadline_seconds):
                for keys in _batches(questions):
                    answers |= await self._exchange({key: questions[key] for key in keys})
        except TimeoutError:
            message = f"the forecaster at {self.url} did not answer within {self._deadline_seconds:g} s"
            return answers, Unknown(Reason.FORECASTER_TIMEOUT, message)
        except _RefusedError as error:
            return answers, error.unknown
        return answers, None

    async def _exchange(self, questions: Mapping[WorkloadKey, Question]) -> dict[WorkloadKey, Answer]:
        # In threads: megabytes of base64 would hold up the probes of the kubelet.
        body = await asyncio.to_thread(to_body, questions, deadline_seconds=self._deadline_seconds)
        text = await self._post(body)
        try:
            return await asyncio.to_thread(read_answers, text, questions)
        except (ValueError, RecursionError) as error:
            message = f"the answer of the forecaster at {self.url} is not understood ({str(error)[:200]})"
            raise _RefusedError(Reason.FORECASTER_MALFORMED, message) from error

    async def _post(self, body: bytes) -> bytes:
        try:
            async with self._open().post(
                f"{self.url}/v1/forecasts", data=io.BytesIO(body), allow_redirects=False
            ) as response:
                text = await self._read(response)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            message = f"the forecaster at {self.url} cannot be reached, or broke off ({error or type(error).__name__})"
            raise _RefusedError(Reason.FORECASTER_UNREACHABLE, message) from error
        if response.status != 200:
            said = " ".join(text.decode(errors="replace").split())[:200]
            message = f"the forecaster at {self.url} failed ({response.status} {said})"
            raise _RefusedError(Reason.FORECASTER_FAILED, message)
        return text

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks, size = [], 0
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > self._max_bytes:
                response.close()
                message = f"the forecaster at {self.url} sent more than {self._max_bytes} bytes"
                raise _RefusedError(Reason.FORECASTER_MALFORMED, message)
            chunks.append(chunk)
        return b"".join(chunks)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
            self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None))
        return self._session


def _batches(keys: Iterable[WorkloadKey]) -> Iterable[list[WorkloadKey]]:
    rest = iter(keys)
    while batch := list(islice(rest, BATCH)):
        yield batch
