"""Two hundred ModelDeployments on two variants each: the objects, and what their pods would tell."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any

from foresail.sandbox.nodes import NodePool
from tests.fakes.prometheus import PodLoad

NAMESPACE = "fleet"
REPLICAS = {"h100": 2, "l40s": 1}
PRODUCTS = {"h100": "NVIDIA-H100-80GB-HBM3", "l40s": "NVIDIA-L40S"}
SECONDS_A_DAY = 86_400.0


def node_pools(models: int) -> tuple[NodePool, ...]:
    """Room for every replica and a quarter more."""
    return tuple(
        NodePool(name, product, 80_000, nodes=math.ceil(models * REPLICAS[name] * 1.25 / 8))
        for name, product in PRODUCTS.items()
    )


def accelerators() -> Iterator[dict[str, Any]]:
    """A profile for each variant."""
    for name, rps, usd in (("h100", "6", "4.69"), ("l40s", "2.5", "1.79")):
        point = {"model": "llama", "gpusPerReplica": 1, "inputTokens": 1000, "outputTokens": 250}
        yield {
            "apiVersion": "foresail.dev/v1alpha1",
            "kind": "AcceleratorProfile",
            "metadata": {"name": name},
            "spec": {
                "gpuResource": "nvidia.com/gpu",
                "nodeSelector": {"nvidia.com/gpu.product": PRODUCTS[name]},
                "memoryGibibytes": 80 if name == "h100" else 48,
                "usdPerGpuHour": usd,
                "capacity": [point | {"requestsPerSecond": rps}],
            },
        }


def deployments(models: int) -> Iterator[dict[str, Any]]:
    """One Deployment per model and variant; KWOK's pods are ready after a second."""
    for number in range(models):
        for variant, product in PRODUCTS.items():
            name = target_name(number, variant)
            container = {"name": "engine", "image": "engine", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
            yield {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {
                    "replicas": REPLICAS[variant],
                    "selector": {"matchLabels": {"app": name}},
                    "template": {
                        "metadata": {"labels": {"app": name}, "annotations": {"sim.foresail.dev/startup": "1s"}},
                        "spec": {
                            "nodeSelector": {"nvidia.com/gpu.product": product},
                            "containers": [container],
                        },
                    },
                },
            }


def model_deployments(models: int, *, stabilization_seconds: int) -> Iterator[dict[str, Any]]:
    """In Auto mode, so that whatever is decided is written too."""
    for number in range(models):
        variants = [
            {
                "name": variant,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target_name(number, variant)},
                "accelerator": variant,
                "minReplicas": 1,
                "maxReplicas": 6,
            }
            for variant in PRODUCTS
        ]
        yield {
            "apiVersion": "foresail.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": f"model-{number:03d}", "namespace": NAMESPACE},
            "spec": {
                "mode": "Auto",
                "slo": {"ttftMilliseconds": 2000, "tpotMilliseconds": 50, "attainmentPercent": 97},
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": stabilization_seconds}},
                "variants": variants,
            },
        }


def target_name(number: int, variant: str) -> str:
    """Name of a Deployment."""
    return f"model-{number:03d}-{variant}"


def load_of(pod: str) -> PodLoad:
    """What a pod tells: its own steady rate, so that a cycle can be one in which nothing changes."""
    rps = 2.0 + zlib.crc32(pod.rpartition("-")[0].encode()) % 200 / 100
    return PodLoad(rps=rps if "h100" in pod else rps / 3)


def day(at: float) -> float:
    """The past as a multiple of now: a working day, and level for the last three hours."""
    return 1.0 + 0.4 * math.sin(2 * math.pi * at / SECONDS_A_DAY)
