"""The past demand of the fleet on regular grids: fetched once, then kept going.

Two grids: `recent` (fine, hours) and `history` (coarse, weeks). Each keeps a list of spans that are still to be
fetched, at first everything; a cycle takes one bite of it, the newest first, so that the number of queries per cycle
and the size of answers are bounded however large the fleet or long the past. The recent grid goes on with what each
cycle observes; what was not observed (an outage of ours, a cycle that was late) is a hole, fetched later if Prometheus
has it. A hole is never filled with anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

import numpy as np

from foresail.domain.reason import Reason
from foresail.domain.snapshot import Demand, Unknown
from foresail.domain.timeseries import DEMAND_INDICATORS, BoolArray, FloatArray, Window
from foresail.domain.workload import Workload, WorkloadKey
from foresail.operator.observe.answers import Matrix, Unavailable
from foresail.operator.observe.past import demand_of_past, flows_by_owner
from foresail.operator.observe.prometheus import MAX_POINTS
from foresail.operator.observe.telemetry import POD_REASONS, Flow

BITE_POINTS: Final = 40_000  # some 60 ms of CPU to read
MEND_SECONDS: Final = 120.0  # how long holes are gathered before they are fetched
RELEARN_SECONDS: Final = 60.0  # between two fetches of everything because workloads are new
FLOWS: Final = len(Flow._fields)


class Span(NamedTuple):
    """Rows of a grid, both ends included; row n is the instant n · step."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class GridShape:
    """A grid's spacing and how many rows it keeps; `long`: so many that single precision, half the memory, must do."""

    step_seconds: float
    rows: int
    long: bool = False

    def row(self, now: float) -> int:
        """The row nearest to an instant."""
        return round(now / self.step_seconds)


class Rows(NamedTuple):
    """One workload's demand, shape (rows, 3), and which of it was observed; 0 where it was not.

    Windows that somebody may look at begin at `shown` or later; the rows before may be written.
    """

    values: FloatArray
    observed: BoolArray
    shown: int


