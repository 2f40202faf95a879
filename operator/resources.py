"""The border: custom resources become the domain's types, or a SpecError that names field, value and remedy.

The schemas in `crds/` refuse first. What they cannot say is refused here: a time zone that does not exist, a cron
expression that never fires, two variants that mean the same target by two API versions, one measurement given twice.
Defaults are the domain's, which the schemas repeat; a test keeps both equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from foresail.domain.accelerator import Accelerator, CapacityPoint
from foresail.domain.workload import (
    DEFAULT_SCALE_DOWN,
    DEFAULT_SCALE_UP,
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
    Slo,
    TargetRef,
    Variant,
    Workload,
    WorkloadKey,
)
from foresail.operator.fields import Fields
from foresail.operator.manifest import to_manifest
from foresail.operator.timetable import read_schedule

__all__ = ["parse_accelerator", "parse_workload", "to_manifest"]

NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
OBJECT_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
API_VERSION = rf"({OBJECT_NAME}/)?v[0-9][a-z0-9]*"
KIND = r"[A-Z][A-Za-z0-9]*"
RESOURCE = rf"{OBJECT_NAME}/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
HARDWARE = r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
QUANTITY = r"[0-9]{1,3}(\.[0-9]{1,6})?|[0-9]{1,6}m"
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"
MAX_PRIORITY = 1_000_000


def parse_workload(body: Mapping[str, Any]) -> Workload:
    """The workload that a ModelDeployment describes.

    Args:
        body: The object as the API server or a file has it.

    Raises:
        SpecError: A field cannot be understood.
    """
    metadata = Fields(_name_of(body, "ModelDeployment"), "metadata", body.get("metadata"))
    key = WorkloadKey(metadata.text("namespace", "default"), metadata.text("name"))
    spec = Fields(metadata.source, "spec", body.get("spec"))
    variants = _read_variants(spec)
    return Workload(
        key=key,
        uid=metadata.text("uid", ""),
        generation=metadata.integer("generation", 0),
        variants=variants,
        mode=spec.choice("mode", Mode.ADVISORY),
        engine=spec.choice("engine", Engine.AUTO),
        model=spec.optional_text("model"),
        slo=_read_slo(spec.object("slo")),
        priority=spec.integer("priority", 0, minimum=-MAX_PRIORITY, maximum=MAX_PRIORITY),
        behavior=_read_behavior(spec.object("behavior")),
        schedules=_read_schedules(spec),
        fallback=_read_fallback(spec.object("fallback")),
        override=_read_override(spec.object("override")) if spec.has("override") else None,
        routing=_read_routing(spec, variants) if spec.has("routing") else None,
    )


def parse_accelerator(body: Mapping[str, Any]) -> Accelerator:
    """The accelerator that an AcceleratorProfile describes.

    Args:
        body: The object as the API server or a file has it.

    Raises:
        SpecError: A field cannot be understood.
    """
    metadata = Fields(_name_of(body, "AcceleratorProfile"), "metadata", body.get("metadata"))
    spec = Fields(metadata.source, "spec", body.get("spec"))
    selector = spec.object("nodeSelector")
    capacity = tuple(_read_point(fields) for fields in spec.objects("capacity"))
    _refuse_twins(
        spec,
        "capacity",
        "model, GPUs and lengths",
        ((p.model, p.gpus_per_replica, p.input_tokens, p.output_tokens) for p in capacity),
    )
    return Accelerator(
        name=metadata.text("name"),
        gpu_resource=spec.text("gpuResource", "nvidia.com/gpu", pattern=RESOURCE, example="nvidia.com/gpu"),
        node_selector={str(label): str(selector.get(label, str, "a string")) for label in selector.values},
        memory_gibibytes=spec.optional_integer("memoryGibibytes", minimum=1),
        usd_per_gpu_hour=spec.decimal("usdPerGpuHour") if spec.has("usdPerGpuHour") else None,
        capacity=capacity,
        hardware=spec.optional_text("hardware", pattern=HARDWARE, example="h100_sxm"),
    )


def _name_of(body: Mapping[str, Any], kind: str) -> str:
    metadata = body.get("metadata")
    values = metadata if isinstance(metadata, Mapping) else {}
    names = [values[part] for part in ("namespace", "name") if isinstance(values.get(part), str)]
    return f"{kind} {'/'.join(names)}".rstrip()


def _refuse_twins(fields: Fields, items: str, what: str, keys: Iterable[str | tuple[object, ...]]) -> None:
    """Refuse a list in which two items are the same in `what`."""
    for key, count in Counter(keys).items():
        if count > 1:
            value = key if isinstance(key, str) else "/".join(str(part) for part in key if part)
            fields.refuse(items, f"{count} items have the same {what}", value=value, remedy="keep one of them")


def _read_schedules(spec: Fields) -> tuple[Schedule, ...]:
    schedules = tuple(read_schedule(fields) for fields in spec.objects("schedules"))
    _refuse_twins(spec, "schedules", "name", (schedule.name for schedule in schedules))
    return schedules


def _read_variants(spec: Fields) -> tuple[Variant, ...]:
    variants = tuple(_read_variant(fields) for fields in spec.objects("variants"))
    if not variants:
        spec.refuse("variants", "is empty", value=[], remedy="name at least one scale target")
    _refuse_twins(spec, "variants", "name", (variant.name for variant in variants))
    # The same object by two versions of its group is one target: two writers of one number.
    targets = ((v.target.api_version.rpartition("/")[0], v.target.kind, v.target.name) for v in variants)
    _refuse_twins(spec, "variants", "scaleTargetRef", targets)
    _refuse_twins(spec, "variants", "service", (v.service for v in variants if v.service is not None))
    return variants


def _read_variant(fields: Fields) -> Variant:
    reference = fields.object("scaleTargetRef")
    minimum, maximum = fields.integer("minReplicas", 1), fields.integer("maxReplicas", 10, minimum=1)
    if minimum > maximum:
        fields.refuse(
            "minReplicas",
            f"exceeds maxReplicas {maximum}",
            value=minimum,
            remedy="lower minReplicas or raise maxReplicas",
        )
    return Variant(
        name=fields.text("name", pattern=NAME, example="h100"),
        target=TargetRef(
            api_version=reference.text("apiVersion", "apps/v1", pattern=API_VERSION, example="apps/v1"),
            kind=reference.text("kind", "Deployment", pattern=KIND, example="Deployment"),
            name=reference.text("name", pattern=OBJECT_NAME, example="chat-h100"),
        ),
        accelerator=fields.optional_text("accelerator", pattern=OBJECT_NAME, example="h100"),
        gpus_per_replica=fields.integer("gpusPerReplica", 1, minimum=1),
        role=fields.choice("role", Role.UNIFIED),
        min_replicas=minimum,
        max_replicas=maximum,
        service=fields.optional_text("service", pattern=NAME, example="chat-h100"),
    )


def _read_routing(spec: Fields, variants: Sequence[Variant]) -> Routing:
    roles = [str(variant.role) for variant in variants if variant.service is not None]
    if len(roles) < 2:
        remedy = "name their Services, or remove routing"
        spec.refuse("routing", "needs service in at least two variants", value=len(roles), remedy=remedy)
    if len(set(roles)) > 1:
        remedy = "remove service from those of another role"
        spec.refuse("routing", "shares requests among variants of one role", value=sorted(set(roles)), remedy=remedy)
    fields = spec.object("routing")
    route = fields.object("httpRoute")
    return Routing(
        http_route=route.text("name", pattern=OBJECT_NAME, example="chat"),
        rule=route.optional_text("ruleName", pattern=OBJECT_NAME, example="completions"),
        mode=fields.choice("mode", RoutingMode.OBSERVE),
    )


def _read_slo(fields: Fields) -> Slo:
    return Slo(
        ttft_milliseconds=fields.integer("ttftMilliseconds", 1000, minimum=1),
        tpot_milliseconds=fields.integer("tpotMilliseconds", 40, minimum=1),
        percentile=fields.integer("percentile", 95, minimum=50, maximum=99),
        attainment=fields.integer("attainmentPercent", 99, minimum=1, maximum=100) / 100,
    )


def _read_behavior(fields: Fields) -> Behavior:
    return Behavior(
        scale_up=_read_rules(fields.object("scaleUp"), DEFAULT_SCALE_UP),
        scale_down=_read_rules(fields.object("scaleDown"), DEFAULT_SCALE_DOWN),
    )


def _read_rules(fields: Fields, default: ScalingRules) -> ScalingRules:
    """One direction; as in the HPA, each absent field has its own default."""
    return ScalingRules(
        stabilization_window_seconds=fields.integer(
            "stabilizationWindowSeconds", default.stabilization_window_seconds, maximum=3600
        ),
        select_policy=fields.choice("selectPolicy", default.select_policy),
        policies=tuple(_read_policy(policy) for policy in fields.objects("policies")) or default.policies,
        tolerance=_read_quantity(fields.text("tolerance", "0", pattern=QUANTITY, example='"0.05" or "50m"')),
    )


def _read_policy(fields: Fields) -> ScalingPolicy:
    return ScalingPolicy(
        type=fields.chosen("type", ScalingPolicyType, fields.get("type", str, "Pods or Percent")),
        value=fields.integer("value", minimum=1),
        period_seconds=fields.integer("periodSeconds", minimum=1, maximum=1800),
    )


def _read_quantity(text: str) -> float:
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)


def _read_fallback(fields: Fields) -> Fallback:
    fallback = Fallback(
        after_seconds=fields.integer("afterSeconds", 180),
        policy=fields.choice("policy", FallbackPolicy.HOLD),
        replicas=fields.optional_integer("replicas"),
    )
    if fallback.policy is FallbackPolicy.STATIC and fallback.replicas is None:
        fields.refuse("replicas", "is missing with policy Static", value=None, remedy="set it, or choose policy Hold")
    return fallback


def _read_override(fields: Fields) -> Override:
    until = fields.text("until", pattern=INSTANT, example="2026-11-23T08:00:00Z")
    try:
        instant = datetime.fromisoformat(until).timestamp()
    except ValueError:
        fields.refuse("until", "is no instant", value=until, remedy="write one that exists, as 2026-11-23T08:00:00Z")
    return Override(replicas=fields.integer("replicas"), until=instant, reason=fields.text("reason", ""))


def _read_point(fields: Fields) -> CapacityPoint:
    rate = fields.decimal("requestsPerSecond")
    if not rate:
        fields.refuse("requestsPerSecond", "must be above 0", value=str(rate), remedy="remove what cannot be served")
    if fields.has("inputTokens") != fields.has("outputTokens"):
        fields.refuse(
            "", "has only one of inputTokens and outputTokens", value=dict(fields.values), remedy="give both or neither"
        )
    lengths = [fields.optional_integer(name, minimum=1) for name in ("inputTokens", "outputTokens")]
    return CapacityPoint(
        model=fields.text("model"),
        gpus_per_replica=fields.integer("gpusPerReplica", 1, minimum=1),
        requests_per_second=float(rate),
        input_tokens=None if lengths[0] is None else float(lengths[0]),
        output_tokens=None if lengths[1] is None else float(lengths[1]),
    )
