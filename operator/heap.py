"""How this process treats its heap: large arrays are given back, threads share one arena, modules stay as they are.

Every cycle replaces the past of every workload, arrays of a hundred kilobytes. By default such blocks soon come from
the heap, where whatever outlives them keeps the hole, and each thread has a heap of its own: a fleet of two hundred
models held 214 MiB after a quarter of an hour, and some 20 MiB less with these settings. Elsewhere than with glibc
nothing is done about that.

A cycle makes some hundred thousand objects and keeps few. By default Python then looks through its whole heap for
garbage that refers to itself, once or twice in each cycle, and three quarters of that heap are modules, which stay
until the end: a fifth of a cycle's CPU went there. So it looks after more objects, and leaves the modules out.
"""

from __future__ import annotations

import ctypes
import gc
import platform
from typing import Final

M_MMAP_THRESHOLD: Final = -3  # of malloc.h
M_ARENA_MAX: Final = -8
LARGE_BYTES: Final = 64 * 1024
ARENAS: Final = 1  # Python's own lock lets one thread allocate at a time anyway
OBJECTS: Final = 50_000  # more than there were before: then what is new is looked through


def settle_heap() -> bool:
    """Set both; whether that was possible. Before threads are started."""
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)) and bool(libc.mallopt(M_ARENA_MAX, ARENAS))


def spare_modules() -> None:
    """Look for garbage less often, and never again in what is there now, which is to be all that is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS)
