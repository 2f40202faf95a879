"""Builders for tests: everything is valid by default, override what matters.

The ordinary case: `prod/chat` on H100s at 4 USD/h, requests of 1,000 input and 250 output tokens of which one replica
sustains 6 per second, five replicas ready, 24 rps now and later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import numpy as np

from foresail.domain.accelerator import Accelerator, CapacityPoint, NodeRoom, Pool
from foresail.domain.forecast import Forecast
from foresail.domain.memory import Memory, WorkloadMemory
from foresail.domain.snapshot import (
    Demand,
    FleetSnapshot,
    Known,
    Replicas,
    Signal,
    Unknown,
    VariantObservation,
    WorkloadObservation,
)
from foresail.domain.timeseries import DEMAND_INDICATORS, FloatArray, Window
from foresail.domain.workload import Mode, TargetRef, Variant, Workload, WorkloadKey

NOW = 1_795_435_200.0  # 2026-11-23T12:00:00Z, a Monday
INPUT_TOKENS_PER_REQUEST = 1000.0
OUTPUT_TOKENS_PER_REQUEST = 250.0
RPS_PER_REPLICA = 6.0
MODEL = "meta-llama/Llama-3.1-8B"


def make_variant(name: str = "h100", **changes: Any) -> Variant:
    """A variant on a Deployment of its own name."""
    variant = Variant(name=name, target=TargetRef("apps/v1", "Deployment", f"chat-{name}"), accelerator=name)
    return replace(variant, **({"max_replicas": 20} | changes))


def make_workload(name: str = "chat", *, namespace: str = "prod", **changes: Any) -> Workload:
    """A workload in Auto with one variant; any field of `Workload` may be overridden."""
    workload = Workload(
        key=WorkloadKey(namespace, name),
        uid=f"uid-of-{namespace}-{name}",
        generation=1,
        variants=(make_variant(),),
        mode=Mode.AUTO,
        model=MODEL,
    )
    return replace(workload, **changes)


def make_demand(
    rps: float,
    *,
    input_tokens: float = INPUT_TOKENS_PER_REQUEST,
    output_tokens: float = OUTPUT_TOKENS_PER_REQUEST,
) -> Demand:
    """Demand of `rps` requests per second with these tokens per request."""
    return Demand(rps, rps * input_tokens, rps * output_tokens)


def make_replicas(current: int = 5, **changes: Any) -> Replicas:
    """All of `current` ready, unless `ready` says otherwise."""
    return replace(Replicas(current=current, ready=current), **changes)


def make_variant_observation(
    variant: str = "h100", replicas: Replicas | int | None = 5, **changes: Any
) -> VariantObservation:
    """A variant whose target was found (unless `replicas` is None) and starts replicas in 180 s."""
    counts = make_replicas(replicas) if isinstance(replicas, int) else replicas
    observation = VariantObservation(
        name=variant,
        replicas=counts,
        target_uid=f"uid-of-{variant}",
        resource_version="7",
        startup_seconds=(180.0, 180.0, 180.0),
        problem=None if counts else Unknown("TargetNotFound", f"Deployment/chat-{variant} does not exist; create it"),
    )
    return replace(observation, **changes)


def make_observation(
    workload: Workload | None = None,
    *,
    replicas: Replicas | int | None = 5,
    variants: Sequence[VariantObservation] | None = None,
    demand: Demand | Unknown | float = 24.0,
    attainment: Signal | None = None,
    **changes: Any,
) -> WorkloadObservation:
    """A workload as it is; `replicas` holds for every variant that `variants` does not describe."""
    workload = workload or make_workload()
    observed = tuple(variants or [make_variant_observation(variant.name, replicas) for variant in workload.variants])
    observation = WorkloadObservation(
        workload=workload,
        variants=observed,
        demand=make_demand(float(demand)) if isinstance(demand, int | float) else demand,
        attainment=Known(0.99) if attainment is None else attainment,
        model=MODEL,
    )
    return replace(observation, **changes)


def make_accelerator(
    name: str = "h100",
    *,
    rps: float | None = RPS_PER_REPLICA,
    usd_per_gpu_hour: str | None = "4",
    points: Sequence[CapacityPoint] | None = None,
) -> Accelerator:
    """A profile that knows `rps` requests of the ordinary lengths per replica (None: knows no capacity)."""
    if points is None:
        lengths = (INPUT_TOKENS_PER_REQUEST, OUTPUT_TOKENS_PER_REQUEST)
        points = () if rps is None else (CapacityPoint(MODEL, 1, rps, *lengths),)
    return Accelerator(
        name=name,
        gpu_resource="nvidia.com/gpu",
        node_selector={"nvidia.com/gpu.product": name},
        memory_gibibytes=80,
        usd_per_gpu_hour=None if usd_per_gpu_hour is None else Decimal(usd_per_gpu_hour),
        capacity=tuple(points),
    )


def make_pool(accelerator: str = "h100", *, free: int = 64, total: int = 128) -> Pool:
    """A pool with `free` GPUs."""
    return Pool(accelerator, total, free)


def make_nodes(*free_by_node: int, largest: int = 8, accelerator: str = "h100") -> Pool:
    """A pool with so many free GPUs on each node, of which the largest has `largest` in all."""
    rooms = tuple(NodeRoom(f"node-{number}", free) for number, free in enumerate(free_by_node))
    return Pool(accelerator, largest * len(rooms), sum(free_by_node), rooms, largest)


def make_snapshot(
    *observations: WorkloadObservation,
    now: float = NOW,
    cycle_seconds: float = 15.0,
    leader_since: float = NOW - 86_400,
    accelerators: Sequence[Accelerator] | None = None,
    pools: Sequence[Pool] | None = (),
) -> FleetSnapshot:
    """A fleet (one ordinary workload by default) with profiles and roomy pools of every accelerator it names."""
    observations = observations or (make_observation(),)
    names = sorted({v.accelerator for o in observations for v in o.workload.variants if v.accelerator})
    profiles = [make_accelerator(name) for name in names] if accelerators is None else accelerators
    rooms = [make_pool(name) for name in names] if pools == () else pools
    return FleetSnapshot(
        now=now,
        cycle_seconds=cycle_seconds,
        leader_since=leader_since,
        workloads={observation.workload.key: observation for observation in observations},
        accelerators={profile.name: profile for profile in profiles},
        pools=None if rooms is None else {pool.accelerator: pool for pool in rooms},
    )


def make_forecast(
    rps: float | Sequence[float] = 24.0,
    *,
    spread: float = 0.0,
    samples: int = 200,
    steps: int = 40,
    step_seconds: float = 15.0,
    origin: float = NOW,
    input_tokens: float = INPUT_TOKENS_PER_REQUEST,
    output_tokens: float = OUTPUT_TOKENS_PER_REQUEST,
    **changes: Any,
) -> Forecast:
    """Paths of median `rps` (one number, or one per step) times lognormal quantiles of standard deviation `spread`."""
    median = np.broadcast_to(
        np.asarray(rps, dtype=np.float64), (steps if np.ndim(rps) == 0 else len(np.atleast_1d(rps)),)
    )
    factors = np.exp(spread * np.array([NormalDist().inv_cdf((i + 0.5) / samples) for i in range(samples)]))
    tokens = np.array([1.0, input_tokens, output_tokens])
    paths = factors[:, None, None] * median[None, :, None] * tokens[None, None, :]
    forecast = Forecast(DEMAND_INDICATORS, origin, step_seconds, paths, "mixture", "enough history", calibrated=True)
    return replace(forecast, **changes)


def make_window(
    rps: Sequence[float | None],
    *,
    step_seconds: float = 15.0,
    end: float = NOW,
    input_tokens: float = INPUT_TOKENS_PER_REQUEST,
    output_tokens: float = OUTPUT_TOKENS_PER_REQUEST,
) -> Window:
    """A demand window; None marks a hole."""
    observed = np.array([value is not None for value in rps])
    rates: FloatArray = np.array([0.0 if value is None else value for value in rps], dtype=np.float64)
    values = rates[:, None] * np.array([1.0, input_tokens, output_tokens])[None, :]
    return Window(DEMAND_INDICATORS, step_seconds, end, values, np.repeat(observed[:, None], 3, axis=1))


def make_memory(workload: Workload | None = None, **changes: Any) -> Memory:
    """A memory in which the workload's demand has been known for a day and nothing has been changed."""
    workload = workload or make_workload()
    uids: Mapping[str, str] = {variant.name: f"uid-of-{variant.name}" for variant in workload.variants}
    remembered = WorkloadMemory(uid=workload.uid, known_since=NOW - 86_400, target_uids=uids)
    return Memory({workload.key: replace(remembered, **changes)})
