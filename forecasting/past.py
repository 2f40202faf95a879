"""The past that may be trusted: a window without what was not observed, and without what cannot have been.

A row counts when every indicator was observed in it and is finite and not negative: the forecast is joint, so its
evidence must be. Holes are bridged by the row before them where a series must be read through, but never counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from foresail.domain.timeseries import BoolArray, FloatArray, Window


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Rows of a window from the first to the last that counts.

    Args:
        values: Shape (T, I); a row that does not count repeats the one before it.
        observed: Which rows count, shape (T,); the first and the last do.
        step_seconds: Spacing of the rows.
        end: Instant of the last row, seconds since the epoch.
        stale_rows: Rows of the window after the last one that counts.
    """

    values: FloatArray
    observed: BoolArray
    step_seconds: float
    end: float
    stale_rows: int

    def __len__(self) -> int:
        return int(self.observed.shape[0])

    def rows(self, seconds: float) -> int:
        """A span in rows, at least one."""
        return max(1, round(seconds / self.step_seconds))

    def since(self, row: int) -> Past | None:
        """The rows from `row` on; None when none is left."""
        if row >= len(self):
            return None
        return replace(self, values=self.values[row:], observed=self.observed[row:])


def trust(window: Window, indicators: Sequence[str] | None = None) -> Past | None:
    """What counts of a window, its columns in the order of `indicators`; None when no row does or a column lacks."""
    wanted = window.indicators if indicators is None else tuple(indicators)
    if not set(wanted) <= set(window.indicators):
        return None
    columns = [window.indicators.index(name) for name in wanted]
    values, observed = window.values[:, columns], window.observed[:, columns].astype(np.bool_)
    counts: BoolArray = np.all(observed & np.isfinite(values) & (values >= 0.0), axis=1)
    known = np.flatnonzero(counts)
    if known.size == 0:
        return None
    first, last = int(known[0]), int(known[-1])
    counts = counts[first : last + 1]
    carried = np.maximum.accumulate(np.where(counts, np.arange(counts.size), 0))
    stale = len(window) - 1 - last
    return Past(
        values=np.ascontiguousarray(values[first : last + 1][carried], dtype=np.float64),
        observed=counts,
        step_seconds=window.step_seconds,
        end=window.end - stale * window.step_seconds,
        stale_rows=stale,
    )


def on_rows(window: Window, past: Past, steps: int) -> FloatArray:
    """A window read, linear between its rows, on every row of a past and `steps` further, shape (T + steps, I)."""
    instants = past.end + past.step_seconds * np.arange(1.0 - len(past), steps + 1.0)
    own = window.end + window.step_seconds * np.arange(1.0 - len(window), 1.0)
    return np.stack([np.interp(instants, own, column) for column in window.values.T], axis=1)
