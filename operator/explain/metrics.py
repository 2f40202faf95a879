"""`/metrics`: the operator's own series in its own registry.

What belongs to an object is computed at the scrape from its last cycle, so that its series go when it goes. No label
is ever a pod's name.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client import Counter as CounterMetric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from foresail import __version__
from foresail.domain.decision import Capacity, Decision, Outlook
from foresail.domain.snapshot import Demand, Known, WorkloadObservation
from foresail.domain.workload import WorkloadKey
from foresail.operator.clock import Clock
from foresail.service.document import Trace

CYCLE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
QUERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MAX_DUE = 256  # forecasts of one object that wait for their instant: an hour of cycles

OBJECT = ("namespace", "name")
VARIANT = (*OBJECT, "variant")


@dataclass(frozen=True, slots=True)
class _Promise:
    """A forecast of the demand at an instant, to be compared with what comes."""

    due: float
    median_rps: float
    q95_rps: float


@dataclass(slots=True)
class _Record:
    """What is shown of one object."""

    trace: Trace
    decisions: Counter[str] = field(default_factory=Counter)
    writes: Counter[tuple[str, str]] = field(default_factory=Counter)
    promises: deque[_Promise] = field(default_factory=lambda: deque(maxlen=MAX_DUE))
    due: _Promise | None = None
    met: int = 0
    missed: int = 0


class FleetMetrics(Collector):
    """The series of all objects."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[WorkloadKey, _Record] = {}

    def record(self, trace: Trace, now: float, *, renewed: bool) -> None:
        """Take in one object's cycle at an instant; `renewed`: the decision is a new one."""
        decision = trace.decision
        record = self._records.setdefault(decision.key, _Record(trace))
        record.trace = trace
        record.decisions[decision.reason] += renewed
        for write in trace.writes:
            record.writes[write.variant, write.outcome] += 1
        _settle_promises(record, decision.outlook, now)

    def keep(self, keys: Iterable[WorkloadKey]) -> None:
        """Drop the series of every object but these."""
        there = set(keys)
        self._records = {key: record for key, record in self._records.items() if key in there}

    def collect(self) -> Iterator[Metric]:
        """Compute the series of all objects."""
        families = _Families()
        for key, record in list(self._records.items()):
            families.add(key, record, self._clock.wall())
        yield from families.all()


class OperatorMetrics:
    """The registry, and the series of the process itself."""

    def __init__(self, clock: Clock) -> None:
        self.registry = registry = CollectorRegistry()
        self.fleet = FleetMetrics(clock)
        registry.register(self.fleet)
        ProcessCollector(registry=registry)
        Gauge("foresail_build_info", "Version.", ["version"], registry=registry).labels(__version__).set(1)
        self.leader = Gauge("foresail_leader", "Whether this process leads.", registry=registry)
        self.watch_age = Gauge(
            "foresail_watch_age_seconds", "Since the last sign of life of a stream.", ["resource"], registry=registry
        )
        self.cycle_wall = _histogram("foresail_cycle_duration_seconds", "Wall time of a cycle.", registry)
        self.cycle_cpu = _histogram("foresail_cycle_cpu_seconds", "CPU time of a cycle.", registry)
        self.stage = Histogram(
            "foresail_stage_duration_seconds",
            "Wall time of a stage.",
            ["stage"],
            buckets=CYCLE_BUCKETS,
            registry=registry,
        )
        self.skipped = CounterMetric("foresail_cycles_skipped_total", "Cycles that were overrun.", registry=registry)
        self.failures = CounterMetric(
            "foresail_cycle_failures_total", "Cycles that failed, by stage.", ["stage"], registry=registry
        )
        self.writes = CounterMetric(
            "foresail_api_writes_total", "Writes that were sent to the API server.", registry=registry
        )
        self.query_seconds = Histogram(
            "foresail_query_duration_seconds",
            "Wall time of a query to Prometheus.",
            ["query"],
            buckets=QUERY_BUCKETS,
            registry=registry,
        )
        self.query_errors = CounterMetric(
            "foresail_query_errors_total", "Queries without an answer.", ["query", "reason"], registry=registry
        )
        self.fallbacks = CounterMetric(
            "foresail_forecaster_fallbacks_total",
            "Forecasts that the embedded mixture made in the forecaster's place.",
            ["reason"],
            registry=registry,
        )
        self.query_empty = CounterMetric(
            "foresail_query_empty_total", "Queries with an empty answer.", ["query"], registry=registry
        )


def _histogram(name: str, text: str, registry: CollectorRegistry) -> Histogram:
    return Histogram(name, text, buckets=CYCLE_BUCKETS, registry=registry)


def _settle_promises(record: _Record, outlook: Outlook, now: float) -> None:
    # By the cycle's instant: an unchanged decision keeps the time at which it was taken.
    while record.promises and record.promises[0].due <= now:
        record.due = record.promises.popleft()
        if outlook.demand_now_rps is not None:
            record.met += outlook.demand_now_rps <= record.due.q95_rps
            record.missed += outlook.demand_now_rps > record.due.q95_rps
    if outlook.demand_median_rps is not None and outlook.demand_q95_rps is not None:
        due = now + outlook.lead_time_seconds
        record.promises.append(_Promise(due, outlook.demand_median_rps, outlook.demand_q95_rps))


