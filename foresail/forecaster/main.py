"""The forecaster as one process: the models' thread, the trainer, the HTTP server; made, joined and ended here."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import uvicorn
from fastapi import FastAPI

from foresail.domain.errors import SettingsError
from foresail.forecaster.app import create_app
from foresail.forecaster.copies import Copies
from foresail.forecaster.desk import Desk
from foresail.forecaster.metrics import ForecasterMetrics
from foresail.forecaster.mirror import Mirror
from foresail.forecaster.objects import open_objects
from foresail.forecaster.register import Register
from foresail.forecaster.settings import Settings
from foresail.forecaster.shelf import Shelf
from foresail.forecaster.trainer import Trainer

END_SECONDS = 1.0

logging.getLogger("uvicorn").setLevel(logging.WARNING)
logger = logging.getLogger(__name__)


async def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; 0 when it was asked to end, 1 when a part of it ended by itself."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    folder = settings.folder
    with _locked(folder), _listen(settings.listen_host, settings.listen_port) as listener:
        metrics = ForecasterMetrics()
        register = Register.open(folder / "workloads.json", settings.train_every_seconds)
        desk = Desk(Shelf(folder), register, metrics)
        mirror = _open_mirror(settings, register, metrics, desk)
        trainer = Trainer(settings, register, put=desk.put, remove=desk.remove, metrics=metrics, mirror=mirror)
        host, port = listener.getsockname()[:2]
        told = (settings.prometheus_url, folder, settings.store_url or "none", host, port)
        logger.info("prometheus=%s artifacts=%s store=%s listening=%s:%s", *told)
        training = asyncio.create_task(_train(desk, trainer, mirror), name="trainer")
        app = _make_app(settings, desk, metrics, training, mirror)
        return await _live(app, training, desk, listener, stop)


def _open_mirror(settings: Settings, register: Register, metrics: ForecasterMetrics, desk: Desk) -> Mirror | None:
    if settings.store_url is None:
        return None
    copies = Copies(open_objects(settings.store_url))
    return Mirror(settings, copies, register, metrics, adopt=desk.adopt)


def _make_app(
    settings: Settings, desk: Desk, metrics: ForecasterMetrics, training: asyncio.Task[None], mirror: Mirror | None
) -> FastAPI:
    def problem() -> str:
        return "nothing is trained any more" if training.done() else ""

    store = None if mirror is None else lambda: mirror.problem
    return create_app(desk, metrics, max_bytes=settings.max_request_bytes, problem=problem, store=store)


async def _live(
    app: FastAPI, training: asyncio.Task[None], desk: Desk, listener: socket.socket, stop: asyncio.Event
) -> int:
    server = _Server(uvicorn.Config(app, access_log=False, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="server")
    asked = asyncio.create_task(stop.wait(), name="stop")
    tasks = [training, serving, asked]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    ended = [task for task in done if task is not asked]
    for task in ended:
        logger.error("the %s ended: %r", task.get_name(), None if task.cancelled() else task.exception())
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=END_SECONDS)
    desk.close()
    logger.info("ended")
    return 1 if ended else 0


async def _train(desk: Desk, trainer: Trainer, mirror: Mirror | None) -> None:
    await desk.load()
    if desk.missing:
        logger.error("%s is not installed: nothing is trained and nothing forecast", desk.missing)
        await asyncio.Event().wait()
    if mirror is None:
        await trainer.run()
        return
    await mirror.begin()
    try:
        await asyncio.gather(trainer.run(), mirror.run())
    finally:
        mirror.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder: two forecasters would throw away each other's trainings."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock: IO[str] = (folder / ".lock").open("w")
    except OSError as error:
        raise _refuse(folder, f"cannot be written ({error.strerror})", "name a folder that can") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _refuse(folder, "is used by another forecaster", "end that, or name another folder") from error
        yield


def _refuse(folder: Path, problem: str, remedy: str) -> SettingsError:
    return SettingsError("foresail forecaster", "artifacts", problem, value=os.fspath(folder), remedy=remedy)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        problem, value = f"the address cannot be listened on ({error.strerror})", f"{host}:{port}"
        remedy = "choose another with --listen HOST:PORT"
        raise SettingsError("foresail forecaster", "listen", problem, value=value, remedy=remedy) from error


class _Server(uvicorn.Server):
    """Uvicorn, without its own signal handlers: the process ends when it is told here."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
