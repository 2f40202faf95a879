"""What the parser understands, and how it refuses."""

from __future__ import annotations

import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from foresail.domain.accelerator import CapacityPoint
from foresail.domain.errors import SpecError
from foresail.domain.workload import (
    DEFAULT_SCALE_DOWN,
    DEFAULT_SCALE_UP,
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
    Schedule,
    SelectPolicy,
    Slo,
    TargetRef,
    Variant,
    Workload,
    WorkloadKey,
)
from foresail.operator.resources import parse_accelerator, parse_workload

CHAT: dict[str, Any] = yaml.safe_load("""
apiVersion: foresail.dev/v1alpha1
kind: ModelDeployment
metadata: {name: chat, namespace: prod, uid: u-1, generation: 3}
spec:
  mode: Auto
  engine: vLLM
  slo: {ttftMilliseconds: 1500, tpotMilliseconds: 50, percentile: 90, attainmentPercent: 98}
  priority: 100
  variants:
  - name: h100
    scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: chat-h100}
    accelerator: h100
    gpusPerReplica: 2
    role: Unified
    minReplicas: 1
    maxReplicas: 12
    service: chat-h100
  - {name: l40s, scaleTargetRef: {name: chat-l40s}, service: chat-l40s}
  routing: {mode: Write, httpRoute: {name: chat, ruleName: completions}}
  behavior:
    scaleDown:
      policies: [{type: Pods, value: 2, periodSeconds: 60}]
      tolerance: 50m
  schedules:
  - {name: morning, start: "07:30", end: "19:00", days: [Mon, Fri], timeZone: Europe/Berlin, minReplicas: 4}
  - {name: weekend, start: 0 0 * * SAT, end: 0 0 * * MON, minReplicas: 2}
  fallback: {afterSeconds: 60, policy: Static, replicas: 4}
  override: {replicas: 8, until: "1970-01-01T01:00:00.5+01:00", reason: launch}
""")
H100: dict[str, Any] = yaml.safe_load("""
apiVersion: foresail.dev/v1alpha1
kind: AcceleratorProfile
metadata: {name: h100}
spec:
  nodeSelector: {nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3}
  memoryGibibytes: 80
  hardware: h100_sxm
  usdPerGpuHour: "4.69"
  capacity:
  - {model: llama, requestsPerSecond: "9.5"}
  - {model: llama, requestsPerSecond: "2.25", inputTokens: 4000, outputTokens: 500}
""")


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with one field set; a path is names and list indexes separated by dots."""
    result = copy.deepcopy(body)
    *parents, last = path.split(".")
    place: Any = result
    for step in parents:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    place[int(last) if isinstance(place, list) else last] = value
    return result


def test_every_field_of_a_modeldeployment_is_understood() -> None:
    workload = parse_workload(CHAT)

    assert workload.key == WorkloadKey("prod", "chat")
    assert (workload.uid, workload.generation, workload.mode, workload.engine) == ("u-1", 3, Mode.AUTO, Engine.VLLM)
    assert workload.slo == Slo(1500, 50, 90, 0.98)
    assert workload.priority == 100
    assert workload.variants == (
        Variant("h100", TargetRef("apps/v1", "Deployment", "chat-h100"), "h100", 2, Role.UNIFIED, 1, 12, "chat-h100"),
        Variant("l40s", TargetRef("apps/v1", "Deployment", "chat-l40s"), service="chat-l40s"),
    )
    assert workload.routing == Routing("chat", "completions", RoutingMode.WRITE)
    assert workload.fallback == Fallback(60, FallbackPolicy.STATIC, 4)
    assert workload.override == Override(replicas=8, until=0.5, reason="launch")
    assert workload.schedules == (
        Schedule("morning", "07:30", "19:00", "Europe/Berlin", 4, frozenset({0, 4})),
        Schedule("weekend", "0 0 * * SAT", "0 0 * * MON", "UTC", 2),
    )


def test_absent_fields_of_behavior_have_the_hpas_defaults_one_by_one() -> None:
    down = parse_workload(CHAT).behavior.scale_down

    assert parse_workload(CHAT).behavior.scale_up == DEFAULT_SCALE_UP
    assert down.policies == (ScalingPolicy(ScalingPolicyType.PODS, 2, 60),)
    assert down.tolerance == 0.05  # 50m
    assert (down.stabilization_window_seconds, down.select_policy) == (300, SelectPolicy.MAX)


def test_a_modeldeployment_of_one_target_reads_as_the_domains_defaults() -> None:
    body = {"metadata": {"name": "chat"}, "spec": {"variants": [{"name": "a", "scaleTargetRef": {"name": "chat"}}]}}

    variant = Variant("a", TargetRef("apps/v1", "Deployment", "chat"))
    assert parse_workload(body) == Workload(WorkloadKey("default", "chat"), "", 0, (variant,))
    assert parse_workload(body).behavior.scale_down == DEFAULT_SCALE_DOWN


def test_every_field_of_an_acceleratorprofile_is_understood() -> None:
    profile = parse_accelerator(H100)

    assert (profile.name, profile.gpu_resource, profile.memory_gibibytes) == ("h100", "nvidia.com/gpu", 80)
    assert profile.node_selector == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert (profile.usd_per_gpu_hour, profile.hardware) == (Decimal("4.69"), "h100_sxm")
    assert profile.capacity == (
        CapacityPoint("llama", 1, 9.5),
        CapacityPoint("llama", 1, 2.25, input_tokens=4000.0, output_tokens=500.0),
    )


REFUSED = [tuple(case.values()) for case in yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())]


@pytest.mark.parametrize(("path", "value", "message"), REFUSED, ids=[f"{case[0]}={case[1]}"[:60] for case in REFUSED])
def test_what_cannot_be_understood_is_refused_with_field_value_and_remedy(path: str, value: Any, message: str) -> None:
    source = "ModelDeployment prod" if path == "metadata.name" else "ModelDeployment prod/chat"

    with pytest.raises(SpecError) as refusal:
        parse_workload(changed(CHAT, path, value))

    assert str(refusal.value) == f"{source}: {message}"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "spec.usdPerGpuHour",
            4.69,
            'spec.usdPerGpuHour: must be a decimal string such as "4.69", got 4.69; correct its type',
        ),
        (
            "spec.usdPerGpuHour",
            "-1",
            "spec.usdPerGpuHour: must be a decimal string of at least 0, got '-1'; write it as \"4.69\"",
        ),
        (
            "spec.capacity.0.requestsPerSecond",
            "0.0",
            "spec.capacity[0].requestsPerSecond: must be above 0, got '0.0'; remove what cannot be served",
        ),
        (
            "spec.capacity.0.inputTokens",
            5,
            (
                "spec.capacity[0]: has only one of inputTokens and outputTokens, "
                "got {'model': 'llama', 'requestsPerSecond': '9.5', 'inputTokens': 5}; give both or neither"
            ),
        ),
        (
            "spec.capacity",
            [{"model": "llama", "requestsPerSecond": "1"}] * 2,
            "spec.capacity: 2 items have the same model, GPUs and lengths, got 'llama/1'; keep one of them",
        ),
    ],
)
def test_a_profile_that_cannot_be_understood_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        parse_accelerator(changed(H100, path, value))

    assert str(refusal.value) == f"AcceleratorProfile h100: {message}"


def test_the_example_of_the_schema_folder_names_every_field_the_parser_reads() -> None:
    """A field that is in the schema and not in the parser, or the other way round, would silently do nothing."""
    schema = Path(__file__).parents[3] / "crds" / "modeldeployments.yaml"
    version = yaml.safe_load(schema.read_text())["spec"]["versions"][0]
    properties = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]

    assert set(properties) == {*CHAT["spec"], "model"}
    assert set(properties["variants"]["items"]["properties"]) == set(CHAT["spec"]["variants"][0])
    assert set(properties["schedules"]["items"]["properties"]) == set(CHAT["spec"]["schedules"][0])


def test_equal_times_of_day_are_a_whole_day() -> None:
    schedule = parse_workload(changed(CHAT, "spec.schedules.0.end", "07:30")).schedules[0]

    assert schedule.start == schedule.end == "07:30"
