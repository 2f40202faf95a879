"""One simulated inference server with continuous batching, in its own time.

An iteration gives every sequence in decode one token and reads a chunk of the prompts that were admitted:

    seconds = base + prompt tokens read · per prompt token + sequences in decode · per sequence

so a server that reads prompts for a share p of its time shows TPOT = (base + per sequence · batch) / (1 - p).
Iterations are whole: what falls into one is seen when it ends. Between two events (an arrival, a finish) iterations of
pure decode are all alike and are taken in one stride, so the cost is one small step per event, not per token.

The queue is first come, first served, and bounded. A request is admitted when a sequence and KV tokens for its whole
length are free: lengths are known here, so no preemption is needed. Each request that came in is finished, queued,
running or refused.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from foresail.simulator.tally import Tally


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Speed and size of a server. The defaults stand for an 8B model on one H100-class GPU.

    Args:
        base_seconds: Seconds of an iteration whatever is in it.
        seconds_per_prompt_token: Added per prompt token read; 1/12,000.
        seconds_per_sequence: Added per sequence in decode.
        chunk_tokens: Tokens of an iteration, sequences in decode included.
        kv_tokens: Tokens that the KV cache holds.
        max_sequences: Sequences at most in the batch.
        max_queued: Requests at most in queue; more are refused.
    """

    base_seconds: float = 0.012
    seconds_per_prompt_token: float = 1.0 / 12_000.0
    seconds_per_sequence: float = 0.000_25
    chunk_tokens: int = 512
    kv_tokens: int = 120_000
    max_sequences: int = 256
    max_queued: int = 1024


class Request(NamedTuple):
    """A request: when it arrives, what it asks; output tokens are at least 1."""

    arrival_seconds: float
    input_tokens: int
    output_tokens: int


class Finished(NamedTuple):
    """A finished request. `tpot_seconds` None: a single token has none."""

    request: Request
    time: float
    ttft_seconds: float
    tpot_seconds: float | None


class _Decoding(NamedTuple):
    last_iteration: int
    number: int  # keeps the heap from comparing requests
    request: Request
    first_token: float


class Engine:
    """A server at an instant of its own clock, seconds since the epoch."""

    def __init__(self, settings: EngineSettings, *, clock: float = 0.0) -> None:
        self.settings = settings
        self.clock = clock
        self.tally = Tally()
        self.kv_tokens = 0
        self.draining = False
        self._reserved = 0
        self._iteration = 0
        self._started = 0
        self._waiting: deque[Request] = deque()
        self._prefilling: deque[tuple[Request, int]] = deque()
        self._decoding: list[_Decoding] = []

    @property
    def queued(self) -> int:
        """Requests that have come in and wait to be admitted."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Requests in the batch."""
        return len(self._prefilling) + len(self._decoding)

    @property
    def in_flight(self) -> int:
        """Requests that have come in and are not finished."""
        return self.queued + self.running

    @property
    def kv_usage(self) -> float:
        """Share of the KV cache that holds tokens."""
        return self.kv_tokens / self.settings.kv_tokens

    def waiting_for_first_token(self) -> list[Request]:
        """Requests that have not seen a token."""
        return [*(request for request, _ in self._prefilling), *self._waiting]

    def submit(self, request: Request) -> bool:
        """Take a request in, in order of arrival, up to a moment before it arrives; False: refused."""
        self.tally.received += 1
        fits = request.input_tokens + request.output_tokens <= self.settings.kv_tokens
        if self.draining or not fits or len(self._waiting) >= self.settings.max_queued:
            self.tally.refused += 1
            return False
        self._waiting.append(request)
        return True

    def advance(self, until: float) -> list[Finished]:
        """Run all iterations that start before `until`; what finished, in order."""
        finished: list[Finished] = []
        while self.clock < until:
            self._admit()
            if self._prefilling:
                self._mix(finished)
            elif self._decoding:
                self._stride(until, finished)
            else:
                self.clock = min(until, self._waiting[0].arrival_seconds) if self._waiting else until
        return finished

    def _admit(self) -> None:
        settings, waiting = self.settings, self._waiting
        while waiting and waiting[0].arrival_seconds <= self.clock:
            need = waiting[0].input_tokens + waiting[0].output_tokens
            if self.running >= settings.max_sequences or self._reserved + need > settings.kv_tokens:
                return
            self._reserved += need
            request = waiting.popleft()
            self._prefilling.append((request, request.input_tokens))

    def _mix(self, finished: list[Finished]) -> None:
        """One iteration that reads prompts and decodes."""
        batch = len(self._decoding)
        read, complete = self._read_chunk(max(self.settings.chunk_tokens - batch, 1))
        seconds = self._seconds(batch) + read * self.settings.seconds_per_prompt_token
        self.kv_tokens += read
        self._decode(1, seconds, finished)
        for request in complete:
            self._give_first_token(request, finished)

    def _stride(self, until: float, finished: list[Finished]) -> None:
        """Iterations of pure decode, as many as are alike: up to the next finish, the next arrival or `until`."""
        seconds = self._seconds(len(self._decoding))
        end = until
        if self._waiting and self._waiting[0].arrival_seconds > self.clock:
            end = min(until, self._waiting[0].arrival_seconds)
        alike = min(self._decoding[0].last_iteration - self._iteration, math.ceil((end - self.clock) / seconds))
        self._decode(max(alike, 1), seconds, finished)

    def _seconds(self, batch: int) -> float:
        return self.settings.base_seconds + batch * self.settings.seconds_per_sequence

    def _read_chunk(self, budget: int) -> tuple[int, list[Request]]:
        """Read prompts up to a budget of tokens: how many tokens, and the prompts that are read to their end."""
        left = budget
        complete: list[Request] = []
        while self._prefilling and left > 0:
            request, unread = self._prefilling.popleft()
            if unread > left:
                self._prefilling.appendleft((request, unread - left))
                return budget, complete
            left -= unread
            complete.append(request)
        return budget - left, complete

    def _decode(self, iterations: int, seconds: float, finished: list[Finished]) -> None:
        batch, tally = len(self._decoding), self.tally
        self.clock += iterations * seconds
        self._iteration += iterations
        if batch:
            tokens = iterations * batch
            tally.generation_tokens += tokens
            self.kv_tokens += tokens
            tally.itl.observe(seconds, tokens)
        while self._decoding and self._decoding[0].last_iteration <= self._iteration:
            done = heapq.heappop(self._decoding)
            pace = (self.clock - done.first_token) / (done.request.output_tokens - 1)
            self._finish(done.request, done.first_token, pace, finished)

    def _give_first_token(self, request: Request, finished: list[Finished]) -> None:
        tally = self.tally
        tally.prompt_tokens += request.input_tokens
        tally.generation_tokens += 1
        self.kv_tokens += 1
        tally.ttft.observe(self.clock - request.arrival_seconds)
        if request.output_tokens == 1:
            self._finish(request, self.clock, None, finished)
            return
        self._started += 1
        last = self._iteration + request.output_tokens - 1
        heapq.heappush(self._decoding, _Decoding(last, self._started, request, self.clock))

    def _finish(self, request: Request, first_token: float, pace: float | None, finished: list[Finished]) -> None:
        length = request.input_tokens + request.output_tokens
        self.kv_tokens -= length
        self._reserved -= length
        tally = self.tally
        tally.finished += 1
        if pace is not None:
            tally.tpot.observe(pace)
        tally.end_to_end.observe(self.clock - request.arrival_seconds)
        finished.append(Finished(request, self.clock, first_token - request.arrival_seconds, pace))
