"""A queue to close the loop with: independent of everything in the product, and as simple as can be.

One second at a time: Poisson arrivals join a common queue in order of arrival, ready replicas drain it, and a request
passes if it waits less than a second. Replicas asked for are ready after the start-up time.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

WAIT_LIMIT_SECONDS = 1.0


class Queue:
    """A fleet under a day's wave of demand with noise of minutes."""

    def __init__(self, *, rps: float, replica_rps: float, replicas: int, startup_seconds: float, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.rps, self.replica_rps, self.startup_seconds = rps, replica_rps, startup_seconds
        self.second, self.backlog, self.noise = 0, 0.0, 0.0
        self.ready = replicas
        self.starting: deque[float] = deque()  # instants at which replicas become ready
        self.arrived: deque[float] = deque(maxlen=300)
        self.passed: deque[float] = deque(maxlen=300)
        self.total_arrived, self.total_passed, self.replica_seconds = 0.0, 0.0, 0.0

    @property
    def replicas(self) -> int:
        return self.ready + len(self.starting)

    def scale(self, replicas: int) -> None:
        for _ in range(replicas - self.replicas):
            self.starting.append(self.second + self.startup_seconds)
        while self.replicas > replicas:
            if self.starting:
                self.starting.pop()
            else:
                self.ready -= 1

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self._tick()

    def _tick(self) -> None:
        self.second += 1
        while self.starting and self.starting[0] <= self.second:
            self.starting.popleft()
            self.ready += 1
        self.noise += -self.noise / 300 + 0.08 * math.sqrt(2 / 300) * self.random.standard_normal()
        wave = 1 + 0.5 * math.sin(2 * math.pi * self.second / 14_400)
        arrivals = float(self.random.poisson(self.rps * wave * math.exp(self.noise)))
        capacity = self.ready * self.replica_rps
        # Of the arrivals, those that find less than a second of work before them pass.
        room = max(capacity * WAIT_LIMIT_SECONDS - self.backlog, 0.0)
        passed = min(arrivals, room)
        self.backlog = max(self.backlog + arrivals - capacity, 0.0)
        self.arrived.append(arrivals)
        self.passed.append(passed)
        self.total_arrived += arrivals
        self.total_passed += passed
        self.replica_seconds += self.replicas

    def rate(self, seconds: int) -> float:
        return sum(list(self.arrived)[-seconds:]) / seconds

    def attainment(self) -> float | None:
        arrived = sum(self.arrived)
        return sum(self.passed) / arrived if arrived > 0 else None
