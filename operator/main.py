"""The operator as one process: everything is made here, joined here, and ended here.

Tasks of one loop: the election, the watchdog (its streams in a thread), the cycles, the outbox, the HTTP server. They
run until SIGTERM or until one of them ends, which none should. Then the lease is given back and the process is gone
within two seconds; what was not written will be written by whoever leads next.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import uuid
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn

from foresail.domain.decision import CycleResult
from foresail.domain.errors import SettingsError
from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory
from foresail.domain.snapshot import FleetSnapshot, Unknown
from foresail.domain.workload import WorkloadKey
from foresail.forecasting.demand.serve import MixtureForecaster
from foresail.operator.actuate.discovery import Discovery
from foresail.operator.actuate.dispatch import Actuator
from foresail.operator.actuate.fence import FencedWriter
from foresail.operator.actuate.kube import KubeClient
from foresail.operator.actuate.outbox import Outbox, TokenBucket
from foresail.operator.actuate.routing import Router
from foresail.operator.clock import Clock, SystemClock
from foresail.operator.explain.announcer import Announcer
from foresail.operator.explain.events import EventRecorder
from foresail.operator.explain.metrics import OperatorMetrics
from foresail.operator.explain.status import StatusWriter
from foresail.operator.forecaster import ForecasterClient
from foresail.operator.health import Health
from foresail.operator.lease import Lease
from foresail.operator.lookahead import LookAhead
from foresail.operator.loop import Loop, Stages
from foresail.operator.observe.prometheus import PrometheusClient, QueryReport
from foresail.operator.observe.snapshot import Observer
from foresail.operator.settings import Settings
from foresail.operator.store import Store
from foresail.operator.streams import DEFAULT_TIMEOUTS
from foresail.operator.watch import Watch
from foresail.policies.cycle import Prices, run_cycle
from foresail.service.app import create_app

WAKE_CHECK_SECONDS = 0.2
END_SECONDS = 1.0

logging.getLogger("uvicorn").setLevel(logging.WARNING)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """The parts that have a task of their own or are asked for at the end."""

    lease: Lease
    watch: Watch
    loop: Loop
    outbox: Outbox
    health: Health


async def run(settings: Settings) -> int:
    """Run the operator until SIGTERM or SIGINT; 0 when it was asked to end, 1 when a part of it ended by itself."""
    listener = _listen(settings.listen_host, settings.listen_port)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(KubeClient(settings.kubeconfig))
        clock = SystemClock()
        metrics = OperatorMetrics(clock)
        asking = PrometheusClient.from_settings(settings, partial(_note_query, metrics))
        prometheus = await stack.enter_async_context(asking)
        forecaster = None
        if settings.forecaster_url is not None:
            client = ForecasterClient(
                settings.forecaster_url, clock, deadline_seconds=settings.forecaster_deadline_seconds
            )
            forecaster = await stack.enter_async_context(client)
        look_ahead = LookAhead(
            MixtureForecaster(),
            season_seconds=settings.season_seconds,
            forecaster=forecaster,
            on_fallback=lambda reason: metrics.fallbacks.labels(reason).inc(),
        )
        house = build(settings, kube, prometheus, look_ahead, metrics, clock)
        host, port = listener.getsockname()[:2]
        logger.info("cluster=%s prometheus=%s listening=%s:%s", kube.server, settings.prometheus_url, host, port)
        return await _live(house, listener, stop)


def build(
    settings: Settings,
    kube: KubeClient,
    prometheus: PrometheusClient,
    look_ahead: LookAhead,
    metrics: OperatorMetrics,
    clock: Clock,
) -> House:
    """Make and join the parts."""
    store = Store(clock)
    identity = f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4()}"
    lease = Lease(kube, clock, namespace=settings.lease_namespace, identity=identity)
    watch = Watch(kube, store, clock, kubeconfig=settings.kubeconfig, namespace=settings.namespace)
    writer = FencedWriter(kube, lease, on_write=metrics.writes.inc)
    outbox = Outbox(TokenBucket(clock))
    announcer = Announcer(StatusWriter(writer, outbox), EventRecorder(writer, outbox), metrics.fleet)
    stages = Stages(
        observer=Observer(settings, prometheus, store, kube),
        forecast=look_ahead,
        decide=partial(_decide, Prices(usd_per_replica_hour=settings.usd_per_replica_hour)),
        actuator=Actuator(writer, Discovery(kube), expect=store.expect),
        router=Router(kube, writer),
        announcer=announcer,
        stored=lambda: store.workloads,
    )
    cycle_seconds = settings.cycle_seconds
    loop = Loop(stages, lease=lease, watch=watch, metrics=metrics, clock=clock, cycle_seconds=cycle_seconds)
    health = Health(
        loop=loop,
        watch=watch,
        announcer=announcer,
        metrics=metrics,
        timeouts=DEFAULT_TIMEOUTS,
        cycle_seconds=cycle_seconds,
        leading=lambda: lease.leading,
    )
    return House(lease, watch, loop, outbox, health)


def _decide(
    prices: Prices,
    snapshot: FleetSnapshot,
    forecasts: Mapping[WorkloadKey, Forecast | Unknown],
    memory: Memory,
) -> CycleResult:
    return run_cycle(snapshot, forecasts, memory, prices)


def _note_query(metrics: OperatorMetrics, report: QueryReport) -> None:
    metrics.query_seconds.labels(report.name).observe(report.seconds)
    if report.series is None:
        metrics.query_errors.labels(report.name, report.reason).inc()
    elif report.series == 0:
        metrics.query_empty.labels(report.name).inc()


async def _live(house: House, listener: socket.socket, stop: asyncio.Event) -> int:
    server = _Server(uvicorn.Config(create_app(house.health), access_log=False, log_config=None, lifespan="off"))
    wake = asyncio.Event()
    parts: dict[str, Coroutine[Any, Any, Any]] = {
        "stop": stop.wait(),
        "lease": house.lease.run(),
        "watch": house.watch.run(),
        "outbox": house.outbox.run(),
        "server": server.serve(sockets=[listener]),
        "wake": _wake(house, wake),
        "loop": house.loop.run(wake),
    }
    tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    ended = [task for task in done if task.get_name() != "stop"]
    for task in ended:
        logger.error("the %s ended: %r", task.get_name(), None if task.cancelled() else task.exception())
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=END_SECONDS)
    await house.lease.release()
    logger.info("ended")
    return 1 if ended else 0


async def _wake(house: House, wake: asyncio.Event) -> None:
    """Begin a cycle as soon as there is something to act with: leadership and a whole store."""
    could = False
    while True:
        can = house.lease.leading and not house.watch.problem
        if can and not could:
            wake.set()
        could = can
        await asyncio.sleep(WAKE_CHECK_SECONDS)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            "settings",
            "listen",
            f"the address cannot be listened on ({error.strerror})",
            value=f"{host}:{port}",
            remedy="choose another with --listen HOST:PORT",
        ) from error


class _Server(uvicorn.Server):
    """Uvicorn, without its own signal handlers: the process ends when the operator says so."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
