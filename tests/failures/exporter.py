"""The pods' own metrics in one page, for a real Prometheus to scrape, with faults to switch on."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import yaml

from foresail.sandbox.prometheus import configuration
from tests.fakes.loopback import Loopback, SilentHandler
from tests.fakes.prometheus import PodLoad

SECOND = "/second"


class Fault(StrEnum):
    """What is wrong with it."""

    NONE = "none"
    EMPTY = "it tells of no pod"
    DUPLICATE = "it tells of the same pods on a second page, which another job scrapes"
    STALE = "it tells what it told when the fault began, with the time of then"


@dataclass
class Exporter:
    """Start it with `with Exporter() as exporter:`; `pods` by namespace and name."""

    pods: dict[tuple[str, str], PodLoad] = field(default_factory=dict)
    fault: Fault = Fault.NONE

    def __enter__(self) -> Self:
        self._counters: defaultdict[tuple[str, str, str], float] = defaultdict(float)
        self._counted_at = time.time()
        self._lock = threading.Lock()
        self._server = Loopback(type("Handler", (_Handler,), {"exporter": self}))
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def settings(self, scrape_seconds: float) -> str:
        """Of a Prometheus that scrapes both pages."""
        settings = yaml.safe_load(configuration(service_discovery_url=None, scrape_seconds=scrape_seconds))
        targets = [{"targets": [self._server.address]}]
        job = {"static_configs": targets, "track_timestamps_staleness": True}
        settings["scrape_configs"] = [
            job | {"job_name": name, "metrics_path": path}
            for name, path in (("engines", "/metrics"), ("others", SECOND))
        ]
        return yaml.safe_dump(settings)

    def page(self, path: str) -> str:
        """What is told now. The times are told with the samples, as engines behind a cache do."""
        with self._lock:
            if self.fault is not Fault.STALE:
                self._count()
            silent = self.fault is Fault.EMPTY or (path == SECOND and self.fault is not Fault.DUPLICATE)
            pods = {} if silent else self.pods
            return "".join(f"{line} {self._counted_at * 1000:.0f}\n" for line in self._lines(pods))

    def _count(self) -> None:
        now = time.time()
        seconds, self._counted_at = now - self._counted_at, now
        for (namespace, pod), load in self.pods.items():
            for name, rate in (
                ("request_success_total", load.rps),
                ("prompt_tokens_total", load.rps * load.input_tokens),
                ("generation_tokens_total", load.rps * load.output_tokens),
            ):
                self._counters[namespace, pod, name] += rate * seconds

    def _lines(self, pods: dict[tuple[str, str], PodLoad]) -> Iterator[str]:
        for (namespace, pod), load in pods.items():
            labels = f'{{namespace="{namespace}",pod="{pod}",model_name="llama"}}'
            yield f"vllm:num_requests_running{labels} {load.running}"
            yield f"vllm:num_requests_waiting{labels} {load.waiting}"
            for name in ("request_success_total", "prompt_tokens_total", "generation_tokens_total"):
                yield f"vllm:{name}{labels} {self._counters[namespace, pod, name]}"


class _Handler(SilentHandler):
    exporter: Exporter

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        body = self.exporter.page(self.path).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
