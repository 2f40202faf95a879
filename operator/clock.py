"""The two clocks: the wall's, which people and Prometheus share, and a steady one, which nobody can set.

Instants are told by the wall clock; durations that must not be wrong (the lease, ages, deadlines) by the steady one.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the operator reads time; the tests' clocks are set by hand."""

    def wall(self) -> float:
        """Seconds since the epoch; may jump."""

    def steady(self) -> float:
        """Seconds since some start; never jumps, and goes on while the machine is suspended."""


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> float:
        """Seconds since the epoch; may jump."""
        return time.time()

    def steady(self) -> float:
        """Seconds since the boot, suspension included: a lease must run out while its holder sleeps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
