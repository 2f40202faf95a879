"""Capacity from first principles: what memory, bandwidth, arithmetic and links of the GPUs allow.

An engine with continuous batching steps through batches of b sequences. One step takes

    s(b) = max(weights / bandwidth, b · token) + b · (context · KV bytes / bandwidth + all-reduce) + fixed

and a request adds its prefill, so that an output token takes t(b) = s(b) + b · prefill / output tokens on average. The
largest rate b / (output tokens · t(b)) whose t keeps the TPOT, whose first token keeps the TTFT and whose KV cache fits
is the capacity. Bounds as in Williams et al., "Roofline" (CACM 52(4), 2009); interference of prefill and decode as in
Agrawal et al., "Sarathi-Serve" (arXiv 2403.02310, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.profiles.buckets import Buckets
from foresail.policies.allocation.profiles.deployment import Deployment, Slo

BATCHES = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024], dtype=np.float64)
RESERVED_GB = 1.0  # of each GPU: activations and the CUDA context
ROOFLINE_LOG_ERROR = 0.3  # 1 sigma against the shipped matrices, all of them together


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Shares of the data sheet that engines reach, fitted once to all shipped matrices, some of them by hand."""

    compute: float = 0.79
    weights_bandwidth: float = 0.8
    kv_bandwidth: float = 0.83
    memory: float = 0.87
    experts_compute: float = 0.39  # of `compute`: small matrices
    experts_bandwidth: float = 0.68  # of `weights_bandwidth`
    allreduce_seconds: float = 5e-6
    step_seconds: float = 0.0017
    layer_seconds: float = 6.7e-6
    queued_steps: float = 1.45  # a first token waits for the step that runs
    far_links: float = 0.5  # PCIe between more than 4 GPUs crosses sockets


def roofline(deployment: Deployment, slo: Slo, buckets: Buckets, efficiency: Efficiency | None = None) -> FloatArray:
    """Requests per second that a replica sustains; 0 where it cannot keep the SLO or does not fit. Shape (I, J)."""
    share = efficiency or Efficiency()
    model, chip, gpus = deployment.model, deployment.accelerator, deployment.gpus
    weight_bytes = model.parameters * 1e9 * model.bytes_per_weight
    free = gpus * (chip.memory_gib * 2**30 * share.memory - RESERVED_GB * 1e9) - weight_bytes
    if free <= 0.0:
        return np.zeros(buckets.shape)
    inputs, outputs = buckets.input_edges[:, None, None], buckets.output_edges[None, :, None]
    allreduce, fixed = _link_seconds(deployment, share)
    flops = gpus * chip.dense_tflops * 1e12 * share.compute
    flops *= share.experts_compute if model.is_mixture_of_experts else 1.0
    token = 2.0 * model.active_parameters * 1e9 / flops
    read = _weights_seconds(deployment, share)
    bandwidth = gpus * chip.bandwidth_gb_per_second * 1e9 * share.kv_bandwidth
    context = (inputs + outputs / 2.0) * model.kv_bytes_per_token / bandwidth
    step = np.maximum(read, BATCHES * token) + BATCHES * (context + allreduce) + fixed
    attention = 2.0 * model.layers * model.hidden * inputs / flops  # causal: half of the context on average
    prefill = inputs * (token + attention + allreduce)
    per_token = step + BATCHES * prefill / outputs
    rate = BATCHES / (outputs * per_token)
    kept = (BATCHES * (inputs + outputs) * model.kv_bytes_per_token <= free) & (per_token <= slo.tpot_seconds)
    in_time = share.queued_steps * (step + prefill) <= slo.ttft_seconds
    return np.asarray(np.where(kept & in_time, rate, 0.0).max(axis=-1))


def _link_seconds(deployment: Deployment, share: Efficiency) -> tuple[float, float]:
    """Seconds of all-reduce per token (a ring, twice a layer) and seconds of a step that no token changes."""
    model, chip, gpus = deployment.model, deployment.accelerator, deployment.gpus
    fixed = share.step_seconds + model.layers * share.layer_seconds
    if gpus == 1:
        return 0.0, fixed
    far = share.far_links if chip.has_slow_links and gpus > 4 else 1.0
    link = chip.link_gb_per_second * 1e9 * chip.link_efficiency * far
    allreduce = 2 * model.layers * 2 * (gpus - 1) / gpus * model.hidden * 2 / link
    return allreduce, fixed + 2 * model.layers * share.allreduce_seconds


def _weights_seconds(deployment: Deployment, share: Efficiency) -> FloatArray:
    """Seconds to read the weights that a batch touches; experts are taken to be drawn evenly."""
    model, chip = deployment.model, deployment.accelerator
    bandwidth = deployment.gpus * chip.bandwidth_gb_per_second * 1e9 * share.weights_bandwidth
    bandwidth *= share.experts_bandwidth if model.is_mixture_of_experts else 1.0
    untouched = np.exp(-BATCHES * model.active_parameters / model.parameters)
    touched = model.active_parameters + (model.parameters - model.active_parameters) * (1.0 - untouched)
    return touched * 1e9 * model.bytes_per_weight / bandwidth
