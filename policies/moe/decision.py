"""What a change of width costs over the paths of a forecast, in seconds of one GPU.

    cost = GPUs bought · horizon + c · E[unmet until ready + unmet afterwards] + c · pause · capacity in use

Unmet is the work, in GPUs of now, that demand is beyond what serves. A GPU that is freed counts against the cost from
the moment it is free. Constants are inputs: their defaults are published measurements, named at each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from foresail.domain.timeseries import FloatArray
from foresail.policies.moe.limits import Engine, Limits, limits_of

Action = Literal["nothing", "rebalance", "shrink", "grow", "remove-replica", "add-replica"]


@dataclass(frozen=True, slots=True)
class Weights:
    """A model: `policies.moe.spec` reads these from its config."""

    expert_bytes: float
    experts: int
    moe_layers: int
    other_bytes: float
    kv_bytes_per_token: float


@dataclass(frozen=True, slots=True)
class Hardware:
    """One GPU: its memory, the share that is used, what activations take; bytes per second of link and storage."""

    memory_bytes: float = 141e9  # H200
    used_share: float = 0.9  # vLLM's default
    reserve_bytes: float = 8e9
    link_bytes_per_second: float = 50e9  # 400 Gbit/s
    storage_bytes_per_second: float = 3e9


@dataclass(frozen=True, slots=True)
class Times:
    """How long parts of a start take, seconds: about 85 of the 92 that vLLM publishes for growing from 16 to 20 GPUs.

    Args:
        pod: From nothing to a running container, its image present.
        process: Python, libraries, the GPU's context.
        warm: Compilation and capture of graphs.
        standby_warm_share: What is left of `warm` in a process that waits in stand-by.
        drain: Until a replica that goes has finished its requests.
    """

    pod: float = 20.0
    process: float = 40.0
    warm: float = 45.0
    standby_warm_share: float = 0.1
    drain: float = 120.0


@dataclass(frozen=True, slots=True)
class Group:
    """What serves.

    Args:
        replicas: Groups of `Engine.gpus` each.
        tokens_per_second_per_gpu: What one GPU serves, as measured in the size of now.
        tpot_seconds: Time per output token that is kept, and
        context_tokens: tokens that a request holds: how much cache full speed needs.
        standby_gpus: Of ranks that are started and wait.
        spare_in_fabric: Idle GPUs that this group can grow into.
        spare_elsewhere: Idle GPUs that only a replica can use.
        balance_now: Load of the busiest GPU over the mean.
        balance_after: The same after experts were placed anew; None: not known, so nothing is rebalanced.
        copies_per_gpu: Most experts that one GPU then has to fetch.
    """

    replicas: int
    tokens_per_second_per_gpu: float
    tpot_seconds: float = 0.05
    context_tokens: float = 4000.0
    standby_gpus: int = 0
    spare_in_fabric: int = 0
    spare_elsewhere: int = 0
    balance_now: float = 1.0
    balance_after: float | None = None
    copies_per_gpu: int = 0


@dataclass(frozen=True, slots=True)
class Prices:
    """What is weighed against a GPU's second: unmet work, and the share lost per GPU added to a group."""

    unmet: float = 4.0
    loss_per_gpu: float = 0.0015  # exchange between experts takes longer the more there are


@dataclass(frozen=True, slots=True)
class Demand:
    """A forecast: equally likely paths, shape (S, H), tokens per second, a column each `step_seconds`."""

    tokens_per_second: FloatArray
    step_seconds: float

    @property
    def horizon_seconds(self) -> float:
        """How far it looks ahead."""
        return float(self.tokens_per_second.shape[1] * self.step_seconds)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision rests on."""

    weights: Weights
    engine: Engine
    group: Group
    demand: Demand
    hardware: Hardware = Hardware()
    times: Times = Times()
    prices: Prices = Prices()

    @property
    def limits(self) -> Limits:
        """What its engine can do."""
        return limits_of(self.engine)

    @property
    def gain(self) -> float:
        """By which factor placing experts anew raises what GPUs serve."""
        after = self.group.balance_after
        return 1.0 if after is None else self.group.balance_now / after

    def slots_bytes(self, slots: int) -> float:
        """Experts on one GPU with so many slots in each layer."""
        return slots * self.weights.moe_layers * self.weights.expert_bytes

    def ingress_bytes(self, slots: int) -> float:
        """What a GPU receives that joins."""
        return self.weights.other_bytes / self.engine.gpus_per_rank + self.slots_bytes(slots)

    def kv_tokens(self, slots: int) -> float:
        """Tokens that one GPU's cache holds, 0 where the weights leave no room."""
        hardware = self.hardware
        free = hardware.memory_bytes * hardware.used_share - hardware.reserve_bytes - self.ingress_bytes(slots)
        return max(0.0, free) / self.weights.kv_bytes_per_token / self.engine.gpus_per_rank

    def efficiency(self, slots: int) -> float:
        """Share of full speed that the cache of a GPU leaves: small groups of large models are poor."""
        group = self.group
        return min(
            1.0, self.kv_tokens(slots) / (group.tokens_per_second_per_gpu * group.tpot_seconds * group.context_tokens)
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that could be done.

    Args:
        action: Its kind.
        group_gpus: GPUs of the group that changes, afterwards; of a new replica.
        replicas: Groups afterwards.
        gpus: How many more are held, negative where some are freed.
        before: GPUs of now that serve until it is ready.
        after: The same afterwards.
        ready_seconds: From now until then.
        pause_seconds: In which a group serves nothing.
        paused: GPUs of now in that group.
        ingress_bytes: What a GPU receives that joins, 0 where none does.
    """

    action: Action
    group_gpus: int
    replicas: int
    gpus: int
    before: float
    after: float
    ready_seconds: float
    pause_seconds: float = 0.0
    paused: float = 0.0
    ingress_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Expected cost in parts, seconds of one GPU.

    Args:
        gpus: Bought, negative where freed.
        unmet_until_ready: Demand beyond what serves until the change is ready.
        unmet_after: The same from then to the horizon.
        pause: Work that is not done in the pause.
    """

    gpus: float
    unmet_until_ready: float
    unmet_after: float
    pause: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.gpus + self.unmet_until_ready + self.unmet_after + self.pause


def expected_cost(situation: Situation, change: Change) -> Cost:
    """What a change costs over the paths, on average."""
    demand, c = situation.demand, situation.prices.unmet
    need = demand.tokens_per_second / situation.group.tokens_per_second_per_gpu
    step, horizon = demand.step_seconds, demand.horizon_seconds
    early = np.clip(change.ready_seconds - step * np.arange(need.shape[1]), 0.0, step)  # part of each step before
    until = np.maximum(need - change.before, 0.0) @ early
    after = np.maximum(need - change.after, 0.0) @ (step - early)
    held = horizon if change.gpus >= 0 else max(horizon - change.ready_seconds, 0.0)
    return Cost(change.gpus * held, c * _mean(until), c * _mean(after), c * _paused(situation, change, need))


def _paused(situation: Situation, change: Change, need: FloatArray) -> float:
    """Work of the group that pauses, when it does; nothing where that is beyond the horizon."""
    step = int(change.ready_seconds // situation.demand.step_seconds)
    if step >= need.shape[1] or not change.pause_seconds:
        return 0.0
    share = change.paused / change.before if change.before else 0.0
    return change.pause_seconds * share * _mean(np.minimum(need[:, step], change.before))


def _mean(values: FloatArray) -> float:
    """The mean that does not depend on the order of paths."""
    return float(np.sort(values).mean())