class _Families:
    """The families of one scrape."""

    def __init__(self) -> None:
        self._gauges: dict[str, GaugeMetricFamily] = {}
        self._counters: dict[str, CounterMetricFamily] = {}

    def all(self) -> Iterator[Metric]:
        yield from self._gauges.values()
        yield from self._counters.values()

    def add(self, key: WorkloadKey, record: _Record, now: float) -> None:
        decision, observation = record.trace.decision, record.trace.observation
        self._add_variants(key, decision, observation)
        self._add_outlook(key, decision, record)
        self._gauge("decision_age_seconds", "Since the last decision.", OBJECT, key, now - decision.time)
        for condition in record.trace.conditions:
            labels = (*key, condition.type, condition.status)
            self._gauge("condition", "A condition and its status.", (*OBJECT, "type", "status"), labels, 1.0)
        conflict = any(entry.type == "Conflict" and entry.status == "True" for entry in decision.conditions)
        self._gauge("conflict", "Whether another controller writes the replicas.", OBJECT, key, float(conflict))
        if observation is not None and isinstance(observation.attainment, Known):
            value = observation.attainment.value
            self._gauge("slo_attainment_ratio", "Share of requests within the SLO.", OBJECT, key, value)
        if observation is not None and isinstance(observation.demand, Demand):
            value = observation.demand.requests_per_second
            self._gauge("demand_requests_per_second", "Arrivals now.", OBJECT, key, value)
        for reason, count in record.decisions.items():
            self._counter("decisions", "Decisions, by reason.", (*OBJECT, "reason"), (*key, reason), count)
        for (variant, outcome), count in record.writes.items():
            labels = (*key, variant, outcome)
            self._counter("scale_writes", "Writes to targets.", (*VARIANT, "outcome"), labels, count)

    def _add_variants(self, key: WorkloadKey, decision: Decision, observation: WorkloadObservation | None) -> None:
        for variant in decision.variants:
            numbers = {"current": variant.current, "desired": variant.desired, "ready": variant.ready}
            for name, value in numbers.items():
                self._gauge(f"{name}_replicas", f"Replicas, {name}.", VARIANT, (*key, variant.name), value)
            text = "Share of its role's requests that a variant's ready replicas can carry."
            self._gauge("routing_weight", text, VARIANT, (*key, variant.name), variant.weight)
            if variant.capacity is not None:
                self._add_capacity((*key, variant.name), variant.capacity)
        for spec in observation.workload.variants if observation is not None else ():
            labels = (*key, spec.name)
            self._gauge("min_replicas", "Least replicas of the spec.", VARIANT, labels, spec.min_replicas)
            self._gauge("max_replicas", "Most replicas of the spec.", VARIANT, labels, spec.max_replicas)

    def _add_capacity(self, labels: tuple[str, ...], capacity: Capacity) -> None:
        text = "What one replica of a variant sustains at the token lengths of now."
        self._gauge("variant_capacity_requests_per_second", text, VARIANT, labels, capacity.requests_per_second)
        text = "How far that may be off, 1 sigma of its logarithm."
        self._gauge("variant_capacity_error_ratio", text, VARIANT, labels, capacity.error_ratio)
        text = "Where that is known from."
        self._gauge("variant_capacity_source", text, (*VARIANT, "source"), (*labels, capacity.source), 1.0)

    def _add_outlook(self, key: WorkloadKey, decision: Decision, record: _Record) -> None:
        outlook, due = decision.outlook, record.due
        self._gauge("lead_time_seconds", "From decision to a ready replica.", OBJECT, key, outlook.lead_time_seconds)
        self._gauge("cost_usd_per_hour", "Price of the current replicas.", OBJECT, key, outlook.usd_per_hour)
        self._gauge("capacity_requests_per_second", "Of one replica.", OBJECT, key, outlook.capacity_rps)
        self._gauge("feedback_ratio", "The factor moved by attainment.", OBJECT, key, outlook.feedback_factor)
        by_level = (*OBJECT, "quantile")
        text = "Demand expected one lead time ahead."
        for level, value in (("0.5", outlook.demand_median_rps), ("0.95", outlook.demand_q95_rps)):
            self._gauge("forecast_requests_per_second", text, by_level, (*key, level), value)
        if outlook.forecast_source is not None:
            names, labels = (*OBJECT, "source"), (*key, outlook.forecast_source)
            self._gauge("forecast_source", "What made the forecast.", names, labels, 1.0)
        text = "Share of the seasonal-naive forecast's error (CRPS) that forecasts saved lately."
        self._gauge("forecast_skill_ratio", text, OBJECT, key, outlook.forecast_skill)
        text = "Demand that was expected for now, one lead time ago."
        due_by_level = (("0.5", due.median_rps), ("0.95", due.q95_rps)) if due is not None else ()
        for level, value in due_by_level:
            self._gauge("forecast_due_requests_per_second", text, by_level, (*key, level), value)
        text = "Replicas required, now and by the forecast."
        required = (("now", outlook.required_now), ("0.5", outlook.required_median), ("0.95", outlook.required_q95))
        for level, value in required:
            self._gauge("required_replicas", text, by_level, (*key, level), value)
        for result, count in (("covered", record.met), ("exceeded", record.missed)):
            text = "Forecasts that met their instant, by whether demand stayed within the 95 % quantile."
            self._counter("forecasts_due", text, (*OBJECT, "result"), (*key, result), count)

    def _gauge(
        self, name: str, text: str, names: tuple[str, ...], labels: tuple[str, ...], value: float | None
    ) -> None:
        if value is not None:
            family = self._gauges.setdefault(name, GaugeMetricFamily(f"foresail_{name}", text, labels=names))
            family.add_metric(labels, value)

    def _counter(self, name: str, text: str, names: tuple[str, ...], labels: tuple[str, ...], value: int) -> None:
        family = self._counters.setdefault(name, CounterMetricFamily(f"foresail_{name}", text, labels=names))
        family.add_metric(labels, value)
