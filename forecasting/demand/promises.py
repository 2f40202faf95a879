"""Promises: what forecasts said of an instant, kept until it has come and was observed.

What is promised is the peak of the last two steps of the horizon, which decisions rest on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from foresail.domain.timeseries import FloatArray
from foresail.forecasting.past import Past

PEAK_STEPS = 2
Said = TypeVar("Said")


class Kept(NamedTuple, Generic[Said]):
    """What was said, the peak that came, shape (I,), and how many rows ahead it was said."""

    said: Said
    peak: FloatArray
    rows: float


class _Promise(NamedTuple, Generic[Said]):
    origin: float
    instant: float
    steps: int
    said: Said


@dataclass(slots=True)
class Promises(Generic[Said]):
    """Those of one workload; mutable."""

    _waiting: list[_Promise[Said]] = field(default_factory=list)

    def make(self, origin: float, instant: float, steps: int, said: Said) -> None:
        """Promise something of the last rows of the `steps` until `instant`.

        An origin promises once: a second forecast of the same past is the same forecast. Where time went back, what
        was promised is forgotten.
        """
        if self._waiting and origin < self._waiting[-1].origin:
            self._waiting.clear()
        if self._waiting and origin == self._waiting[-1].origin:
            return
        self._waiting.append(_Promise(origin, instant, min(PEAK_STEPS, steps), said))

    def due(self, past: Past) -> Iterator[Kept[Said]]:
        """The promises whose time has come, with what was observed; a hole settles nothing."""
        now = past.end + 0.5 * past.step_seconds
        come = [promise for promise in self._waiting if promise.instant <= now]
        if come:
            self._waiting = [promise for promise in self._waiting if promise.instant > now]
        for promise in come:
            stop = len(past) - round((past.end - promise.instant) / past.step_seconds)
            start = stop - promise.steps
            if start >= 0 and past.observed[start:stop].all():
                rows = max((promise.instant - promise.origin) / past.step_seconds, 1.0)
                yield Kept(promise.said, past.values[start:stop].max(axis=0), rows)
