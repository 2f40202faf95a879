"""The mirror: what lies on the shelf is copied to an object store, and at the start what is newer there is fetched.

The shelf's folder is what serves. A store that cannot be reached costs nothing but the copies, which are owed and tried
again with the next training, or after a while. Where several forecasters share a store, the newest training of a
workload counts, whoever made it.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from logging import getLogger
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from foresail.domain.errors import ArtifactError
from foresail.domain.workload import WorkloadKey
from foresail.forecaster.copies import Copies
from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.objects import StoreError
from foresail.forecaster.register import Register
from foresail.forecaster.settings import Settings
from foresail.forecaster.shelf import FETCHED, Served, places, stamps_of

RETRY_SECONDS: Final = 300.0
GRACE_SECONDS: Final = 3600.0  # in which a workload that was fetched is asked for, or forgotten

Adopt = Callable[[WorkloadKey, Path, str], Awaitable[Served | None]]
T = TypeVar("T")
logger = getLogger(__name__)


class Patience(NamedTuple):
    """How long a store may take.

    Args:
        workload_seconds: For what is asked at once, which is about one workload.
        start_seconds: For all that is fetched before trainings begin.
    """

    workload_seconds: float = 60.0
    start_seconds: float = 300.0


class Mirror:
    """Keeps a store and the shelf alike.

    Args:
        settings: Where the shelf is, and when a workload is forgotten.
        copies: What is in the store.
        register: Told what a store knows of a workload, and asked for it.
        metrics: Told how it went.
        adopt: Puts on the shelf what was fetched.
        clock: Seconds since the epoch.
        patience: How long a store may take.
    """

    def __init__(
        self,
        settings: Settings,
        copies: Copies,
        register: Register,
        metrics: ForecasterMetrics,
        *,
        adopt: Adopt,
        clock: Callable[[], float] = time.time,
        patience: Patience = Patience(),  # noqa: B008 - it is frozen
    ) -> None:
        self._settings = settings
        self._copies = copies
        self._register = register
        self._metrics = metrics
        self._adopt = adopt
        self._clock = clock
        self._patience = patience
        self._thread = ThreadPoolExecutor(1, "store")
        self._wake = asyncio.Event()
        self._compared = False
        self._owed: dict[WorkloadKey, None] = {}  # whose newest training is not in the store; who waited longest first
        self._doomed: list[tuple[WorkloadKey, str]] = []  # trainings that are to be removed there
        self.problem = ""

    async def begin(self) -> None:
        """Fetch what is newer there, and find what is owed; never fails, and does not wait for ever."""
        try:
            async with asyncio.timeout(self._patience.start_seconds):
                await self._try(self._compare)
        except TimeoutError:
            self._note_failure(f"{self._copies.url}: not all was fetched within {self._patience.start_seconds:g} s")

    async def run(self) -> None:
        """Bring what is owed whenever there is something new, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await self.catch_up()

    async def catch_up(self) -> None:
        """Do all that is left to be done, up to the first failure."""
        if self._compared or await self._try(self._compare):
            await self._try(self._bring)

    def owe(self, key: WorkloadKey) -> None:
        """A workload was trained."""
        self._owed[key] = None
        self._note_owed()
        self._wake.set()

    def forget(self, key: WorkloadKey) -> None:
        """A workload is about to be forgotten: the copies of what lies here go, too."""
        self._owed.pop(key, None)
        self._note_owed()
        self._doomed += [(key, path.name) for path in stamps_of(self._settings.folder, key)]
        self._wake.set()

    def close(self) -> None:
        """End the thread, without waiting for it; what is half stored is not seen by readers."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _try(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            await work()
        except (StoreError, OSError) as error:
            self._note_failure(str(error))
            return False
        self.problem = ""
        return True

    def _note_failure(self, problem: str) -> None:
        self.problem = problem
        self._metrics.copies.labels("failed").inc()
        logger.warning("artifacts are served from the working copy; the store is tried again: %s", problem)

    async def _compare(self) -> None:
        there = await self._ask(self._copies.workloads)
        here = [key for key, _ in places(self._settings.folder)]
        for key in sorted({*there, *here}):
            await self._compare_one(key)
        self._compared = True

    async def _compare_one(self, key: WorkloadKey) -> None:
        there, newest = await self._ask(lambda: self._copies.stamps(key)), self._newest(key)
        for stamp in there:
            if stamp <= newest or await self._fetch(key, stamp):
                break
        if self._newest(key) not in ("", *there):
            self.owe(key)

    async def _fetch(self, key: WorkloadKey, stamp: str) -> bool:
        """Whether it was good, and is on the shelf."""
        into = self._settings.folder / FETCHED
        try:
            told = await self._ask(lambda: self._copies.fetch(key, stamp, into))
            served = await self._adopt(key, into, stamp)
        except ArtifactError as error:
            self._metrics.copies.labels("refused").inc()
            logger.warning("the copy of %s in the store is refused: %s", key, error)
            return False
        finally:
            shutil.rmtree(into, ignore_errors=True)
        if served is not None:
            self._metrics.copies.labels("fetched").inc()
            now = self._clock()
            self._register.adopt(key, told, now, now - self._settings.forget_hours * 3600.0 + GRACE_SECONDS)
            logger.info("fetched %s: %s", key, served.why)
        return True

    async def _bring(self) -> None:
        while self._owed:
            await self._store(next(iter(self._owed)))
        while self._doomed:  # last, for not every store lets something be removed
            await self._remove(*self._doomed[0])
            self._doomed.pop(0)

    async def _remove(self, key: WorkloadKey, stamp: str) -> None:
        await self._ask(lambda: self._copies.remove(key, stamp))

    async def _store(self, key: WorkloadKey) -> None:
        self._owed.pop(key)
        stamp = self._newest(key)
        folder = self._settings.folder / key.namespace / key.name / stamp
        try:
            if stamp:
                told = self._register.tell(key)
                await self._ask(lambda: self._copies.store(key, folder, told))
                self._metrics.copies.labels("stored").inc()
        except (StoreError, OSError):
            self._owed[key] = None  # behind the others, for it may be the only one that fails
            raise
        finally:
            self._note_owed()

    async def _ask(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._patience.workload_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError as error:
            told = f"{self._copies.url}: it did not answer within {self._patience.workload_seconds:g} s"
            raise StoreError(told) from error

    def _newest(self, key: WorkloadKey) -> str:
        return next((path.name for path in stamps_of(self._settings.folder, key)), "")

    def _note_owed(self) -> None:
        self._metrics.owed.set(len(self._owed))
