"""Steps that say what they do and how long they took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Prints one line per step, with the time since the start and the step's own."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Announce a step; its time follows when it is done."""
        begun = time.monotonic()
        print(f"[{begun - self._start:6.1f} s] {what} …", flush=True)
        yield
        taken = time.monotonic() - begun
        if taken >= 1.0:
            print(f"[{time.monotonic() - self._start:6.1f} s]   done in {taken:.1f} s", flush=True)
