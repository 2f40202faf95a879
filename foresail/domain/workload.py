"""A workload: one ModelDeployment, parsed. What its owner wants, nothing of what is observed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class WorkloadKey(NamedTuple):
    """Identity of a workload in the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Mode(StrEnum):
    """What the operator may do with a workload."""

    ADVISORY = "Advisory"
    AUTO = "Auto"
    OFF = "Off"


class Engine(StrEnum):
    """The inference server whose metric names are read."""

    VLLM = "vLLM"
    SGLANG = "SGLang"
    AUTO = "Auto"


class Role(StrEnum):
    """The part of a request that a variant's replicas serve."""

    UNIFIED = "Unified"
    PREFILL = "Prefill"
    DECODE = "Decode"


class RoutingMode(StrEnum):
    """What becomes of the routing weights besides being shown."""

    OBSERVE = "Observe"
    WRITE = "Write"


class FallbackPolicy(StrEnum):
    """What sets the replicas when the metrics have been unknown for long."""

    HOLD = "Hold"
    STATIC = "Static"
    LAST_FORECAST = "LastForecast"


class SelectPolicy(StrEnum):
    """The HPA's choice among several scaling policies."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class ScalingPolicyType(StrEnum):
    """The unit of the HPA's scaling policies."""

    PODS = "Pods"
    PERCENT = "Percent"


@dataclass(frozen=True, slots=True)
class Slo:
    """The promise: a request passes when its TTFT and its mean TPOT both stay within the limits.

    `attainment` is the share of requests (0…1) that must pass; `percentile` is what people plot and reports quote.
    """

    ttft_milliseconds: int = 1000
    tpot_milliseconds: int = 40
    percentile: int = 95
    attainment: float = 0.99


@dataclass(frozen=True, slots=True)
class TargetRef:
    """The object whose `/scale` subresource is read and patched, in the workload's namespace."""

    api_version: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Variant:
    """A workload on one accelerator; it has one scale target. `service` is the Service of its pods, for routing."""

    name: str
    target: TargetRef
    accelerator: str | None = None
    gpus_per_replica: int = 1
    role: Role = Role.UNIFIED
    min_replicas: int = 1
    max_replicas: int = 10
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """The HTTPRoute, in the workload's namespace, that shares requests among the variants' Services.

    `rule` names one of its rules, None means all of them.
    """

    http_route: str
    rule: str | None = None
    mode: RoutingMode = RoutingMode.OBSERVE


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """The HPA's limit of change within a period: `value` pods, or per cent of the replicas at its start."""

    type: ScalingPolicyType
    value: int
    period_seconds: int


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """The HPA's rules of one direction."""

    stabilization_window_seconds: int
    select_policy: SelectPolicy
    policies: tuple[ScalingPolicy, ...]
    tolerance: float = 0.0


# The HPA's own defaults (autoscaling/v2, HorizontalPodAutoscalerBehavior), except for the tolerance:
# the HPA ignores ratios within 10 %, here the price of a change already weighs against small ones.
DEFAULT_SCALE_UP = ScalingRules(
    stabilization_window_seconds=0,
    select_policy=SelectPolicy.MAX,
    policies=(ScalingPolicy(ScalingPolicyType.PERCENT, 100, 15), ScalingPolicy(ScalingPolicyType.PODS, 4, 15)),
)
DEFAULT_SCALE_DOWN = ScalingRules(
    stabilization_window_seconds=300,
    select_policy=SelectPolicy.MAX,
    policies=(ScalingPolicy(ScalingPolicyType.PERCENT, 100, 15),),
)


@dataclass(frozen=True, slots=True)
class Behavior:
    """The HPA's `behavior`, both directions."""

    scale_up: ScalingRules = DEFAULT_SCALE_UP
    scale_down: ScalingRules = DEFAULT_SCALE_DOWN


@dataclass(frozen=True, slots=True)
class Schedule:
    """A floor of replicas while a window of wall-clock time is open.

    `start` and `end` are either "HH:MM" (a daily window on `days` 0 = Monday … 6 = Sunday, which may cross midnight and
    then belongs to the day on which it starts) or five-field cron expressions of its opening and closing.
    """

    name: str
    start: str
    end: str
    time_zone: str
    min_replicas: int
    days: frozenset[int] = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Fallback:
    """What happens when the metrics have been unknown for `after_seconds`."""

    after_seconds: int = 180
    policy: FallbackPolicy = FallbackPolicy.HOLD
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A person's count, total over the variants, until an instant (seconds since the epoch)."""

    replicas: int
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class Workload:
    """One ModelDeployment, parsed.

    `generation` and `uid` identify what was parsed; `model` is the name under which profiles list its capacity
    (None: the name that the engine's metrics carry).
    """

    key: WorkloadKey
    uid: str
    generation: int
    variants: tuple[Variant, ...]
    mode: Mode = Mode.ADVISORY
    engine: Engine = Engine.AUTO
    model: str | None = None
    slo: Slo = Slo()
    priority: int = 0
    behavior: Behavior = Behavior()
    schedules: tuple[Schedule, ...] = ()
    fallback: Fallback = Fallback()
    override: Override | None = None
    routing: Routing | None = None

    @property
    def min_replicas(self) -> int:
        """Least replicas over all variants."""
        return sum(variant.min_replicas for variant in self.variants)

    @property
    def max_replicas(self) -> int:
        """Most replicas over all variants."""
        return sum(variant.max_replicas for variant in self.variants)
