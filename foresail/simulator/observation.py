"""What a policy may know at a decision: what a Prometheus would tell of the last minute, and the demand of the past."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from foresail.domain.snapshot import Demand
from foresail.domain.timeseries import DEMAND_INDICATORS, FloatArray, Window
from foresail.simulator.engine import Request
from foresail.simulator.fleet import TICK_SECONDS, Counts, Fleet, Served
from foresail.simulator.trace import RateTrace

RECENT_SECONDS: Final = 7200.0
MEAN_SECONDS: Final = 60.0
SAMPLE_SECONDS: Final = 1.0
STARTUPS: Final = 20


@dataclass(frozen=True, slots=True)
class Observation:
    """One fleet at one instant.

    Args:
        time: Seconds since the epoch.
        demand: Arrivals of the last minute, per second.
        replicas: Counts by state.
        waiting: Requests in queue on all replicas.
        running: Requests in batches.
        in_flight_mean: Waiting and running, mean over the last minute.
        served: What was served over the last minute, per second.
        tpot_seconds: Mean TPOT of the requests finished in the last minute; 0 without any.
        kv_usage: Mean share of the KV cache in use over ready replicas.
        attainment: Share of the last five minutes' requests within the limits; None when none finished.
        recent: Demand lately at the decisions' step, indicators DEMAND_INDICATORS.
        history: Demand of the trace before it is played, at its own step; None without any.
        startup_seconds: Start-up times seen, newest last.
        load_by_replica: Requests in flight by ready replica.
    """

    time: float
    demand: Demand
    replicas: Counts
    waiting: int
    running: int
    in_flight_mean: float
    served: Demand
    tpot_seconds: float
    kv_usage: float
    attainment: float | None
    recent: Window
    history: Window | None = None
    startup_seconds: tuple[float, ...] = ()
    load_by_replica: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


class _Tick(NamedTuple):
    time: float
    requests: int
    input_tokens: int
    output_tokens: int


class FleetMinute:
    """The last minute of one fleet, looked at once a second."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, Served]] = deque()

    def note(self, fleet: Fleet) -> None:
        """Look at a fleet, if it is time."""
        samples, now = self._samples, fleet.now
        if samples and now - samples[-1][0] < SAMPLE_SECONDS - TICK_SECONDS / 2:
            return
        samples.append((now, fleet.queued + fleet.running, fleet.served()))
        while samples[0][0] < now - MEAN_SECONDS:
            samples.popleft()

    def in_flight_mean(self) -> float:
        """Mean of the requests in flight."""
        return sum(count for _, count, _ in self._samples) / max(len(self._samples), 1)

    def served(self) -> Demand:
        """What was served, per second."""
        change, seconds = self._change()
        return Demand(*(total / seconds for total in change[:3]))

    def tpot_seconds(self) -> float:
        """Mean TPOT of the requests that finished."""
        change, _ = self._change()
        return change.tpot_seconds / change.tpot_count if change.tpot_count else 0.0

    def _change(self) -> tuple[Served, float]:
        if len(self._samples) < 2:
            return Served(), 1.0
        (start, _, before), (end, _, after) = self._samples[0], self._samples[-1]
        return _change(before, after), end - start


