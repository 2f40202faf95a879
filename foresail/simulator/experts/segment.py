"""Shared memory that one process makes and others map: pages of one expert each, given back one by one."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from foresail.simulator.experts.model import Numbers

POPULATE_READ, POPULATE_WRITE = 22, 23  # of madvise, since Linux 5.14
SHARED = Path("/dev/shm")  # noqa: S108 - memory that is a file, as POSIX has it


class Segment:
    """Memory by name."""

    def __init__(self, name: str, size_bytes: int, *, create: bool = False) -> None:
        self.path = SHARED / name
        self._file = os.open(self.path, os.O_RDWR | (os.O_CREAT | os.O_TRUNC if create else 0), 0o600)
        if create:
            os.truncate(self._file, size_bytes)
        self._memory = mmap.mmap(self._file, size_bytes)

    def numbers(self, start_bytes: int, count: int) -> Numbers:
        """Numbers from a place on."""
        return np.frombuffer(self._memory, np.float32, count, start_bytes)

    def page(self, index: int, page_bytes: int) -> Numbers:
        """One expert."""
        return self.numbers(index * page_bytes, page_bytes // 4)

    def reserve(self, start: int, count: int, page_bytes: int) -> None:
        """Take memory for pages now rather than when they are written."""
        os.posix_fallocate(self._file, start * page_bytes, count * page_bytes)
        self._populate(POPULATE_WRITE, start * page_bytes, count * page_bytes)

    def read(self, index: int, into: Numbers) -> None:
        """Copy a page without mapping it."""
        os.preadv(self._file, [into.data.cast("B")], index * into.nbytes)

    def touch(self, start: int, count: int, page_bytes: int) -> None:
        """Map pages that hold something at once, not when they are first read."""
        self._populate(POPULATE_READ, start * page_bytes, count * page_bytes)

    def _populate(self, advice: int, start_bytes: int, size_bytes: int) -> None:
        with suppress(OSError):  # an older kernel maps them when they are first used
            self._memory.madvise(advice, start_bytes, size_bytes)

    def close(self) -> None:
        """Close the file; what is mapped stays until nobody uses it."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def give_back(self, index: int, page_bytes: int) -> None:
        """Return a page's memory to the system."""
        self._memory.madvise(mmap.MADV_REMOVE, index * page_bytes, page_bytes)


def used_bytes(name: str) -> int:
    """Memory that a segment takes now; 0 where there is none."""
    try:
        return (SHARED / name).stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def remove(name: str) -> None:
    """Take a name away; memory is freed when nobody maps it any more."""
    (SHARED / name).unlink(missing_ok=True)
