"""What is known of the whole fleet at one instant: the input of a cycle. Absent is typed, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from foresail.domain.accelerator import Accelerator, PodRequest, Pool, Prediction
from foresail.domain.memory import Learned
from foresail.domain.reason import Reason
from foresail.domain.timeseries import Window
from foresail.domain.workload import Workload, WorkloadKey


@dataclass(frozen=True, slots=True)
class Known:
    """A signal that was scraped and is fresh; a proved zero is `Known(0.0)`."""

    value: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """A signal without a trustworthy value. `reason` is CamelCase as in conditions, `message` says how to mend it."""

    reason: str
    message: str


Signal = Known | Unknown


@dataclass(frozen=True, slots=True)
class Demand:
    """What arrives now, served or not: the work that is asked of the whole workload."""

    requests_per_second: float
    input_tokens_per_second: float
    output_tokens_per_second: float


FIELD_MANAGER: Final = "FieldManager"


class Rival(NamedTuple):
    """Another controller of the same replicas, or a hand that wrote them.

    `kind` is that of the controller's object, or FIELD_MANAGER for a foreign writer of `spec.replicas` without one: a
    single edit, after which we stand down for a stabilization window. `time` is when it wrote, None when not known
    (then the window starts when it is first seen). One that `waits` leaves the replicas to us.
    """

    kind: str
    name: str
    message: str
    time: float | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Replicas:
    """Replicas of one target as serving units, told apart.

    `current` is what the target asks for (spec.replicas); of those, `ready` serve, `starting` are bound to a node and
    load, or were ready and may be so again, `pending` have no node. `draining` run on after they were let go.
    `pending_seconds` and `starting_seconds` tell for how long each has been so, as far as known, the longest first.
    """

    current: int
    ready: int
    starting: int = 0
    pending: int = 0
    draining: int = 0
    pending_seconds: tuple[float, ...] = ()
    starting_seconds: tuple[float, ...] = ()
    pending_message: str = ""


@dataclass(frozen=True, slots=True)
class VariantObservation:
    """One variant as it is. `replicas` None: the target was not found, `problem` says why.

    Args:
        name: The variant's name.
        replicas: Counts, or None.
        target_uid: UID of the target; another one is another object.
        resource_version: Precondition of the next write.
        problem: Why there is no target, empty when there is one.
        startup_seconds: Start-up times of replicas seen lately (creation to ready), newest last.
        served: What its ready replicas served together, None when unknown.
        pressure: How full its ready replicas are: the largest of KV use, TPOT over its limit and 1 for a queue that
            grows, as a share (1 = at the limit of the SLO); None when unknown.
        rivals: Other controllers of this target.
        load_by_pod: Running and waiting requests by ready pod, empty when unknown: the least loaded go first.
        pod: What each new pod asks of a node, None when unknown.
        nodes: Those on which its replicas are, as far as known.
    """

    name: str
    replicas: Replicas | None
    target_uid: str = ""
    resource_version: str = ""
    problem: Unknown | None = None
    startup_seconds: tuple[float, ...] = ()
    served: Demand | None = None
    pressure: float | None = None
    rivals: tuple[Rival, ...] = ()
    load_by_pod: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    pod: PodRequest | None = None
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadObservation:
    """One workload as it is.

    Args:
        workload: Its last good spec.
        variants: In the order of the spec.
        demand: Arrivals now, or why they are unknown.
        attainment: Share of the requests of the last minutes within the SLO (0…1), or why it is unknown;
            `Unknown(Reason.NO_TRAFFIC, …)` when none finished.
        model: Name that the engine's metrics carry, None when unknown.
        recent: Demand of the last hours at a fine step (indicators DEMAND_INDICATORS), None when there is none.
        history: The same over days or weeks at a coarse step, for seasons; None when there is none.
        waiting: Requests in queue.
        running: Requests in the engines' batches.
        learned: What the object says that was learned of it, for a cycle that remembers nothing; None: nothing is said.
        predicted: Capacities of variants whose profile lists none.
    """

    workload: Workload
    variants: tuple[VariantObservation, ...]
    demand: Demand | Unknown
    attainment: Signal
    model: str | None = None
    recent: Window | None = None
    history: Window | None = None
    waiting: Signal = Unknown(Reason.NOT_OBSERVED, "the queue was not observed")
    running: Signal = Unknown(Reason.NOT_OBSERVED, "running requests were not observed")
    learned: Learned | None = None
    predicted: Mapping[str, Prediction] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """Everything a cycle may know.

    Args:
        now: Instant of the observation, seconds since the epoch.
        cycle_seconds: Time until the next decision.
        leader_since: Since when this process may write; no step down within a stabilization window of it.
        workloads: By key, in a stable order.
        accelerators: Profiles by name.
        pools: GPUs by accelerator; None: the inventory is unknown, nothing is capped by it.
        profile_problems: By name of an AcceleratorProfile, what of it is not understood and how to mend it.
    """

    now: float
    cycle_seconds: float
    leader_since: float
    workloads: Mapping[WorkloadKey, WorkloadObservation]
    accelerators: Mapping[str, Accelerator]
    pools: Mapping[str, Pool] | None
    profile_problems: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