class Observer:
    """Keeps what observations of one demand are made of.

    Args:
        past: The trace before it is played, at the speed at which it is played; may be empty.
        start: Instant at which playing starts, seconds since the epoch.
        step_seconds: Between two decisions.
    """

    def __init__(self, past: RateTrace | None, *, start: float, step_seconds: float = 15.0) -> None:
        self._step = step_seconds
        self._ticks: deque[_Tick] = deque()
        self._open: list[Request] = []
        self._row_end = start + step_seconds
        self.history = None if past is None or len(past) == 0 else history_window(past, end=start)
        rows = round(RECENT_SECONDS / step_seconds)
        self._recent: deque[FloatArray] = deque(_spread(self.history, start, step_seconds, rows), maxlen=rows)
        self._recent_end = start

    def note(self, until: float, requests: Sequence[Request]) -> None:
        """Take in the requests of a tick that ends at `until`."""
        inputs, outputs = sum(r.input_tokens for r in requests), sum(r.output_tokens for r in requests)
        self._ticks.append(_Tick(until, len(requests), inputs, outputs))
        while self._ticks[0].time <= until - MEAN_SECONDS:
            self._ticks.popleft()
        self._open += requests
        if until >= self._row_end - 1e-6:
            self._recent.append(_rates(self._open, self._step))
            self._recent_end, self._row_end = self._row_end, self._row_end + self._step
            self._open = []

    def demand(self) -> Demand:
        """Arrivals of the last minute, per second; shorter when less was seen."""
        if not self._ticks:
            return Demand(0.0, 0.0, 0.0)
        ticks = self._ticks
        tick = (ticks[-1].time - ticks[0].time) / max(len(ticks) - 1, 1)
        seconds = max(ticks[-1].time - ticks[0].time + tick, 1e-9)
        sums = (sum(t.requests for t in ticks), sum(t.input_tokens for t in ticks), sum(t.output_tokens for t in ticks))
        return Demand(*(total / seconds for total in sums))

    def recent(self) -> Window:
        """Demand lately."""
        values = np.array(self._recent).reshape(-1, len(DEMAND_INDICATORS))
        observed = np.ones(values.shape, dtype=np.bool_)
        return Window(DEMAND_INDICATORS, self._step, self._recent_end, values, observed)

    def observe(self, fleet: Fleet, minute: FleetMinute) -> Observation:
        """What is known of a fleet now."""
        ready = [replica.engine for replica in fleet.ready()]
        return Observation(
            time=fleet.now,
            demand=self.demand(),
            replicas=fleet.counts(),
            waiting=fleet.queued,
            running=fleet.running,
            in_flight_mean=minute.in_flight_mean(),
            served=minute.served(),
            tpot_seconds=minute.tpot_seconds(),
            kv_usage=sum(engine.kv_usage for engine in ready) / max(len(ready), 1),
            attainment=fleet.score.recent_attainment(fleet.now),
            recent=self.recent(),
            history=self.history,
            startup_seconds=tuple(fleet.startup_seconds[-STARTUPS:]),
            load_by_replica={replica.name: replica.engine.in_flight for replica in fleet.ready()},
        )


def history_window(past: RateTrace, *, end: float) -> Window:
    """The demand of a trace whose last interval ends at `end`."""
    rates = past.requests_per_second
    values = np.stack([rates, rates * past.input_tokens, rates * past.output_tokens], axis=1)
    return Window(DEMAND_INDICATORS, past.step_seconds, end, values, np.ones(values.shape, dtype=np.bool_))


def _spread(history: Window | None, end: float, step: float, rows: int) -> FloatArray:
    """The end of the history at a finer step, linear between the middles of its intervals; shape (n, 3)."""
    if history is None:
        return np.empty((0, len(DEMAND_INDICATORS)))
    count = min(rows, int(len(history) * history.step_seconds // step))
    instants = end - step * (np.arange(count)[::-1] + 0.5)
    middles = history.end - history.step_seconds * (np.arange(len(history))[::-1] + 0.5)
    return np.stack([np.interp(instants, middles, column) for column in history.values.T], axis=1)


def _rates(requests: Sequence[Request], seconds: float) -> FloatArray:
    sums = [len(requests), sum(r.input_tokens for r in requests), sum(r.output_tokens for r in requests)]
    return np.array(sums, dtype=np.float64) / seconds


def _change(before: Served, after: Served) -> Served:
    return Served(
        after.finished - before.finished,
        after.prompt_tokens - before.prompt_tokens,
        after.generation_tokens - before.generation_tokens,
        after.tpot_seconds - before.tpot_seconds,
        after.tpot_count - before.tpot_count,
    )
