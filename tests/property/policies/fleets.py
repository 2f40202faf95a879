"""Hypothesis strategies: workloads in any state that the observer could report, failures included."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from foresail.domain.forecast import Forecast
from foresail.domain.memory import Change, Memory, Recommendation, WorkloadMemory
from foresail.domain.snapshot import (
    FIELD_MANAGER,
    FleetSnapshot,
    Known,
    Replicas,
    Rival,
    Unknown,
    VariantObservation,
    WorkloadObservation,
)
from foresail.domain.workload import (
    Behavior,
    Fallback,
    FallbackPolicy,
    Mode,
    Override,
    ScalingPolicy,
    ScalingPolicyType,
    ScalingRules,
    Schedule,
    SelectPolicy,
    Variant,
    Workload,
)
from tests.builders import (
    NOW,
    make_accelerator,
    make_demand,
    make_forecast,
    make_observation,
    make_pool,
    make_snapshot,
    make_variant,
    make_variant_observation,
    make_workload,
)

UNKNOWN = Unknown("PrometheusUnreachable", "Prometheus did not answer.")
odd_numbers = st.sampled_from([math.nan, math.inf, -math.inf, -1.0])


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Everything that one call of run_cycle takes, for one workload."""

    snapshot: FleetSnapshot
    forecast: Forecast | Unknown
    memory: Memory
    observation: WorkloadObservation

    @property
    def workload(self) -> Workload:
        return self.observation.workload


policies = st.builds(ScalingPolicy, st.sampled_from(ScalingPolicyType), st.integers(1, 100), st.integers(1, 120))
rules = st.builds(
    ScalingRules,
    st.sampled_from([0, 60, 300]),
    st.sampled_from(SelectPolicy),
    st.lists(policies, min_size=1, max_size=2).map(tuple),
    st.sampled_from([0.0, 0.1]),
)
behaviors = st.one_of(st.just(Behavior()), st.builds(Behavior, rules, rules))
schedules = st.builds(
    Schedule,
    st.just("some"),
    st.sampled_from(["00:00", "07:30", "22:00"]),
    st.sampled_from(["06:00", "13:00", "23:59"]),
    st.sampled_from(["UTC", "Europe/Berlin"]),
    st.integers(0, 12),
)
fallbacks = st.builds(Fallback, st.sampled_from([0, 180]), st.sampled_from(FallbackPolicy), st.integers(0, 12))
overrides = st.builds(Override, st.integers(0, 30), st.sampled_from([NOW - 1, NOW + 600]), st.just("launch"))
rivals = st.one_of(
    st.builds(Rival, st.just("HorizontalPodAutoscaler"), st.just("hpa"), st.just("")),
    st.just(Rival("ModelDeployment", "twin", "", waits=True)),
    st.builds(
        Rival, st.just(FIELD_MANAGER), st.just("kubectl"), st.just(""), st.sampled_from([None, NOW - 20, NOW - 999])
    ),
)


@st.composite
def variants(draw: st.DrawFn, name: str) -> Variant:
    least = draw(st.integers(0, 3))
    return make_variant(name, min_replicas=least, max_replicas=least + draw(st.integers(0, 12)))


def ages(count: int) -> st.SearchStrategy[tuple[float, ...]]:
    times = st.lists(st.sampled_from([0.0, 60.0, 3600.0]), min_size=count, max_size=count)
    return times.map(lambda seconds: tuple(sorted(seconds, reverse=True)))


@st.composite
def replicas(draw: st.DrawFn) -> Replicas:
    ready, starting, pending = draw(st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 3)))
    return Replicas(
        current=max(ready + starting + pending + draw(st.integers(-2, 2)), 0),
        ready=ready,
        starting=starting,
        pending=pending,
        draining=draw(st.integers(0, 1)),
        pending_seconds=draw(ages(pending)),
        starting_seconds=draw(ages(starting)),
    )


