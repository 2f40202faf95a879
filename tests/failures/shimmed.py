"""The operator's process with two things set from outside: its wall clock, and how long it waits for a watch.

The machine's clock is never touched: the first argument names a file with the seconds that are added to it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from foresail.cli.main import main
from foresail.operator import clock, streams, watch

CLOCK_FILE = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
QUICK = streams.WatchTimeouts(
    connect_seconds=2, inactivity_seconds=2.0, stale_seconds=4.0, reconnect_seconds=0.1, probe_seconds=1.0
)


def shimmed(clock_file: Path) -> tuple[str, ...]:
    """What Python is told to run it."""
    return ("-m", "tests.failures.shimmed", str(clock_file))


class SetClock(clock.SystemClock):
    """The machine's clocks, the wall's set by a file."""

    def wall(self) -> float:
        return super().wall() + (float(CLOCK_FILE.read_text()) if CLOCK_FILE.exists() else 0.0)


class QuickWatch(watch.Watch):
    """The watch, waiting for seconds where it waits for a minute."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, timeouts=QUICK, **options)  # type: ignore[arg-type]


if __name__ == "__main__":
    from foresail.operator import main as operator_main

    vars(operator_main).update(SystemClock=SetClock, Watch=QuickWatch)
    del sys.argv[1]
    sys.exit(main())
