"""A decision and its explanation: each rule that changed the number left a step, and the steps are the explanation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from foresail.domain.memory import Learned, Memory
from foresail.domain.workload import WorkloadKey


@dataclass(frozen=True, slots=True)
class Step:
    """One rule's say. `reason` is CamelCase from docs/reasons.md, `message` a sentence for people."""

    rule: str
    before: int
    after: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of status, without its transition time (that is the writer's to keep)."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one replica of a variant is believed to sustain.

    Args:
        source: Where that is known from, best first: measured (what replicas were seen to serve under pressure, which
            corrects whatever it started from), user (points of the AcceleratorProfile), shipped, roofline.
        detail: The points, or a sentence.
        error_ratio: How far it may be off: 1 sigma of its logarithm.
        requests_per_second: At the token lengths of now; None while nothing arrives or the demand is unknown.
    """

    source: str
    detail: str
    error_ratio: float
    requests_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class VariantDecision:
    """What one scale target should be set to. `acts`: the operator may write it (Auto, no rival, target known).

    `weight` is the share of its role's requests that its ready replicas should get (0…1), None where nothing is known,
    as is `capacity`.
    """

    name: str
    current: int | None
    desired: int | None
    ready: int | None
    acts: bool
    target_uid: str = ""
    resource_version: str = ""
    weight: float | None = None
    capacity: Capacity | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The numbers behind a decision, for people and plots; None where unknown.

    Replicas required are in replicas of the first variant; quantiles are of the peak between lead time and one
    decision later. `usd_per_hour` is what the current replicas cost, `expected_loss_usd_per_hour` what decides, by
    count.
    """

    lead_time_seconds: float
    demand_now_rps: float | None = None
    demand_median_rps: float | None = None
    demand_q95_rps: float | None = None
    required_now: float | None = None
    required_median: float | None = None
    required_q95: float | None = None
    capacity_rps: float | None = None
    capacity_source: str | None = None
    feedback_factor: float | None = None
    usd_per_hour: float | None = None
    forecast_source: str | None = None
    forecast_skill: float | None = None
    expected_loss_usd_per_hour: Mapping[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided for one workload in one cycle, and why.

    `current` and `desired` are totals over the variants whose target is known, and mean nothing unless one is `found`.
    `reason` and `message` are the ones shown everywhere: status, Event, log line, metric label, CLI. `learned` is what
    the next cycle starts from, for whoever leads then; None keeps what is written.
    """

    id: str
    key: WorkloadKey
    time: float
    current: int
    desired: int
    reason: str
    message: str
    steps: tuple[Step, ...]
    variants: tuple[VariantDecision, ...]
    conditions: tuple[Condition, ...]
    outlook: Outlook
    learned: Learned | None = None

    @property
    def found(self) -> bool:
        """Whether any target was found, so that there are replicas to speak of."""
        return any(variant.current is not None for variant in self.variants)


@dataclass(frozen=True, slots=True)
class CycleResult:
    """Everything a cycle says: one decision per workload and what to remember."""

    decisions: Mapping[WorkloadKey, Decision]
    memory: Memory
