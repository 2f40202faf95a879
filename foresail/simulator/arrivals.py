"""Requests from a trace: the same for everyone who asks with the same seed.

From rates: between the middles of two intervals the logarithm of rate and lengths is linear. Arrivals are a renewal
process in a time that runs as fast as requests are expected: gaps are gamma distributed with mean 1 and the interval's
coefficient of variation, so that counts have about cv² times the variance of a Poisson process. Lengths are log-normal
around their means, inputs and outputs independent, with a spread that is our assumption. So what is finer than the
trace's interval is made up, and only that.

Requests are made in blocks of ten seconds, each with a generator of its own (seed, block), so that a block can be made
alone and the order of asking changes nothing. After the end of the trace its last interval goes on.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from foresail.domain.snapshot import Demand
from foresail.domain.timeseries import FloatArray
from foresail.simulator.engine import Request
from foresail.simulator.trace import RateTrace, RequestTrace

BLOCK_SECONDS: Final = 10.0
LENGTH_SIGMA: Final = 0.6
LONGEST_TOKENS: Final = 16_384
MOST_CV: Final = 5.0  # beyond it a mean over ten minutes hides outages, not bursts
TINY: Final = 1e-6


class Arrivals(Protocol):
    """Where requests come from; times are seconds from the start of the trace."""

    def between(self, start: float, end: float) -> list[Request]:
        """Requests that arrive in [start, end), in order."""

    def expected(self, time: float) -> Demand:
        """The demand that the trace states for an instant."""


@dataclass(frozen=True, slots=True)
class _Block:
    times: tuple[float, ...]
    requests: tuple[Request, ...]


class RateArrivals:
    """Arrivals from rates.

    Args:
        trace: The rates, at the speed at which they are played.
        seed: Of everything that is random.
    """

    def __init__(self, trace: RateTrace, *, seed: int = 0) -> None:
        self._trace = trace
        self._seed = seed
        self._middles = (np.arange(len(trace)) + 0.5) * trace.step_seconds
        self._logs = np.log(
            np.stack([np.maximum(trace.requests_per_second, TINY), trace.input_tokens, trace.output_tokens])
        )
        self._blocks: dict[int, _Block] = {}

    def between(self, start: float, end: float) -> list[Request]:
        """Requests that arrive in [start, end), in order; a little of the past is kept, so go forward."""
        found: list[Request] = []
        for number in range(int(max(start, 0.0) // BLOCK_SECONDS), math.ceil(end / BLOCK_SECONDS)):
            block = self._block(number)
            found += block.requests[bisect_left(block.times, start) : bisect_left(block.times, end)]
        return found

    def expected(self, time: float) -> Demand:
        """The demand that the trace states for an instant."""
        rate, inputs, outputs = self._at(np.array([time]))[:, 0].tolist()
        return Demand(rate, rate * inputs, rate * outputs)

    def _at(self, times: FloatArray) -> FloatArray:
        """Rate and mean lengths, shape (3, N)."""
        values: FloatArray = np.exp(np.stack([np.interp(times, self._middles, row) for row in self._logs]))
        return values

    def _block(self, number: int) -> _Block:
        if number not in self._blocks:
            if len(self._blocks) > 4:
                self._blocks.clear()
            self._blocks[number] = self._make(number)
        return self._blocks[number]

    def _make(self, number: int) -> _Block:
        start = number * BLOCK_SECONDS
        row = min(int((start + BLOCK_SECONDS / 2) // self._trace.step_seconds), len(self._trace) - 1)
        random = np.random.default_rng((self._seed, number))
        grid = start + np.linspace(0.0, BLOCK_SECONDS, 21)
        rates = self._at(grid)[0]
        due = np.concatenate([[0.0], np.cumsum((rates[1:] + rates[:-1]) / 2 * (BLOCK_SECONDS / 20))])
        cv = float(np.clip(self._trace.arrival_cv[row], 0.1, MOST_CV))
        times = np.interp(_renewals(random, float(due[-1]), cv), due, grid)
        means = self._at(times)[1:]
        noise = np.exp(LENGTH_SIGMA * random.standard_normal(means.shape) - LENGTH_SIGMA**2 / 2)
        lengths = np.clip(np.rint(means * noise), 1, LONGEST_TOKENS).astype(np.int64).tolist()
        requests = tuple(map(Request, times.tolist(), *lengths))
        return _Block(tuple(request.arrival_seconds for request in requests), requests)


class RequestArrivals:
    """Arrivals that are the trace's own requests.

    Args:
        trace: The requests.
        window_seconds: Over which the expected demand is taken.
    """

    def __init__(self, trace: RequestTrace, *, window_seconds: float = 60.0) -> None:
        self._trace = trace
        self._rates = RateArrivals(trace.to_rates(window_seconds))

    def between(self, start: float, end: float) -> list[Request]:
        """Requests that arrive in [start, end), in order."""
        first, last = np.searchsorted(self._trace.arrival_seconds, [start, end]).tolist()
        columns = (self._trace.arrival_seconds, self._trace.input_tokens, self._trace.output_tokens)
        return list(map(Request, *(column[first:last].tolist() for column in columns)))

    def expected(self, time: float) -> Demand:
        """The demand around an instant."""
        return self._rates.expected(time)


def make_arrivals(trace: RequestTrace | RateTrace, *, speed: float = 1.0, seed: int = 0) -> Arrivals:
    """Arrivals of a trace. Single requests are played as they are; faster, they are taken as rates per minute."""
    if isinstance(trace, RequestTrace):
        return RequestArrivals(trace) if speed == 1.0 else RateArrivals(trace.to_rates(60.0).faster(speed), seed=seed)
    return RateArrivals(trace.faster(speed), seed=seed)


def _renewals(random: np.random.Generator, end: float, cv: float) -> FloatArray:
    """Instants in [0, end) of a renewal process with mean gap 1 that has run for long."""
    variance = cv * cv
    warm = 20.0 * max(variance, 1.0)
    expected = end + warm
    gaps = random.gamma(1.0 / variance, variance, int(expected + 8.0 * cv * math.sqrt(expected) + 16))
    instants = np.cumsum(gaps) - warm
    return instants[(instants >= 0) & (instants < end)]
