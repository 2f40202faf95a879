"""What a replica is: a model, an accelerator, how many of them, and the latency that it has to keep."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's sizes, as its config.json tells them.

    Args:
        name: As engines report it.
        parameters: All weights, in 1e9.
        active_parameters: Weights that one token passes, in 1e9; fewer than `parameters` in a mixture of experts.
        layers: Transformer blocks.
        hidden: Width of the residual stream.
        kv_bytes_per_token: Keys and values of all layers.
        bytes_per_weight: 2 for bfloat16, 1 for fp8.
    """

    name: str
    parameters: float
    active_parameters: float
    layers: int
    hidden: int
    kv_bytes_per_token: float
    bytes_per_weight: float = 2.0

    @property
    def is_mixture_of_experts(self) -> bool:
        """Whether a token passes only some of the weights."""
        return self.active_parameters < self.parameters


@dataclass(frozen=True, slots=True)
class AcceleratorSpec:
    """A GPU type as its data sheet tells it.

    Args:
        name: Of the type.
        memory_gib: Of one GPU.
        bandwidth_gb_per_second: Of its memory.
        dense_tflops: At 16 bits, without sparsity.
        link_gb_per_second: To another GPU, one direction.
        link_efficiency: Share of it that an all-reduce reaches: about 0.4 over NVLink, 0.1 to 0.3 over PCIe.
    """

    name: str
    memory_gib: float
    bandwidth_gb_per_second: float
    dense_tflops: float
    link_gb_per_second: float
    link_efficiency: float = 0.4

    @property
    def has_slow_links(self) -> bool:
        """PCIe: the fastest (generation 6) gives 128 GB/s a direction, the slowest NVLink in use 300."""
        return self.link_gb_per_second < 200.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """One replica: a model spread over GPUs of one type."""

    model: ModelSpec
    accelerator: AcceleratorSpec
    gpus: int


@dataclass(frozen=True, slots=True)
class Slo:
    """Means that requests must keep: seconds per output token, and until the first one."""

    tpot_seconds: float = inf
    ttft_seconds: float = inf

    def is_at_least_as_strict_as(self, other: Slo) -> bool:
        """Whether what keeps this keeps the other too."""
        return self.tpot_seconds <= other.tpot_seconds and self.ttft_seconds <= other.ttft_seconds
