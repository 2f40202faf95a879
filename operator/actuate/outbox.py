"""A queue of writes that nobody waits for: status and Events leave at a bounded rate, the newest per key.

Client-go's limits for one client: 20 writes a second, 40 at once. A cycle never waits for them; a job that is put
again under its key before it left replaces the older one. What fails is logged and counted: status is compared again
in the next cycle, an Event is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable

from foresail.domain.errors import ActuationError
from foresail.operator.clock import Clock

WRITES_PER_SECOND = 20.0
BURST = 40

Job = Callable[[], Awaitable[None]]

logger = logging.getLogger(__name__)


class TokenBucket:
    """Tokens that come at a rate and are kept up to a burst."""

    def __init__(self, clock: Clock, *, per_second: float = WRITES_PER_SECOND, burst: int = BURST) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = clock.steady()

    def reserve(self) -> float:
        """Take a token, which may be one that is still to come, and return the seconds until it is there."""
        now = self._clock.steady()
        self._tokens = min(self._tokens + (now - self._filled_at) * self._per_second, self._burst) - 1.0
        self._filled_at = now
        return max(-self._tokens / self._per_second, 0.0)


class Outbox:
    """Jobs by key, done one after another."""

    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket
        self._jobs: dict[Hashable, Job] = {}
        self._filled = asyncio.Event()
        self.failures = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, key: Hashable, job: Job) -> None:
        """Have a job done soon; it replaces the waiting one of the same key and keeps its place."""
        self._jobs[key] = job
        self._filled.set()

    def clear(self) -> None:
        """Forget what was not sent yet."""
        self._jobs.clear()

    async def run(self) -> None:
        """Do the jobs until cancelled."""
        while True:
            await self._filled.wait()
            while self._jobs:
                await asyncio.sleep(self._bucket.reserve())
                await self.do_next()
            self._filled.clear()

    async def do_next(self) -> None:
        """Do the job that has waited longest."""
        if not self._jobs:
            return
        key = next(iter(self._jobs))
        job = self._jobs.pop(key)
        try:
            await job()
        except ActuationError as error:
            self.failures += 1
            logger.warning("not written: %s", error)
