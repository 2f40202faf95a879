"""A forecaster of our own making: a real HTTP server that answers every question alike, with faults to switch on."""

from __future__ import annotations

import base64
import json
import math
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import numpy as np

from tests.fakes.loopback import Loopback, SilentHandler


class Fault(StrEnum):
    """What is wrong with it, or with its answers."""

    NONE = "none"
    KILLED = "killed in mid-answer"
    SLOW = "slow"
    FAILING = "failing"
    GARBAGE = "garbage"
    HUGE = "huge"
    EMPTY = "an empty list"
    MISSING = "another workload's"
    NAN = "NaN"
    INFINITE = "Inf"
    NEGATIVE = "below zero"
    SHORT = "another horizon"
    CUT = "fewer numbers than its shape says"
    INDICATORS = "other indicators"
    STEP = "another step"
    ORIGIN = "another origin"
    TEXT = "no numbers"
    NOT_SERVED = "not trained"


@dataclass
class FakeForecaster:
    """Start it with `with FakeForecaster() as forecaster:`; it expects that `level` requests a second come.

    It gives no more answers than `slow_after`.
    """

    level: float = 20.0
    fault: Fault = Fault.NONE
    again_seconds: float = 0.0
    slow_after: int = 10**6
    asked: list[dict[str, Any]] = field(default_factory=list)

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
        while (self.fault is Fault.SLOW or len(self.asked) > self.slow_after) and not self._released.wait(0.02):
            pass

    def answer(self, body: dict[str, Any]) -> bytes:
        entries = [self._entry(workload) for workload in body["workloads"]]
        return json.dumps({"forecasts": [] if self.fault is Fault.EMPTY else entries}).encode()

    def _entry(self, asked: dict[str, Any]) -> dict[str, Any]:
        entry = {name: asked[name] for name in ("namespace", "name", "indicators", "step_seconds")}
        if self.fault is Fault.NOT_SERVED:
            return entry | {"unavailable": "it is not trained yet", "again_seconds": self.again_seconds}
        steps = math.ceil(asked["horizon_seconds"] / asked["step_seconds"] - 1e-9) + (self.fault is Fault.SHORT)
        samples = np.full((50, steps, 3), self.level) * np.array([1.0, 1000.0, 250.0])
        wrong = {Fault.NAN: np.nan, Fault.INFINITE: np.inf, Fault.NEGATIVE: -1e-3}
        samples[7, 0, 1] = wrong.get(self.fault, samples[7, 0, 1])
        sent = samples.astype("<f4").tobytes()
        entry |= {
            "origin": asked["end"],
            "samples": base64.b64encode(sent[: -4 if self.fault is Fault.CUT else None]).decode(),
            "shape": list(samples.shape),
            "source": "flow",
            "reason": "it was better on what was held out",
            "calibrated": True,
        }
        return entry | _other(entry).get(self.fault, {})


def _other(entry: dict[str, Any]) -> dict[Fault, dict[str, Any]]:
    return {
        Fault.MISSING: {"name": "another"},
        Fault.INDICATORS: {"indicators": list(reversed(entry["indicators"]))},
        Fault.STEP: {"step_seconds": entry["step_seconds"] * 2},
        Fault.ORIGIN: {"origin": entry["origin"] - 60.0},
        Fault.TEXT: {"samples": "not numbers", "shape": "wide"},
    }


class _Handler(SilentHandler):
    fake: FakeForecaster
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        fake = self.fake
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fake.asked.append(body)
        match fake.fault:
            case Fault.KILLED:
                text = fake.answer(body)
                self._send(200, text[: len(text) // 2], length=len(text))
                self.close_connection = True
            case Fault.FAILING:
                self._send(500, b"out of memory")
            case Fault.GARBAGE:
                self._send(200, b'{"forecasts": [1')
            case Fault.HUGE:
                self._send(200, b" " * 2**23)
            case _:
                fake.wait_for_release()
                self._send(200, fake.answer(body))

    def _send(self, status: int, body: bytes, length: int | None = None) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the client had enough
