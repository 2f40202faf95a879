"""Memory: the one value carried between cycles, holding only what cannot be observed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from foresail.domain.workload import WorkloadKey


class Recommendation(NamedTuple):
    """A proposal before stabilization: instant, variant, replicas."""

    time: float
    variant: str
    replicas: int


class Change(NamedTuple):
    """A change that was decided and may be written: instant, variant, signed number of replicas."""

    time: float
    variant: str
    delta: int


@dataclass(frozen=True, slots=True)
class CapacityBelief:
    """Belief about the work one replica of a variant sustains, relative to its prior: normal in the logarithm.

    The prior is the work of a token in seconds of one replica; `source` tells what it was made of, so that a changed
    profile starts afresh. `observations` counts what replicas were seen to serve under pressure. `log_most` is the most
    work that they were seen to serve each, likewise in the logarithm relative to the prior; -inf before any was seen.
    """

    log_mean: float
    log_variance: float
    observations: int = 0
    seconds_per_input_token: float = 0.0
    seconds_per_output_token: float = 0.0
    source: str = ""
    log_most: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Learned:
    """What outlives the process that learned it: it is written into the object and read back by the next leader.

    Args:
        log_feedback: Logarithm of the one factor that feedback on attainment moves.
        capacity: Beliefs by variant that a number of replicas may rest on.
    """

    log_feedback: float = 0.0
    capacity: Mapping[str, CapacityBelief] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class WorkloadMemory:
    """What is remembered of one workload.

    Args:
        uid: UID of the object it belongs to; another UID starts afresh.
        recommendations: For the stabilization windows, oldest first.
        changes: For the HPA's scaling policies, oldest first.
        log_feedback: Logarithm of the one factor that feedback on attainment moves.
        capacity: Belief by variant.
        startup_seconds: Start-up times seen, by variant, newest last, bounded.
        target_uids: UID of each variant's target when last seen.
        known_since: Since when demand has been known without a break, None while unknown.
        unknown_since: Since when it has been unknown, None while known.
        last_required: Replicas required by the last trustworthy forecast, by variant.
        decision_id: Identity of the last decision, which an unchanged one keeps.
        decision_time: When it was first taken.
        decision_said: What it said, apart from numbers that waver; None before the first.
        edits_seen: Foreign writers of replicas without a time of their own: when each was first seen.
    """

    uid: str
    recommendations: tuple[Recommendation, ...] = ()
    changes: tuple[Change, ...] = ()
    log_feedback: float = 0.0
    capacity: Mapping[str, CapacityBelief] = field(default_factory=lambda: MappingProxyType({}))
    startup_seconds: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    target_uids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    known_since: float | None = None
    unknown_since: float | None = None
    last_required: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    decision_id: str = ""
    decision_time: float = 0.0
    decision_said: tuple[object, ...] | None = None
    edits_seen: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of the fleet."""

    workloads: Mapping[WorkloadKey, WorkloadMemory] = field(default_factory=lambda: MappingProxyType({}))
