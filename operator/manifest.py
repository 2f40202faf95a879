"""From the domain's types back to custom resources; every field is written, so that nothing depends on defaults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from foresail.domain.accelerator import Accelerator, CapacityPoint
from foresail.domain.workload import Fallback, Override, Routing, ScalingRules, Schedule, Slo, Variant, Workload
from foresail.operator.timetable import DAYS, EVERY_DAY

API_VERSION = "foresail.dev/v1alpha1"


def to_manifest(workload: Workload) -> dict[str, Any]:
    """The ModelDeployment that parses to this workload."""
    spec: dict[str, Any] = {
        "mode": workload.mode.value,
        "engine": workload.engine.value,
        "slo": _slo(workload.slo),
        "priority": workload.priority,
        "variants": [_variant(variant) for variant in workload.variants],
        "behavior": {
            "scaleUp": _rules(workload.behavior.scale_up),
            "scaleDown": _rules(workload.behavior.scale_down),
        },
        "schedules": [_schedule(schedule) for schedule in workload.schedules],
        "fallback": _fallback(workload.fallback),
    }
    optional = {
        "model": workload.model,
        "override": None if workload.override is None else _override(workload.override),
        "routing": None if workload.routing is None else _routing(workload.routing),
    }
    identity = {
        "name": workload.key.name,
        "namespace": workload.key.namespace,
        "uid": workload.uid or None,
        "generation": workload.generation or None,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelDeployment",
        "metadata": _present(identity),
        "spec": spec | _present(optional),
    }


def to_accelerator_manifest(accelerator: Accelerator) -> dict[str, Any]:
    """The AcceleratorProfile that parses to this accelerator."""
    price = accelerator.usd_per_gpu_hour
    spec = {
        "gpuResource": accelerator.gpu_resource,
        "nodeSelector": dict(accelerator.node_selector),
        "memoryGibibytes": accelerator.memory_gibibytes,
        "hardware": accelerator.hardware,
        "usdPerGpuHour": None if price is None else f"{price:f}",
        "capacity": [_point(point) for point in accelerator.capacity],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "AcceleratorProfile",
        "metadata": {"name": accelerator.name},
        "spec": _present(spec),
    }


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _decimal(value: float) -> str:
    """A float as a decimal string of at most six digits after the point."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text or "0"


def _slo(slo: Slo) -> dict[str, Any]:
    return {
        "ttftMilliseconds": slo.ttft_milliseconds,
        "tpotMilliseconds": slo.tpot_milliseconds,
        "percentile": slo.percentile,
        "attainmentPercent": round(slo.attainment * 100),
    }


def _variant(variant: Variant) -> dict[str, Any]:
    return _present(
        {
            "name": variant.name,
            "scaleTargetRef": {
                "apiVersion": variant.target.api_version,
                "kind": variant.target.kind,
                "name": variant.target.name,
            },
            "accelerator": variant.accelerator,
            "gpusPerReplica": variant.gpus_per_replica,
            "role": variant.role.value,
            "minReplicas": variant.min_replicas,
            "maxReplicas": variant.max_replicas,
            "service": variant.service,
        }
    )


def _rules(rules: ScalingRules) -> dict[str, Any]:
    return {
        "stabilizationWindowSeconds": rules.stabilization_window_seconds,
        "selectPolicy": rules.select_policy.value,
        "policies": [
            {"type": policy.type.value, "value": policy.value, "periodSeconds": policy.period_seconds}
            for policy in rules.policies
        ],
        "tolerance": _decimal(rules.tolerance),
    }


def _schedule(schedule: Schedule) -> dict[str, Any]:
    days = None if schedule.days == EVERY_DAY else [DAYS[day] for day in sorted(schedule.days)]
    return _present(
        {
            "name": schedule.name,
            "start": schedule.start,
            "end": schedule.end,
            "days": days,
            "timeZone": schedule.time_zone,
            "minReplicas": schedule.min_replicas,
        }
    )


def _fallback(fallback: Fallback) -> dict[str, Any]:
    return _present(
        {
            "afterSeconds": fallback.after_seconds,
            "policy": fallback.policy.value,
            "replicas": fallback.replicas,
        }
    )


def _override(override: Override) -> dict[str, Any]:
    until = datetime.fromtimestamp(override.until, UTC).isoformat().replace("+00:00", "Z")
    return {"replicas": override.replicas, "until": until, "reason": override.reason}


def _routing(routing: Routing) -> dict[str, Any]:
    return {
        "mode": routing.mode.value,
        "httpRoute": _present({"name": routing.http_route, "ruleName": routing.rule}),
    }


def _point(point: CapacityPoint) -> dict[str, Any]:
    return _present(
        {
            "model": point.model,
            "gpusPerReplica": point.gpus_per_replica,
            "requestsPerSecond": _decimal(point.requests_per_second),
            "inputTokens": None if point.input_tokens is None else round(point.input_tokens),
            "outputTokens": None if point.output_tokens is None else round(point.output_tokens),
        }
    )
