"""The rival: end everything, start anew in the other size, read experts from storage; meanwhile nothing is served."""

from __future__ import annotations

import os
import time
from pathlib import Path

from foresail.policies.moe.placement import IntArray
from foresail.simulator.experts.child import Child
from foresail.simulator.experts.pages import Gpu
from foresail.simulator.experts.runtime import INSTANCE, Runtime


def restart(runtime: Runtime, placement: IntArray, *, standing_by: bool = False) -> dict[str, float]:
    """Serve another placement from new processes.

    Args:
        runtime: What serves.
        placement: That shall be.
        standing_by: Whether processes of the new size wait already, so that only experts have to be read.

    Returns:
        Seconds of each part, and of all.
    """
    count = placement.shape[1]
    prepared = _start(runtime, count) if standing_by else None
    forget_file(runtime.checkpoint)
    started = time.perf_counter()
    _end(runtime)
    gpus, fresh = prepared or _start(runtime, count)
    processes = time.perf_counter()
    runtime.gpus = gpus
    runtime.load(placement)
    read = time.perf_counter()
    runtime.attach(fresh, gpus)
    runtime.switch(fresh)
    ended = time.perf_counter()
    return {
        "processes": processes - started,
        "read": read - processes,
        "attach": ended - read,
        "seconds": ended - started,
    }


def _start(runtime: Runtime, count: int) -> tuple[list[Gpu], Child]:
    """All processes at the same time."""
    fresh = Child(INSTANCE)
    return runtime.start_gpus(count), runtime.start_instance(fresh)


def _end(runtime: Runtime) -> None:
    before = runtime.switch(None)
    if before is not None:
        before.kill()
    runtime.end_gpus(runtime.gpus)
    runtime.forget_sessions()


def forget_file(file: Path) -> None:
    """Have one file read from storage next time, as on a machine that has not seen it."""
    opened = os.open(file, os.O_RDONLY)
    try:
        os.fdatasync(opened)
        os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(opened)