@dataclass(slots=True)
class Grid:
    """The demand of every workload on one grid.

    Attributes:
        shape: Its spacing and length.
        last: Number of the newest row, None before the first.
        pending: Spans still to be fetched, the newest last.
    """

    shape: GridShape
    last: int | None = None
    pending: list[Span] = field(default_factory=list)
    _rows: dict[WorkloadKey, Rows] = field(default_factory=dict)
    _windows: dict[WorkloadKey, Window | None] = field(default_factory=dict)
    _series: int = 1
    _bite_points: int = BITE_POINTS
    _relearned_at: float = float("-inf")
    _unlearned: bool = False
    _hole: Span | None = None
    _mended_at: float = float("-inf")

    def follow(self, workloads: Mapping[WorkloadKey, Workload], now: float, *, row: int) -> None:
        """Move on to a row and keep exactly these workloads; new ones have everything fetched."""
        keys = workloads.keys()
        self._series = max(self._series, FLOWS * sum(len(workload.variants) for workload in workloads.values()))
        if self.last is None or row < self.last:  # a clock that was set back makes every instant meaningless
            self._start(row)
        elif row > self.last:
            self._advance(row)
        self._unlearned |= not keys <= self._rows.keys()
        self._rows = {key: self._rows.get(key) or self._make_rows() for key in keys}
        self._windows = {key: window for key, window in self._windows.items() if key in keys}
        if self._unlearned and now - self._relearned_at >= RELEARN_SECONDS:
            self._relearned_at, self._unlearned = now, False
            self.pending = [Span(row - self.shape.rows + 1, row)]

    def extend(self, row: int) -> None:
        """Fetch the rows that have passed since the newest one."""
        if self.last is not None and row > self.last:
            self.pending.append(Span(max(self.last, row - self.shape.rows) + 1, row))

    def note(self, demands: Mapping[WorkloadKey, Demand | Unknown], now: float, *, before: int | None) -> None:
        """Write what was observed now into the newest row; `before` is the newest row of the cycle before.

        Cycles do not keep step to the millisecond: one row that was jumped over is what was observed at its end. Holes
        are fetched later where Prometheus was not to be asked. Where a pod was not to be measured they stay: in the
        past its absence would not be noticed, and demand would look lower than it was.
        """
        if self.last is None:
            return
        jumped = 0 if before is None else self.last - before - 1
        rows = 2 if jumped == 1 else 1
        if jumped > 1 and before is not None:
            self._miss(Span(before + 1, self.last - 1))
        for key, demand in demands.items():
            if isinstance(demand, Unknown):
                if demand.reason not in POD_REASONS:
                    self._miss(Span(self.last - rows + 1, self.last))
            elif key in self._rows:
                values = np.array([getattr(demand, name) for name in DEMAND_INDICATORS])
                self._put(key, Span(self.last - rows + 1, self.last), np.tile(values, (rows, 1)), over=True)
        if self._hole is not None and now - self._mended_at >= MEND_SECONDS:
            self.pending.append(self._hole)
            self._hole, self._mended_at = None, now

    def bite(self, *, size: int = 1) -> Span | None:
        """The span to be fetched next, `size` times as long as usual; None when nothing is to be."""
        while self.pending and self.last is not None:
            first, last = self.pending[-1]
            first, last = max(first, self.last - self.shape.rows + 1), min(last, self.last)
            if first <= last:
                rows = min(max(size * self._bite_points // self._series, 1), MAX_POINTS)
                return Span(max(first, last - rows + 1), last)
            self.pending.pop()
        return None

    def take(self, span: Span, answer: Matrix | Unavailable, workloads: Mapping[WorkloadKey, Workload]) -> None:
        """Take in the answer for a bitten span; without one it stays pending, in smaller bites if it was too much."""
        if isinstance(answer, Unavailable):
            if answer.reason in (Reason.ANSWER_TOO_LARGE, Reason.PROMETHEUS_TIMEOUT, Reason.QUERY_REFUSED):
                self._bite_points = max(self._bite_points // 2, 1)
            return
        self._bite_points = min(self._bite_points * 2, BITE_POINTS)
        self._series = max(len(answer.labels), 1)
        self._swallow(span)
        flows = flows_by_owner(answer)
        for key in self._rows.keys() & workloads.keys():
            demand = demand_of_past(workloads[key], flows, answer.step_seconds)
            if demand is not None:
                self._put(key, span, demand, over=False)

    def window(self, key: WorkloadKey) -> Window | None:
        """The demand of a workload, from the first row that was observed; None when none was."""
        if key not in self._windows:
            self._windows[key] = self._make_window(key)
        return self._windows[key]

    def _make_rows(self) -> Rows:
        shape = (self.shape.rows, len(DEMAND_INDICATORS))
        values = np.zeros(shape, dtype=np.float32 if self.shape.long else np.float64)
        return Rows(cast(FloatArray, values), np.zeros(shape, dtype=np.bool_), self.shape.rows)

    def _start(self, row: int) -> None:
        self.last = row
        self.pending = []
        self._rows, self._windows, self._hole = {}, {}, None
        self._relearned_at = float("-inf")

    def _advance(self, row: int) -> None:
        shift = min(row - (self.last or 0), self.shape.rows)
        for key, rows in self._rows.items():
            self._rows[key] = moved = self._make_rows()
            moved.values[: self.shape.rows - shift] = rows.values[shift:]
            moved.observed[: self.shape.rows - shift] = rows.observed[shift:]
        self._windows.clear()
        self.last = row

    def _miss(self, span: Span) -> None:
        hole = self._hole or span
        self._hole = Span(min(hole.first, span.first), max(hole.last, span.last))

    def _swallow(self, span: Span) -> None:
        """Strike a fetched span off the newest pending one."""
        first, _ = self.pending.pop() if self.pending else span
        if first < span.first:
            self.pending.append(Span(first, span.first - 1))

    def _put(self, key: WorkloadKey, span: Span, demand: FloatArray, *, over: bool) -> None:
        """Write rows; what is known already is written `over` or kept, what is unknown changes nothing."""
        newest = self.last or 0
        first = self.shape.rows - 1 - (newest - span.first)
        kept, length = max(first, 0), span.last - span.first + 1
        rows, demand = slice(kept, max(first + length, 0)), demand[kept - first :]
        kept_rows = self._rows[key]
        news = np.isfinite(demand) if over else np.isfinite(demand) & ~kept_rows.observed[rows]
        if not news.any():
            return
        if rows.stop > kept_rows.shown:
            unseen = Rows(kept_rows.values.copy(), kept_rows.observed.copy(), self.shape.rows)
            kept_rows = self._rows[key] = unseen
        self._windows.pop(key, None)
        kept_rows.values[rows][news] = demand[news]
        kept_rows.observed[rows] |= news

    def _make_window(self, key: WorkloadKey) -> Window | None:
        rows = self._rows.get(key)
        if rows is None or self.last is None:
            return None
        seen = np.flatnonzero(rows.observed.any(axis=1))
        if not seen.size:
            return None
        begin, step = int(seen[0]), self.shape.step_seconds
        self._rows[key] = rows._replace(shown=min(rows.shown, begin))
        return Window(DEMAND_INDICATORS, step, self.last * step, rows.values[begin:], rows.observed[begin:])
