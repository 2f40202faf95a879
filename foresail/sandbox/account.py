"""What an operator did while it was watched, counted from the decisions that it showed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from rich.table import Table

from foresail.sandbox.view import View, number


@dataclass(frozen=True, slots=True)
class Tally:
    """One workload: its last view, and what was counted since its first."""

    view: View
    replica_changes: int = 0
    replica_seconds: float = 0.0

    def note(self, view: View, *, seconds: float) -> Tally:
        """Go on by `seconds` to the next view; an unknown count adds nothing."""
        known = self.view.current is not None and view.current is not None
        return replace(
            self,
            view=view,
            replica_changes=self.replica_changes + (known and self.view.current != view.current),
            replica_seconds=self.replica_seconds + (self.view.current or 0) * seconds,
        )


class Account:
    """Reads views and counts along."""

    def __init__(self, read: Callable[[], list[View]], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._read_at = self._started = clock()
        self.tallies: dict[str, Tally] = {}

    def read(self) -> list[View]:
        """The views as they are now."""
        views, now = self._read(), self._clock()
        for view in views:
            tally = self.tallies.get(view.name)
            seconds = now - self._read_at
            self.tallies[view.name] = Tally(view) if tally is None else tally.note(view, seconds=seconds)
        self._read_at = now
        return views

    def table(self) -> Table:
        """A row per workload."""
        minutes = (self._read_at - self._started) / 60.0
        table = Table(title=f"{minutes:.1f} minutes watched", title_justify="left")
        for name in ("", "replica-hours", "replica changes", "SLO attainment at the end", "replicas at the end"):
            table.add_column(name, justify="right" if name else "left")
        for name, tally in sorted(self.tallies.items()):
            attained = tally.view.attainment
            table.add_row(
                name,
                number(tally.replica_seconds / 3600.0, ".2f"),
                str(tally.replica_changes),
                "-" if attained is None else f"{100 * attained:.2f} %",
                number(tally.view.current, "d"),
            )
        return table
