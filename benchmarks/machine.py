"""The machine that was measured on, and what processes used of it, from /proc."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far.

    Args:
        cpu_seconds: User and system time of all its threads.
        peak_mebibytes: Most resident memory that it ever had.
    """

    cpu_seconds: float
    peak_mebibytes: float


def usage_of(pid: int | str = "self") -> Usage:
    """Read a process's usage."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return Usage((int(stat[11]) + int(stat[12])) / CLOCK_TICKS, int(peak[1]) / 1024 if peak else 0.0)


def maps_library(pid: int, name: str) -> bool:
    """Whether a file whose path holds `name` is mapped into a process, as an imported extension is."""
    return any(name in line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if "/" in line)


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, Python, and how busy the machine was: what others need to judge the figures."""
    processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "processor": processor[1] if processor else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gibibytes": round(int(memory[1]) / 2**20, 1) if memory else None,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load_of_last_minute": os.getloadavg()[0],
    }


def used_by_this_process(before: Usage) -> dict[str, float]:
    """CPU seconds since `before`, and peak memory."""
    return asdict(Usage(round(usage_of().cpu_seconds - before.cpu_seconds, 2), round(usage_of().peak_mebibytes, 1)))
