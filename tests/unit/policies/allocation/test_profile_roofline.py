from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foresail.policies.allocation.profiles.buckets import Buckets
from foresail.policies.allocation.profiles.deployment import AcceleratorSpec, Deployment, ModelSpec, Slo
from foresail.policies.allocation.profiles.roofline import Efficiency, roofline

LLAMA = ModelSpec("llama-8b", 8.03, 8.03, 32, 4096, 131072.0)
H100 = AcceleratorSpec("h100", 80.0, 3350.0, 989.0, 450.0)
BUCKETS = Buckets(np.array([32.0, 512.0, 8192.0]), np.array([32.0, 256.0, 1024.0]))
CHAT = Slo(0.04, 2.0)


def test_a_model_that_does_not_fit_serves_nothing() -> None:
    huge = replace(LLAMA, parameters=70.0, active_parameters=70.0)

    assert (roofline(Deployment(huge, H100, 1), CHAT, BUCKETS) == 0.0).all()
    assert (roofline(Deployment(huge, H100, 4), CHAT, BUCKETS) > 0.0).any()


def test_longer_requests_and_stricter_limits_never_raise_capacity() -> None:
    capacity = roofline(Deployment(LLAMA, H100, 1), CHAT, BUCKETS)

    assert (np.diff(capacity, axis=0) <= 0.0).all()
    assert (np.diff(capacity, axis=1) <= 0.0).all()
    assert (roofline(Deployment(LLAMA, H100, 1), Slo(0.02, 1.0), BUCKETS) <= capacity).all()


@pytest.mark.parametrize("field", ["memory_gib", "bandwidth_gb_per_second", "dense_tflops"])
def test_a_better_accelerator_never_serves_less(field: str) -> None:
    better = replace(H100, **{field: 2.0 * getattr(H100, field)})

    base = roofline(Deployment(LLAMA, H100, 1), CHAT, BUCKETS)
    assert (roofline(Deployment(LLAMA, better, 1), CHAT, BUCKETS) >= base).all()


def test_a_first_token_that_comes_too_late_is_not_served() -> None:
    slow = Slo(0.04, 0.15)

    capacity = roofline(Deployment(LLAMA, H100, 1), slow, BUCKETS)
    assert (capacity[2] == 0.0).all()
    assert (capacity[0] > 0.0).all()


def test_capacity_is_that_of_the_largest_batch_when_only_weights_are_read() -> None:
    """Arithmetic and KV cache made free of charge: every step reads all weights once, for the largest batch."""
    lean = replace(LLAMA, kv_bytes_per_token=1e-9)
    fast = replace(H100, dense_tflops=1e9)
    share = Efficiency(weights_bandwidth=1.0, step_seconds=0.0, layer_seconds=0.0)
    step = 8.03e9 * 2 / 3350e9

    capacity = roofline(Deployment(lean, fast, 1), Slo(), BUCKETS, share)
    assert capacity == pytest.approx(np.broadcast_to(1024 / (BUCKETS.output_edges * step), (3, 3)), rel=3e-3)


def test_slow_links_make_more_gpus_worth_less() -> None:
    pcie = replace(H100, link_gb_per_second=32.0, link_efficiency=0.1)

    fast, slow = (roofline(Deployment(LLAMA, chip, 4), CHAT, BUCKETS) for chip in (H100, pcie))
    assert (slow < fast).all()
