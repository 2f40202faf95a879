"""What Foresail is compared with: the HPA's rule on a signal per replica, and a static count.

The rule is kube-controller-manager's (pkg/controller/podautoscaler: replica_calculator.go, horizontal.go) for a metric
of type Pods with an AverageValue: every 15 s

    desired = ceil(ready · mean over ready pods / target), unless the ratio is within 10 % of 1

Pods without a metric (they start) count as 0 when it would scale up and as at the target when it would scale down; if
that turns the direction around or comes within the tolerance, nothing changes. Then the default behavior: up at once,
by at most 4 pods or 100 % in 15 s, whichever is more; down to the highest proposal of the last 300 s.

Both signals are means over the last minute; targets stand at 80 % of a replica's working point, the HPA's own default
for utilization. The target decides much: at 100 %, on three seeds of the shipped series from three replicas, the rule
on the work rate cost 12 to 16 % less and violated two to four times as many requests; the one on requests in flight
cost 10 to 28 % less and violated 6 to 48 % more. Neither was tuned.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from foresail.domain.snapshot import Demand
from foresail.simulator.engine import EngineSettings
from foresail.simulator.observation import Observation
from foresail.simulator.steady import work, working_point
from foresail.simulator.trace import RateTrace

TOLERANCE: Final = 0.1  # --horizontal-pod-autoscaler-tolerance
DOWN_STABILIZATION_SECONDS: Final = 300.0  # the HPA's default behavior, as are the next three
UP_PODS: Final = 4
UP_FACTOR: Final = 2.0
UTILIZATION: Final = 0.8  # the HPA's default target
EDGE: Final = 1e-6  # a ratio is a quotient of floats

Signal = Callable[[Observation], float]


class Policy(Protocol):
    """Says how many replicas there should be."""

    def __call__(self, now: float, observation: Observation) -> int:
        """The desired number of replicas."""


@dataclass(slots=True)
class StaticCount:
    """Always the same number."""

    replicas: int

    def __call__(self, now: float, observation: Observation) -> int:  # noqa: ARG002 - it looks at nothing
        """That number."""
        return self.replicas


class HpaRule:
    """The HPA's rule with its memory.

    Args:
        signal: Sum of the metric over the ready replicas.
        target: AverageValue per replica.
        bounds: At least and at most so many replicas.
    """

    def __init__(self, signal: Signal, *, target: float = UTILIZATION, bounds: tuple[int, int] = (1, 12)) -> None:
        self._signal = signal
        self._target = target
        self._bounds = bounds
        self._proposals: deque[tuple[float, int]] = deque()

    def __call__(self, now: float, observation: Observation) -> int:
        """The desired number of replicas."""
        current = observation.replicas.current
        least, most = self._bounds
        proposal = propose(
            self._signal(observation), target=self._target, ready=observation.replicas.ready, current=current
        )
        return min(max(self._behave(now, current, min(max(proposal, least), most)), least), most)

    def _behave(self, now: float, current: int, proposal: int) -> int:
        if not self._proposals:
            self._proposals.append((now, current))  # as the HPA does when it first sees a target
        while self._proposals and self._proposals[0][0] < now - DOWN_STABILIZATION_SECONDS:
            self._proposals.popleft()
        self._proposals.append((now, proposal))
        if proposal >= current:
            return min(proposal, max(current + UP_PODS, math.ceil(current * UP_FACTOR)))
        return min(max(replicas for _, replicas in self._proposals), current)


def propose(total: float, *, target: float, ready: int, current: int) -> int:
    """The HPA's count before its behavior.

    Args:
        total: Sum of the metric over ready pods.
        target: AverageValue.
        ready: Pods with a metric.
        current: Pods that are asked for, ready or not.
    """
    if ready == 0:
        return current
    ratio = total / (ready * target)
    missing = current - ready
    if missing <= 0:
        return current if abs(ratio - 1.0) <= TOLERANCE else math.ceil(ratio * ready - EDGE)
    filled = total + (missing * target if ratio < 1.0 else 0.0)
    new_ratio = filled / (current * target)
    if abs(new_ratio - 1.0) <= TOLERANCE or (ratio < 1.0) != (new_ratio < 1.0):
        return current
    proposal = math.ceil(new_ratio * current - EDGE)
    turned = (new_ratio < 1.0 and proposal > current) or (new_ratio > 1.0 and proposal < current)
    return current if turned else proposal


def in_flight(observation: Observation) -> float:
    """Requests waiting and running on all ready replicas, mean of the last minute."""
    return observation.in_flight_mean


def work_rate(settings: EngineSettings) -> Signal:
    """Work that arrives, in replicas at their working point: tokens weighted by what they cost."""
    return lambda observation: work(observation.demand, settings)


def in_flight_target(past: RateTrace, settings: EngineSettings, *, utilization: float = UTILIZATION) -> float:
    """Requests in flight on a replica that is used so much, for the mean request of a trace."""
    weights = past.requests_per_second / max(float(past.requests_per_second.sum()), 1e-9)
    inputs, outputs = float(weights @ past.input_tokens), float(weights @ past.output_tokens)
    rate = utilization / work(Demand(1.0, inputs, outputs), settings)
    return working_point(Demand(rate, rate * inputs, rate * outputs), settings).running


def peak_replicas(played: RateTrace, settings: EngineSettings) -> int:
    """The count that the highest interval of a trace needs: what a static fleet must have, known only afterwards."""
    columns = (played.requests_per_second, played.input_tokens, played.output_tokens)
    needs = (work(Demand(r, r * i, r * o), settings) for r, i, o in zip(*(c.tolist() for c in columns), strict=True))
    return max(1, math.ceil(max(needs, default=0.0)))
