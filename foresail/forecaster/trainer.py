"""The trainer: one training after the other, each in a process that may be killed; what served goes on serving."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from logging import getLogger
from pathlib import Path
from typing import Final

from foresail.domain.errors import ArtifactError
from foresail.domain.workload import WorkloadKey
from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.mirror import Mirror
from foresail.forecaster.questions import Subject
from foresail.forecaster.register import Register
from foresail.forecaster.settings import Settings
from foresail.forecaster.shelf import TRAINING, Served
from foresail.forecaster.training import to_job

CHECK_SECONDS: Final = 1.0
COMMAND: Final = (sys.executable, "-m", "foresail.forecaster.training")
STDERR_BYTES: Final = 2**16
SHOWN: Final = 400

Put = Callable[[WorkloadKey, Path, float], Awaitable[Served]]
Remove = Callable[[WorkloadKey], Awaitable[None]]
logger = getLogger(__name__)


class Trainer:
    """Trains whoever is due.

    Args:
        settings: How often and how long.
        register: Who is due.
        put: Takes in the folder of a training.
        remove: Forgets the artifacts of a workload.
        metrics: Told how it went.
        mirror: Told what is to be copied to a store, None: nothing is.
        command: Of a training.
    """

    def __init__(
        self,
        settings: Settings,
        register: Register,
        *,
        put: Put,
        remove: Remove,
        metrics: ForecasterMetrics,
        mirror: Mirror | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._settings = settings
        self._register = register
        self._put = put
        self._remove = remove
        self._metrics = metrics
        self._mirror = mirror
        self._command = tuple(command)

    async def run(self) -> None:
        """Train until cancelled; the training that runs then is killed, and due again."""
        while True:
            now = time.time()
            for key in self._register.forget(now - self._settings.forget_hours * 3600.0):
                if self._mirror is not None:
                    self._mirror.forget(key)
                await self._remove(key)
            entry = self._register.next_due(now)
            if entry is None:
                await asyncio.sleep(CHECK_SECONDS)
            else:
                await self.train(entry.subject, now)

    async def train(self, subject: Subject, now: float) -> None:
        """Train one workload, and say how it went."""
        key, began = subject.key, time.monotonic()
        folder = self._settings.folder / TRAINING
        shutil.rmtree(folder, ignore_errors=True)
        self._register.begin(key, now)
        try:
            folder.mkdir(parents=True)
            problem = await self._run(subject, now, folder) or await self._take(key, folder, now)
        except OSError as error:  # a full disk, no memory for one more process
            problem = f"it could not be begun: {error}"
        except asyncio.CancelledError:
            self._register.interrupt(key)
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        seconds = time.monotonic() - began
        self._metrics.note_training(seconds, failed=bool(problem))
        if problem:
            self._register.fail(key, problem)
            logger.warning("training %s failed after %.0f s: %s", key, seconds, problem)
        else:
            self._register.succeed(key, subject, now)
            if self._mirror is not None:
                self._mirror.owe(key)

    async def _run(self, subject: Subject, now: float, folder: Path) -> str:
        """Run the process; what went wrong, empty when nothing did."""
        process = await asyncio.create_subprocess_exec(
            *self._command, "--into", str(folder), stdin=PIPE, stderr=PIPE, env=_environment(self._settings)
        )
        try:
            async with asyncio.timeout(self._settings.training_seconds):
                said = await _feed(process, to_job(subject, self._settings, now=now, seed=0))
                status = await process.wait()
        except TimeoutError:
            return f"it took longer than {self._settings.training_seconds:g} s and was killed"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            if process.stdin is not None:
                process.stdin.close()
        lines = said.decode(errors="replace").strip().splitlines()
        told = lines[-1][:SHOWN] if lines else "it said nothing"
        return "" if status == 0 else f"{told} (exit {status})"

    async def _take(self, key: WorkloadKey, folder: Path, now: float) -> str:
        """Put what was trained on the shelf; what went wrong, empty when nothing did."""
        try:
            served = await self._put(key, folder, now)
        except (ArtifactError, OSError) as error:
            return f"what was trained cannot be used: {error}"
        logger.info("trained %s: %s", key, served.why)
        return ""


async def _feed(process: Process, job: bytes) -> bytes:
    """Give the job, and read what is said until the end; stdin stays open, for its end would end the training."""
    if process.stdin is None or process.stderr is None:
        return b""
    try:
        process.stdin.write(job)
        await process.stdin.drain()
    except ConnectionError:
        pass  # it ended at once; stderr says why
    said = b""
    while chunk := await process.stderr.read(4096):
        said = (said + chunk)[-STDERR_BYTES:]
    return said


def _environment(settings: Settings) -> dict[str, str]:
    """One core is enough, and the service needs the others."""
    environment = dict(os.environ) | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if settings.prometheus_ca_file is not None:
        environment["REQUESTS_CA_BUNDLE"] = settings.prometheus_ca_file
    return environment
