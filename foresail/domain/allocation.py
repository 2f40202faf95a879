"""What a plan of GPUs is asked for and what it answers: models, their variants, and how many replicas of each.

Demand and capacity are by size bucket, shape (I, J): input lengths down, output lengths across. Capacities of different
buckets add as shares of a replica (Mélange, arXiv 2404.14527, §4): a replica that spends a third of its time on one
bucket has two thirds left for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from foresail.domain.timeseries import FloatArray

TRAFFIC_RPS = 1e-9  # a bucket with no more than this has no traffic
USUAL_STARTUP_SECONDS = 300.0  # where nobody says how long a replica takes to serve
LOAD_TOLERANCE = 1e-6  # replicas: a load that exceeds them by no more fits, as the solver's own tolerance


def _check(owner: str, field: str, values: ArrayLike) -> None:
    """Refuse what is no quantity: taken for capacity or demand it would be planned with."""
    array = np.asarray(values, np.float64)
    wrong = array[~(np.isfinite(array) & (array >= 0.0))]
    if wrong.size:
        raise ValueError(f"{owner}: {field} must be finite and not negative, got {wrong.flat[0]:g}")


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A variant of a model that may be run: what a replica of it costs and sustains.

    Args:
        name: Unique within the model.
        accelerator: Name of the GPU type.
        gpus_per_replica: At least 1.
        usd_per_hour: Of one replica.
        capacity_rps: Shape (I, J): what one replica sustains if it serves only that bucket; 0: it cannot serve it.
        min_replicas: Kept whatever the demand.
        max_replicas: None: only the accelerator's stock caps it.
        current_replicas: What runs now, None where that is of no concern.
        startup_seconds: From being asked for until a replica serves; 0: at once.
        start_usd_per_hour: Price of a replica more than now, spread over the time until the next decision.
        stop_usd_per_hour: Price of a replica less than now, likewise.

    Raises:
        ValueError: A capacity or a price that is missing, negative or not finite; no GPU; a minimum above the maximum.
    """

    name: str
    accelerator: str
    gpus_per_replica: int
    usd_per_hour: float
    capacity_rps: FloatArray
    min_replicas: int = 0
    max_replicas: int | None = None
    current_replicas: int | None = None
    startup_seconds: float = USUAL_STARTUP_SECONDS
    start_usd_per_hour: float = 0.0
    stop_usd_per_hour: float = 0.0

    def __post_init__(self) -> None:
        _check(self.name, "capacity_rps", self.capacity_rps)
        _check(self.name, "prices", [self.usd_per_hour, self.start_usd_per_hour, self.stop_usd_per_hour])
        if self.gpus_per_replica < 1:
            raise ValueError(f"{self.name}: gpus_per_replica must be at least 1, got {self.gpus_per_replica}")
        if not 0 <= self.min_replicas <= (self.min_replicas if self.max_replicas is None else self.max_replicas):
            limits = f"{self.min_replicas} and {self.max_replicas}"
            raise ValueError(f"{self.name}: min_replicas must lie in 0…max_replicas, got {limits}")


@dataclass(frozen=True, slots=True, eq=False)
class ModelDemand:
    """A model, what is asked of it, and its variants.

    Args:
        name: Unique within the fleet.
        demand_rps: Shape (I, J).
        candidates: In the owner's order.
        unserved_usd_per_request: Price of a request that nobody serves; None: all demand must be served.
        priority: Of two plans that cost the same, the one that serves the greater priority is chosen.

    Raises:
        ValueError: A demand or a price that is negative or not finite; a capacity of another shape than the demand.
    """

    name: str
    demand_rps: FloatArray
    candidates: tuple[Candidate, ...]
    unserved_usd_per_request: float | None = None
    priority: int = 0

    def __post_init__(self) -> None:
        _check(self.name, "demand_rps", self.demand_rps)
        _check(self.name, "unserved_usd_per_request", [self.unserved_usd_per_request or 0.0])
        for candidate in self.candidates:
            if candidate.capacity_rps.shape != self.demand_rps.shape:
                shapes = f"{candidate.capacity_rps.shape} and {self.demand_rps.shape}"
                raise ValueError(
                    f"{self.name}: capacity_rps of {candidate.name} must be shaped as demand_rps, got {shapes}"
                )


@dataclass(frozen=True, slots=True, eq=False)
class AllocationProblem:
    """A fleet: its models, and GPUs by accelerator (one that is not named has no cap)."""

    models: tuple[ModelDemand, ...]
    gpus: Mapping[str, int]


class AllocationStatus(StrEnum):
    """How an allocation stands to the best there is."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"


@dataclass(frozen=True, slots=True)
class Unserved:
    """Requests of a bucket (row, column) that nobody serves, and why."""

    model: str
    bucket: tuple[int, int]
    rps: float
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class ModelPlan:
    """What one model should run; arrays are in the order of its candidates.

    Args:
        replicas: Shape (V,), whole.
        routing: Shape (V, I, J): the share of each bucket that goes to a variant.
        utilization: Shape (V,): load over replicas, 0 where there are none.
    """

    replicas: tuple[int, ...]
    routing: FloatArray
    utilization: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """A plan for the fleet and how good it is known to be.

    Args:
        status: Optimal: the gap is at most 1e-6.
        plans: By model.
        unserved: Demand without a replica, dearest first.
        usd_per_hour: Replicas, unserved demand and changes.
        bound_usd_per_hour: No plan costs less.
        shadow_usd_per_gpu_hour: By accelerator with a cap: what one more GPU of it would be worth. At these prices
            the bound can be recomputed, each model alone within the stock, unless the program of the whole fleet
            proved a higher one. Empty where all demand must be served, or in slices.
        binding: Accelerators whose last GPU is used.
        message: One sentence.
    """

    status: AllocationStatus
    plans: Mapping[str, ModelPlan]
    unserved: tuple[Unserved, ...]
    usd_per_hour: float
    bound_usd_per_hour: float
    shadow_usd_per_gpu_hour: Mapping[str, float]
    binding: tuple[str, ...]
    message: str

    @property
    def gap(self) -> float:
        """Share of the cost that a better plan could save at most."""
        if self.usd_per_hour <= 0.0:
            return 0.0
        return max(self.usd_per_hour - self.bound_usd_per_hour, 0.0) / self.usd_per_hour
