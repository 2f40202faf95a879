"""Prices of the three losses: a replica that idles, demand that is not served, a replica that is switched."""

from __future__ import annotations

from dataclasses import dataclass

from foresail.domain.accelerator import Accelerator
from foresail.domain.workload import Slo, Variant

# Beyond this the tail of 200 sample paths holds nothing to tell counts apart.
LARGEST_CRITICAL_RATIO = 0.999


@dataclass(frozen=True, slots=True)
class Prices:
    """What losses cost.

    Args:
        usd_per_replica_hour: Price of a replica whose accelerator has none.
        switching_hold_seconds: How long a change usually lasts: a replica that is switched pays its start-up, during
            which it serves nobody, spread over this time.
    """

    usd_per_replica_hour: float = 1.0
    switching_hold_seconds: float = 600.0

    def __post_init__(self) -> None:
        if self.usd_per_replica_hour <= 0 or self.switching_hold_seconds <= 0:
            raise ValueError(f"prices and times must be positive, got {self}")

    def of_replica(self, variant: Variant, accelerator: Accelerator | None) -> float:
        """Price of one replica of a variant, USD per hour."""
        if accelerator is None or not accelerator.usd_per_gpu_hour:
            return self.usd_per_replica_hour
        return float(accelerator.usd_per_gpu_hour) * variant.gpus_per_replica

    def of_switching(self, lead_time_seconds: float) -> float:
        """Price of switching one replica, as a share of its price: at most one half."""
        return min(lead_time_seconds / self.switching_hold_seconds, 0.5)


def critical_ratio(slo: Slo) -> float:
    """Probability with which the replicas must suffice; it follows from the attainment that was set.

    With price p of a replica and u of a replica's worth of unserved demand, the cheapest count suffices with
    probability u / (p + u). Setting that to the attainment A gives u = p·A / (1 - A).
    """
    return min(max(slo.attainment, 0.5), LARGEST_CRITICAL_RATIO)
