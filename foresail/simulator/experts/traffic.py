"""Requests that arrive whether or not they are served (open loop), and what became of each."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from foresail.simulator.experts.child import WorkerLostError
from foresail.simulator.experts.model import VOCABULARY, Cache, Shape, make_frame, step
from foresail.simulator.experts.runtime import Runtime

PATIENCE_SECONDS = 60.0  # after which a request has failed
RETRY_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Served:
    """A request.

    Args:
        arrived: Instant.
        done: Instant.
        session: Whose.
        tokens: What was said.
        answer: Its bits; None where it failed.
        epoch: How often sessions were lost before.
    """

    arrived: float
    done: float
    session: int
    tokens: tuple[int, ...]
    answer: bytes | None
    epoch: int


class Traffic:
    """Clients of a runtime."""

    def __init__(self, runtime: Runtime, *, requests_per_second: float, seed: int = 0) -> None:
        self._runtime = runtime
        self.spacing_seconds = 1.0 / requests_per_second
        self._chance = np.random.default_rng(seed)
        self._waiting: queue.Queue[tuple[float, int, tuple[int, ...]] | None] = queue.Queue()
        self._stop = threading.Event()
        self.served: list[Served] = []
        self._threads = [threading.Thread(target=self._arrive), threading.Thread(target=self._pass_on)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let all that arrived be served."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _arrive(self) -> None:
        shape, due, count = self._runtime.shape, time.perf_counter(), 0
        while not self._stop.wait(max(0.0, due - time.perf_counter())):
            tokens = tuple(int(token) for token in self._chance.integers(VOCABULARY, size=shape.tokens))
            self._waiting.put((time.perf_counter(), count % shape.sessions, tokens))
            due, count = due + self.spacing_seconds, count + 1
        self._waiting.put(None)

    def _pass_on(self) -> None:
        while (request := self._waiting.get()) is not None:
            arrived, session, tokens = request
            answer, epoch = self._answer(arrived, session, tokens)
            self.served.append(Served(arrived, time.perf_counter(), session, tokens, answer, epoch))

    def _answer(self, arrived: float, session: int, tokens: Sequence[int]) -> tuple[bytes | None, int]:
        while time.perf_counter() - arrived < PATIENCE_SECONDS:
            try:
                return self._runtime.serve(session, tokens)
            except WorkerLostError:
                time.sleep(RETRY_SECONDS)
        return None, self._runtime.epoch


def failed(served: Sequence[Served]) -> int:
    """Requests without an answer."""
    return sum(one.answer is None for one in served)


def longest_gap_seconds(served: Sequence[Served], start: float, end: float) -> float:
    """Longest time between start and end in which no request was finished."""
    done = [start, *sorted(one.done for one in served if start <= one.done <= end), end]
    return max(later - earlier for earlier, later in itertools.pairwise(done))


def mismatched(shape: Shape, checkpoint: Path, served: Sequence[Served]) -> int:
    """Answers of which a bit differs from what one process without any change of size says, all sessions replayed."""
    numbers = np.fromfile(checkpoint, np.float32).reshape(shape.layers, shape.experts, -1)
    frame, wrong, epoch = make_frame(shape), 0, -1
    memory = np.zeros(shape.cache_numbers, np.float32)
    for one in served:
        if one.epoch != epoch:
            epoch, memory[:] = one.epoch, 0.0
        request = (one.session, np.array(one.tokens, np.int64))
        told = step(shape, frame, Cache.over(shape, memory), request, lambda layer, expert: numbers[layer, expert])
        wrong += told.tobytes() != one.answer
    return wrong
