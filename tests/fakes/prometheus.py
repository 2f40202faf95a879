"""A Prometheus of a few pods: a real HTTP server that knows the operator's questions, with faults to switch on.

It has no PromQL: it recognizes each question by its words and answers from `pods`. Runs in a thread, so that tests of
any kind can use it, the operator as a process of its own included.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from foresail.operator.observe.queries import OWNER_PATTERN
from tests.fakes.loopback import Loopback, SilentHandler

TTFT_BOUNDS = ("0.25", "0.5", "1.0", "2.5", "+Inf")
TPOT_BOUNDS = ("0.01", "0.025", "0.05", "0.1", "+Inf")


class Fault(StrEnum):
    """What is wrong with it."""

    NONE = "none"
    DOWN = "down"
    EMPTY = "empty"
    NAN = "NaN"
    INF = "+Inf"
    STALE = "stale"
    DUPLICATE = "duplicate"
    SLOW = "slow"
    HUGE = "huge"
    FAILING = "failing"
    THROTTLED = "throttled"
    REDIRECTING = "redirecting"
    MALFORMED = "malformed"


@dataclass
class PodLoad:
    """What one pod tells: `rps` requests finished per second of these lengths, and its queue."""

    rps: float = 4.0
    input_tokens: float = 1000.0
    output_tokens: float = 250.0
    running: float = 12.0
    waiting: float = 0.0
    waiting_growth: float = 0.0
    running_growth: float = 0.0
    cache: float = 0.4
    ttft_seconds: float = 0.3
    tpot_seconds: float = 0.02
    age_seconds: float = 3.0
    job: str = "engines"
    engine: str = "vLLM"
    missing: frozenset[str] = frozenset()


@dataclass
class FakePrometheus:
    """Start it with `with FakePrometheus() as prometheus:`; `pods` by namespace and name, `past` scales history."""

    pods: dict[tuple[str, str], PodLoad] = field(default_factory=dict)
    fault: Fault = Fault.NONE
    past: Callable[[float], float | None] = lambda _: 1.0
    clock: Callable[[], float] = time.time
    scrape_seconds: float = 15.0
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    warnings: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self._released = threading.Event()
        self._server = Loopback(type("Handler", (_Handler,), {"fake": self}))
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://{self._server.address}"

    def wait_for_release(self) -> None:
        """What the fault SLOW does: no answer as long as the fault lasts."""
        while self.fault is Fault.SLOW and not self._released.wait(0.02):
            pass

    def answer(self, form: dict[str, str]) -> dict[str, Any]:
        series = [] if self.fault is Fault.EMPTY else list(self._series(form))
        if self.fault is Fault.DUPLICATE:
            series += [(labels | ({"job": "other"} if "job" in labels else {}), value) for labels, value in series]
        if "step" in form:
            result = [entry for labels, value in series if (entry := self._row(labels, value, form))["values"]]
            return self._body("matrix", result)
        at = float(form["time"])
        age = "time() -" in form["query"]  # a sample of NaN has a time like any other
        text = repr if age else self._text
        return self._body("vector", [{"metric": labels, "value": [at, text(v)]} for labels, v in series])

    def _body(self, kind: str, result: list[dict[str, Any]]) -> dict[str, Any]:
        extra = {"warnings": list(self.warnings)} if self.warnings else {}
        return {"status": "success", "data": {"resultType": kind, "result": result}} | extra

    def _row(self, labels: dict[str, str], value: float, form: dict[str, str]) -> dict[str, Any]:
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        instants = [start + i * step for i in range(round((end - start) / step) + 1)]
        scaled = [(at, self.past(at)) for at in instants]
        return {"metric": labels, "values": [[at, self._text(value * by)] for at, by in scaled if by is not None]}

    def _text(self, value: float) -> str:
        return self.fault.value if self.fault in (Fault.NAN, Fault.INF) else repr(value)

    def _series(self, form: dict[str, str]) -> Iterator[tuple[dict[str, str], float]]:
        query = form["query"]
        if "__name__, le" in query:
            for name, bounds in (("time_to_first_token", TTFT_BOUNDS), ("time_per_output_token", TPOT_BOUNDS)):
                yield from (({"__name__": f"vllm:{name}_seconds_bucket", "le": bound}, 1.0) for bound in bounds)
            return
        if "quantile_over_time" in query:
            yield from (({"job": job}, self.scrape_seconds) for job in {load.job for load in self.pods.values()})
            return
        if "step" in form:
            yield from self._past_flows()
            return
        for (namespace, pod), load in self.pods.items():
            yield from self._live(query, {"namespace": namespace, "pod": pod, "engine": load.engine}, load)

    def _past_flows(self) -> Iterator[tuple[dict[str, str], float]]:
        total: dict[tuple[str, str, str, str], float] = {}
        for (namespace, pod), load in self.pods.items():
            owner = re.fullmatch(OWNER_PATTERN, pod)
            for flow, value in _flows(load).items():
                key = (namespace, owner[1] if owner else pod, load.engine, flow)
                total[key] = total.get(key, 0.0) + value
        for (namespace, owned_by, engine, flow), value in total.items():
            yield {"namespace": namespace, "owner": owned_by, "engine": engine, "flow": flow}, value

    def _live(self, query: str, labels: dict[str, str], load: PodLoad) -> Iterator[tuple[dict[str, str], float]]:
        job = labels | {"job": load.job}
        if "_bucket" in query:
            ttft = "time_to_first_token" in query
            limit, bounds = (load.ttft_seconds, TTFT_BOUNDS) if ttft else (load.tpot_seconds, TPOT_BOUNDS)
            yield from ((labels | {"le": b}, load.rps * 300.0 * (float(b) >= limit)) for b in bounds if _asks(query, b))
        elif ", of)" in query:
            yield job | {"of": "waiting"}, load.waiting_growth
            yield job | {"of": "running"}, load.running_growth
        elif "_sum" in query:
            yield labels, load.tpot_seconds
        else:
            yield from self._plain(query, job, load)

    def _plain(self, query: str, job: dict[str, str], load: PodLoad) -> Iterator[tuple[dict[str, str], float]]:
        answers = {
            "time() -": ("age", 600.0 if self.fault is Fault.STALE else load.age_seconds),
            "num_requests_waiting": ("waiting", load.waiting),
            "kv_cache_usage": ("cache", load.cache),
            "request_success": ("finished", load.rps),
            "prompt_tokens": ("prompt_tokens", load.rps * load.input_tokens),
            "generation_tokens": ("generation_tokens", load.rps * load.output_tokens),
            "num_requests_running": ("running", load.running),
        }
        name, value = next(answer for words, answer in answers.items() if words in query)
        if name not in load.missing:
            yield job | ({"model_name": "llama"} if "model_name" in query else {}), value


def _flows(load: PodLoad) -> dict[str, float]:
    return {
        "finished": load.rps,
        "prompt_tokens": load.rps * load.input_tokens,
        "generation_tokens": load.rps * load.output_tokens,
        "waiting_growth": load.waiting_growth,
        "running_growth": load.running_growth,
    }


def _asks(query: str, bound: str) -> bool:
    return bound.replace("+", "[+]").replace(".", "[.]") in query


class _Handler(SilentHandler):
    fake: FakePrometheus
    protocol_version = "HTTP/1.1"

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the fake's clock, not the call's
        return formatdate(self.fake.clock(), usegmt=True)

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        fake = self.fake
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = parse_qs(text) | parse_qs(urlsplit(self.path).query)  # clients put it here or there
        form = {name: values[0] for name, values in asked.items()}
        fake.asked.append(form)
        fake.headers.append(dict(self.headers))
        match fake.fault:
            case Fault.DOWN:
                self.close_connection = True
            case Fault.FAILING:
                self._send(500, b'{"status": "error", "error": "out of memory"}')
            case Fault.THROTTLED:
                self._send(429, b"too many", {"Retry-After": "1"})
            case Fault.REDIRECTING:
                self._send(302, b"", {"Location": "http://127.0.0.1:1/login"})
            case Fault.MALFORMED:
                self._send(200, b"<html>please log in</html>")
            case Fault.HUGE:
                self._send(200, b" " * 2**26)
            case _:
                fake.wait_for_release()
                self._send(200, json.dumps(fake.answer(form)).encode())

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the client had enough
