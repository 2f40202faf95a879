"""Strategies: workloads and profiles that can be written as custom resources, and objects that a schema describes."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from foresail.domain.accelerator import Accelerator, CapacityPoint
from foresail.domain.memory import CapacityBelief, Learned
from foresail.domain.workload import (
    Behavior,
    Engine,
    Fallback,
    FallbackPolicy,
    Mode,
    Override,
    Role,
    Routing,
    RoutingMode,
    ScalingPolicy,
    ScalingPolicyType,
    ScalingRules,
    Schedule,
    SelectPolicy,
    Slo,
    TargetRef,
    Variant,
    Workload,
    WorkloadKey,
)

CRDS = Path(__file__).parents[3] / "crds"

labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,12}[a-z0-9])?", fullmatch=True)
replicas = st.integers(0, 100_000)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
prices = st.integers(0, 10**9).map(lambda millionths: Decimal(millionths).scaleb(-6))
zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Argentina/Ushuaia", "Etc/GMT+12"])
times_of_day = st.times().map(lambda time: time.strftime("%H:%M"))
crons = st.sampled_from(["0 0 * * 6", "30 7 * * 1-5", "*/15 0-6,22 1,15 JAN-MAR *", "0 0 29 2 *", "5  4 * * SUN"])
# Milliseconds: what people write; a float holds them exactly enough to come back.
instants = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)

slos = st.builds(
    Slo,
    ttft_milliseconds=st.integers(1, 3_600_000),
    tpot_milliseconds=st.integers(1, 60_000),
    percentile=st.integers(50, 99),
    attainment=st.integers(1, 100).map(lambda percent: percent / 100),
)
targets = st.builds(
    TargetRef,
    api_version=st.sampled_from(["apps/v1", "v1", "leaderworkerset.x-k8s.io/v1", "serving.kserve.io/v1alpha2"]),
    kind=st.sampled_from(["Deployment", "StatefulSet", "LeaderWorkerSet"]),
    name=labels,
)
policies = st.builds(
    ScalingPolicy,
    type=st.sampled_from(ScalingPolicyType),
    value=st.integers(1, 100_000),
    period_seconds=st.integers(1, 1800),
)
rules = st.builds(
    ScalingRules,
    stabilization_window_seconds=st.integers(0, 3600),
    select_policy=st.sampled_from(SelectPolicy),
    policies=st.lists(policies, min_size=1, max_size=3).map(tuple),
    tolerance=st.integers(0, 10**9).map(lambda millionths: millionths / 10**6).filter(lambda share: share < 1000),
)
routings = st.builds(Routing, http_route=labels, rule=st.none() | labels, mode=st.sampled_from(RoutingMode))
overrides = st.builds(Override, replicas=replicas, until=instants, reason=st.just("") | texts)


@st.composite
def variants(draw: st.DrawFn) -> tuple[Variant, ...]:
    """Variants with different names and targets."""
    size = draw(st.integers(1, 4))
    names = draw(st.lists(labels, min_size=size, max_size=size, unique=True))
    where = draw(st.lists(targets, min_size=size, max_size=size, unique_by=lambda target: target.name))
    return tuple(_variant(draw, name, target) for name, target in zip(names, where, strict=True))


def _variant(draw: st.DrawFn, name: str, target: TargetRef) -> Variant:
    low, high = sorted(draw(st.tuples(replicas, st.integers(1, 100_000))))
    return Variant(
        name=name,
        target=target,
        accelerator=draw(st.none() | labels),
        gpus_per_replica=draw(st.integers(1, 1024)),
        role=draw(st.sampled_from(Role)),
        min_replicas=low,
        max_replicas=max(high, 1),
        service=draw(st.none() | st.just(name)),
    )


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Schedule, ...]:
    """Schedules with different names, of both forms."""
    names = draw(st.lists(labels, max_size=3, unique=True))
    return tuple(_schedule(draw, name) for name in names)


def _schedule(draw: st.DrawFn, name: str) -> Schedule:
    daily = draw(st.booleans())
    edges = draw(st.lists(times_of_day if daily else crons, min_size=2, max_size=2, unique=not daily))
    days = draw(st.frozensets(st.integers(0, 6), min_size=1)) if daily else frozenset(range(7))
    return Schedule(name, edges[0], edges[1], draw(zones), draw(replicas), days)


@st.composite
def fallbacks(draw: st.DrawFn) -> Fallback:
    """Fallbacks; a static one has its count."""
    policy = draw(st.sampled_from(FallbackPolicy))
    count = replicas if policy is FallbackPolicy.STATIC else st.none() | replicas
    return Fallback(draw(st.integers(0, 86_400)), policy, draw(count))


def workloads(*, namespaces: st.SearchStrategy[str] = labels) -> st.SearchStrategy[Workload]:
    """Workloads that a ModelDeployment can say."""
    unrouted = st.builds(
        Workload,
        key=st.builds(WorkloadKey, namespaces, labels),
        uid=st.uuids().map(str),
        generation=st.integers(1, 10**6),
        variants=variants(),
        mode=st.sampled_from(Mode),
        engine=st.sampled_from(Engine),
        model=st.none() | texts,
        slo=slos,
        priority=st.integers(-1_000_000, 1_000_000),
        behavior=st.builds(Behavior, scale_up=rules, scale_down=rules),
        schedules=schedules(),
        fallback=fallbacks(),
        override=st.none() | overrides,
    )
    return unrouted | _routed(unrouted)


@st.composite
def _routed(draw: st.DrawFn, unrouted: st.SearchStrategy[Workload]) -> Workload:
    workload = draw(unrouted.filter(lambda workload: len(workload.variants) > 1))
    role = workload.variants[0].role
    together = tuple(replace(variant, service=variant.name, role=role) for variant in workload.variants)
    return replace(workload, variants=together, routing=draw(routings))


@st.composite
def accelerators(draw: st.DrawFn) -> Accelerator:
    """Accelerators that an AcceleratorProfile can say."""
    lengths = st.integers(1, 10**8).map(float)
    pairs = st.just((None, None)) | st.tuples(lengths, lengths)
    keys = draw(st.lists(st.tuples(texts, st.integers(1, 1024), pairs), max_size=4, unique=True))
    rates = st.integers(1, 10**12).map(lambda millionths: millionths / 10**6)
    return Accelerator(
        name=draw(labels),
        gpu_resource=draw(st.sampled_from(["nvidia.com/gpu", "amd.com/gpu", "nvidia.com/mig-1g.5gb"])),
        node_selector=draw(st.dictionaries(labels, st.just("") | labels, max_size=3)),
        memory_gibibytes=draw(st.none() | st.integers(1, 65_536)),
        usd_per_gpu_hour=draw(st.none() | prices),
        capacity=tuple(CapacityPoint(model, gpus, draw(rates), *pair) for model, gpus, pair in keys),
        hardware=draw(st.none() | st.sampled_from(["h100_sxm", "l4"])),
    )


# What learning may come to.
seconds = st.just(0.0) | st.floats(1e-17, 1e6)
sources = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)
beliefs = st.builds(
    CapacityBelief,
    log_mean=st.floats(-20, 20),
    log_variance=st.floats(1e-6, 30),
    observations=st.integers(0, 2**31 - 1),
    seconds_per_input_token=seconds,
    seconds_per_output_token=seconds,
    source=sources,
    log_most=st.just(-math.inf) | st.floats(-20, 20),
)
learned = st.builds(Learned, st.floats(-0.7, 0.92), st.dictionaries(labels, beliefs, max_size=4))


def spec_schema(plural: str, part: str = "spec") -> dict[str, Any]:
    """The schema of the spec of one of our kinds, or of its status."""
    version = yaml.safe_load((CRDS / f"{plural}.yaml").read_text())["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"][part]
    return schema


SPECIAL_STRINGS = st.sampled_from(
    ["07:30", "00:00", "0 0 * * 6", "0 0 31 2 *", "99 99 * * *", "0.05", "50m", "9.5", "0", "2026-02-30T08:00:00Z"]
) | instants.map(lambda instant: dt.datetime.fromtimestamp(instant, dt.UTC).isoformat())


def described_by(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of the types, bounds, enumerations and patterns of a schema; its CEL rules may still refuse them."""
    match schema["type"]:
        case "object":
            return _objects(schema)
        case "array":
            items = described_by(schema["items"])
            return st.lists(items, min_size=schema.get("minItems", 0), max_size=min(schema.get("maxItems", 3), 3))
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "string" if "enum" in schema:
            return st.sampled_from(schema["enum"])
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"].removesuffix("$") + r"\Z").filter(
                lambda text: len(text) <= schema["maxLength"]
            )
        case "string":
            return SPECIAL_STRINGS | st.text(max_size=20)
    raise AssertionError(schema)


def _objects(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "additionalProperties" in schema:
        return st.dictionaries(labels, described_by(schema["additionalProperties"]), max_size=3)
    fields = {name: described_by(part) for name, part in schema["properties"].items()}
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: fields[name] for name in fields if name in required},
        optional={name: fields[name] for name in fields if name not in required},
    )
