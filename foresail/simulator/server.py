"""Serve the live simulation: a metrics page per ready pod, service discovery for Prometheus, and the score so far.

    python -m foresail.simulator.server --namespace demo --selector app=chat --trace examples/data/servegen-chat.csv

`/sd` is Prometheus' HTTP service discovery, `/metrics/NAMESPACE/POD` a pod's page, `/summary` what everybody achieved,
`/state` where the simulation stands. The first line on stdout tells the address.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from foresail.domain.errors import InputError
from foresail.simulator.live import Live, LiveSettings
from foresail.simulator.metrics import CONTENT_TYPE, Dialect, expose
from foresail.simulator.pods import PodLister
from foresail.simulator.replay import RaceSettings
from foresail.simulator.score import Limits
from foresail.simulator.trace import RateTrace, read_trace

POLL_SECONDS = 1.0
STEP_SECONDS = 0.1
BINS_SECONDS = 60.0  # single requests are played as rates
WARMUP = 0.8  # of a trace that does not say where its history ends


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Understand the command line."""
    parser = argparse.ArgumentParser(prog="python -m foresail.simulator.server", description="Simulated vLLM servers.")
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: the user's own")
    parser.add_argument("--namespace", default="default", metavar="NS", help="of the pods")
    parser.add_argument("--selector", required=True, metavar="LABELS", help="of the pods, as app=chat")
    parser.add_argument("--trace", type=Path, required=True, metavar="CSV", help="what is asked of the model")
    parser.add_argument("--play-from", type=float, metavar="S", help="where in the trace to start, in its seconds")
    parser.add_argument("--speed", type=float, default=20.0, help="how much faster trace time passes (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of arrivals (default 0)")
    parser.add_argument("--model", default="meta-llama/Llama-3.1-8B", metavar="NAME", help="label model_name")
    parser.add_argument("--dialect", type=Dialect, choices=list(Dialect), default=Dialect.VLLM, help="metric names")
    parser.add_argument("--startup-seconds", type=float, default=45.0, metavar="S", help="of the shadows' replicas")
    parser.add_argument("--max-replicas", type=int, default=12, metavar="N", help="of the shadows")
    parser.add_argument("--static-minutes", type=float, default=10.0, metavar="M", help="whose peak sizes static-peak")
    parser.add_argument("--ttft-milliseconds", type=float, default=2000.0, metavar="MS", help="limit (default 2000)")
    parser.add_argument("--tpot-milliseconds", type=float, default=50.0, metavar="MS", help="limit (default 50)")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0: any free one")
    parser.add_argument("--port-file", type=Path, metavar="FILE", help="write the port here")
    return parser.parse_args(arguments)


def load_rates(path: Path) -> RateTrace:
    """A trace as rates."""
    trace = read_trace(path)
    return trace if isinstance(trace, RateTrace) else trace.to_rates(BINS_SECONDS)


def play_from(path: Path, trace: RateTrace, given: float | None) -> float:
    """Where playing starts, in seconds of the trace: as given, as the file beside the trace says, or at four fifths."""
    if given is not None:
        return given
    with contextlib.suppress(FileNotFoundError):
        return float(json.loads(path.with_suffix(".json").read_text())["play_from_seconds"])
    return int(WARMUP * len(trace)) * trace.step_seconds


def make_settings(flags: argparse.Namespace, start: float) -> LiveSettings:
    """Settings from the command line."""
    race = RaceSettings(
        play_from_seconds=start,
        speed=flags.speed,
        startup_seconds=flags.startup_seconds,
        limits=Limits(flags.ttft_milliseconds / 1000, flags.tpot_milliseconds / 1000),
        seed=flags.seed,
    )
    return LiveSettings(race, max_replicas=flags.max_replicas, static_seconds=flags.static_minutes * 60)


class Server:
    """Answers over HTTP for a live simulation."""

    def __init__(self, live: Live, *, namespace: str, model: str, dialect: Dialect = Dialect.VLLM) -> None:
        self._live = live
        self._namespace = namespace
        self._model = model
        self._dialect = dialect

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.router.add_get("/sd", self.discover)
        app.router.add_get("/metrics/{namespace}/{pod}", self.metrics)
        app.router.add_get("/summary", self.summary)
        app.router.add_get("/state", self.state)
        return app

    async def discover(self, request: web.Request) -> web.Response:
        """Prometheus' HTTP service discovery."""
        groups = [
            {
                "targets": [request.host],
                "labels": {
                    "namespace": self._namespace,
                    "pod": pod,
                    "__metrics_path__": f"/metrics/{self._namespace}/{pod}",
                },
            }
            for pod in sorted(self._live.exposed())
        ]
        return web.json_response(groups)

    async def metrics(self, request: web.Request) -> web.Response:
        """A pod's metrics page."""
        engine = self._live.exposed().get(request.match_info["pod"])
        if engine is None or request.match_info["namespace"] != self._namespace:
            raise web.HTTPNotFound(text="no such simulated server\n")
        page = expose(engine, model=self._model, dialect=self._dialect)
        return web.Response(body=page.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def summary(self, _: web.Request) -> web.Response:
        """What everybody achieved."""
        return web.json_response(self._live.summary())

    async def state(self, _: web.Request) -> web.Response:
        """Where the simulation stands."""
        return web.json_response(self._live.state())


async def play(live: Live) -> None:
    """Keep the simulation at the real time."""
    while True:
        live.advance(time.time())
        await asyncio.sleep(STEP_SECONDS)


async def follow(live: Live, lister: PodLister) -> None:
    """Keep the replicas those of the cluster; while it does not answer they stay as they are."""
    answers = True
    while True:
        try:
            live.sync(await asyncio.to_thread(lister.list), time.time())
            answers = True
        except OSError as error:
            if answers:
                sys.stderr.write(f"{error}; the simulated servers stay as they are\n")
            answers = False
        await asyncio.sleep(POLL_SECONDS)


async def serve(flags: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    trace = load_rates(flags.trace)
    live = Live(trace, make_settings(flags, play_from(flags.trace, trace, flags.play_from)), now=time.time())
    lister = PodLister(kubeconfig=flags.kubeconfig, namespace=flags.namespace, selector=flags.selector)
    server = Server(live, namespace=flags.namespace, model=flags.model, dialect=flags.dialect)
    runner = web.AppRunner(server.app(), access_log=None)
    await runner.setup()
    host, _, port = flags.listen.rpartition(":")
    await web.TCPSite(runner, host or "127.0.0.1", int(port)).start()
    address, bound = runner.addresses[0][:2]
    sys.stdout.write(f"simulated servers: http://{address}:{bound}\n")
    sys.stdout.flush()
    if flags.port_file is not None:
        flags.port_file.write_text(str(bound))
    await _until_stopped(play(live), follow(live, lister))
    await runner.cleanup()
    return 0


async def _until_stopped(*work: Coroutine[Any, Any, None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(part) for part in (*work, stop.wait())]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    flags = parse_arguments(arguments)
    try:
        return asyncio.run(serve(flags))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
