"""What a fleet achieved: the share of requests within the SLO, what it cost, and how restless it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from foresail.domain.workload import Slo
from foresail.simulator.engine import Finished, Request

RECENT_SECONDS = 300.0  # attainment "now" is of the last five minutes, as the operator's is


class Limits(NamedTuple):
    """What one request must keep, both."""

    ttft_seconds: float
    tpot_seconds: float

    def passes(self, finished: Finished) -> bool:
        """Whether a request kept both limits; a single token has no TPOT to keep."""
        return finished.ttft_seconds <= self.ttft_seconds and (finished.tpot_seconds or 0.0) <= self.tpot_seconds


def limits_of(slo: Slo) -> Limits:
    """The limits that an SLO states."""
    return Limits(slo.ttft_milliseconds / 1000, slo.tpot_milliseconds / 1000)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a latency, in milliseconds; 0 when nothing was seen."""

    p50: float
    p95: float
    p99: float


class Score:
    """Judges requests; a request that was refused is violated."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.passed = 0
        self.late = 0
        self.refused = 0
        self._ttft: list[float] = []
        self._tpot: list[float] = []
        self._recent: deque[tuple[float, bool]] = deque()

    def judge(self, finished: Iterable[Finished]) -> None:
        """Take in what finished."""
        for request in finished:
            passes = self.limits.passes(request)
            self.passed += passes
            self.late += not passes
            self._recent.append((request.time, passes))
            self._ttft.append(request.ttft_seconds)
            if request.tpot_seconds is not None:
                self._tpot.append(request.tpot_seconds)

    def refuse(self) -> None:
        """Take in that a request was refused."""
        self.refused += 1

    def overdue(self, waiting: Iterable[Request], now: float) -> int:
        """How many of the requests without a first token are already violated."""
        return sum(now - request.arrival_seconds > self.limits.ttft_seconds for request in waiting)

    @property
    def attainment(self) -> float | None:
        """Share of the judged requests that passed; None when none was judged."""
        judged = self.passed + self.late + self.refused
        return self.passed / judged if judged else None

    def recent_attainment(self, now: float) -> float | None:
        """Share of the requests finished in the last five minutes that passed; None when there is none."""
        while self._recent and self._recent[0][0] < now - RECENT_SECONDS:
            self._recent.popleft()
        return sum(passes for _, passes in self._recent) / len(self._recent) if self._recent else None

    def ttft_milliseconds(self) -> Percentiles:
        """Of all finished requests."""
        return _percentiles(self._ttft)

    def tpot_milliseconds(self) -> Percentiles:
        """Of all finished requests of more than one token."""
        return _percentiles(self._tpot)


def _percentiles(seconds: list[float]) -> Percentiles:
    if not seconds:
        return Percentiles(0.0, 0.0, 0.0)
    return Percentiles(*(round(float(value) * 1000, 1) for value in np.percentile(seconds, [50, 95, 99])))