@st.composite
def observed_variants(draw: st.DrawFn, name: str) -> VariantObservation:
    counts = draw(st.one_of(replicas(), replicas(), replicas(), st.none()))
    return make_variant_observation(
        name,
        counts,
        served=draw(st.one_of(st.none(), st.floats(0, 60).map(make_demand), odd_numbers.map(make_demand))),
        pressure=draw(st.one_of(st.none(), st.floats(0, 2), odd_numbers)),
        startup_seconds=tuple(draw(st.lists(st.floats(0, 900), max_size=3))),
        rivals=tuple(draw(st.lists(rivals, max_size=1))),
    )


@st.composite
def memories(draw: st.DrawFn, workload: Workload) -> Memory:
    ago = st.floats(-50, 400)
    names = st.sampled_from([variant.name for variant in workload.variants])
    recommendations = st.lists(st.tuples(ago, names, st.integers(0, 14)), max_size=4)
    changes = st.lists(st.tuples(ago, names, st.integers(-3, 3)), max_size=3)
    remembered = WorkloadMemory(
        uid=draw(st.sampled_from([workload.uid, "another"])),
        recommendations=tuple(Recommendation(NOW - s, name, n) for s, name, n in draw(recommendations)),
        changes=tuple(Change(NOW - s, name, n) for s, name, n in draw(changes)),
        log_feedback=draw(st.floats(-0.7, 0.9)),
        known_since=draw(st.sampled_from([None, NOW + 100, NOW - 10, NOW - 9999])),
        unknown_since=draw(st.sampled_from([None, NOW + 100, NOW - 10, NOW - 9999])),
        last_required={variant.name: draw(st.integers(0, 14)) for variant in workload.variants},
    )
    return Memory(draw(st.sampled_from([{}, {workload.key: remembered}])))


@st.composite
def fleets(draw: st.DrawFn, *, most_variants: int = 2) -> Fleet:
    names = ["h100", "a100"][: draw(st.integers(1, most_variants))]
    workload = make_workload(
        variants=tuple(draw(variants(name)) for name in names),
        mode=draw(st.sampled_from([Mode.AUTO, Mode.AUTO, Mode.ADVISORY, Mode.OFF])),
        behavior=draw(behaviors),
        schedules=tuple(draw(st.lists(schedules, max_size=1))),
        fallback=draw(fallbacks),
        override=draw(st.one_of(st.none(), st.none(), overrides)),
    )
    observation = make_observation(
        workload,
        variants=[draw(observed_variants(name)) for name in names],
        demand=draw(st.one_of(st.floats(0, 120), st.just(0.0), st.just(UNKNOWN), odd_numbers)),
        attainment=draw(st.one_of(st.just(UNKNOWN), st.builds(Known, st.floats(0, 1)), st.builds(Known, odd_numbers))),
    )
    forecast: Forecast | Unknown = UNKNOWN
    if draw(st.integers(0, 4)):
        rates = draw(st.lists(st.one_of(st.floats(0, 120), st.just(0.0)), min_size=1, max_size=20))
        forecast = make_forecast(rates, spread=draw(st.floats(0, 1)), samples=20)
    known = draw(st.booleans())
    snapshot = make_snapshot(
        observation,
        leader_since=NOW - draw(st.sampled_from([-50.0, 10.0, 9999.0])),
        accelerators=[make_accelerator(name, rps=6.0 if known else None) for name in names],
        pools=draw(st.sampled_from([None, [make_pool("h100", free=2)], [make_pool(name) for name in names]])),
    )
    return Fleet(snapshot, forecast, draw(memories(workload)), observation)


def without_windows(fleet: Fleet) -> Fleet:
    """The same fleet in haste: no window, no limit and no tolerance holds anything back."""
    at_once = ScalingRules(0, SelectPolicy.MAX, (ScalingPolicy(ScalingPolicyType.PERCENT, 100, 1),))
    workload = replace(fleet.workload, behavior=Behavior(at_once, at_once))
    observation = replace(fleet.observation, workload=workload)
    snapshot = replace(fleet.snapshot, workloads={workload.key: observation})
    return replace(fleet, snapshot=snapshot, observation=observation)
