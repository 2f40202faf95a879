"""Backlog: what waits is work too, and arrivals do not tell of it.

A queue that stands while capacity equals arrivals would stand for ever. So what waits counts as demand of its own: its
tokens, spread over the time in which it is to be gone. That is a lead time after the one that a new replica takes: what
replicas started now could not help, and less would ask for many of them for a few seconds' work.
"""

from __future__ import annotations

from foresail.domain.snapshot import Demand, Known, WorkloadObservation
from foresail.policies.scaling.capacity import mix_now, mix_of

NOTHING = Demand(0.0, 0.0, 0.0)
LEAST_DRAIN_SECONDS = 60.0  # a queue of seconds is the engine's batching, not a lack of replicas


def backlog_of(observation: WorkloadObservation, *, lead_time_seconds: float) -> Demand:
    """Requests in queue as a demand that would be served within a lead time; nothing where the queue is unknown."""
    waiting = observation.waiting
    if not isinstance(waiting, Known) or not waiting.value > 0:
        return NOTHING
    mix = mix_now(observation) or mix_of(observation)
    if mix is None:
        return NOTHING
    rate = waiting.value / max(lead_time_seconds, LEAST_DRAIN_SECONDS)
    return Demand(rate, rate * mix.input_tokens, rate * mix.output_tokens)
