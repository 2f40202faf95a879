"""Routing weights and head-room in a simulation (service.py): fleets of several sizes, profiles that are wrong by 20 %.

A model of 8 billion parameters on five GPU types, TPOT 40 ms. Every capacity is off by up to a fifth either way, each
variant and bucket for itself, which the planner does not know. Plans are made at several targets of utilization; their
cost is told against that of the plan at 1, which the paper's program makes. Three ways to live with the error:

- the weights alone, the least loaded replica within the variant that they choose;
- the same, but a variant without room is passed over for the replica that has most;
- the same again, planned with each variant's profile corrected by what its replicas were seen to serve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import Any

import numpy as np

from benchmarks.allocation.instances import MIXES, Weights, chips, edges, mix, roofline
from benchmarks.allocation.service import Arrivals, Service, late_share, poisson, serve
from foresail.domain.allocation import TRAFFIC_RPS, Allocation, AllocationProblem, Candidate, ModelDemand
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.allocate import allocate
from foresail.policies.allocation.profiles.correction import OBSERVATION_LOG_ERROR, uncorrected

TYPES = ("L4", "A10G", "L40S", "A100", "H100")
TPOT_SECONDS = 0.040
ERROR = 0.2
WARM_SECONDS = 60.0
EVEN_SECONDS = 600.0  # of arrivals without chance
OBSERVATIONS = 20  # windows at saturation, before the corrected plan
TARGETS = (1.0, 0.95, 0.92, 0.9, 0.87, 0.85, 0.8, 0.75)
ALONE, PASS_OVER, CORRECTED = "weights alone", "full variants passed over", "… and profiles corrected"
WAYS = (ALONE, PASS_OVER, CORRECTED)


@dataclass(frozen=True, slots=True)
class Size:
    """Fleets of one size: demand, seeds of each mix, and requests of a run."""

    rps: float
    seeds: int
    requests: int = 10_000


FLEET_SIZES = (Size(8, 6), Size(32, 6), Size(64, 6), Size(128, 4), Size(256, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A model as its profile has it, and what is true.

    Args:
        model: With capacities of the profile.
        use: Shape (B,), buckets with traffic.
        truth: Shape (V, B), true capacity over the profile's.
        idle_share: Shape (V,).
        tokens: Shape (B,), output tokens.
    """

    model: ModelDemand
    use: np.ndarray[tuple[int], np.dtype[np.int64]]
    truth: FloatArray
    idle_share: FloatArray
    tokens: FloatArray

    @property
    def demand_rps(self) -> FloatArray:
        """Shape (B,)."""
        return self.model.demand_rps.ravel()[self.use]

    def capacity_rps(self) -> FloatArray:
        """What the profile says, shape (V, B)."""
        return np.array([candidate.capacity_rps.ravel()[self.use] for candidate in self.model.candidates])

    def service(self, allocation: Allocation, truth: FloatArray) -> Service:
        """The replicas of a plan."""
        replicas = allocation.plans[self.model.name].replicas
        return Service(replicas, self.capacity_rps() * truth, self.idle_share, self.tokens, TPOT_SECONDS)

    def routing(self, allocation: Allocation) -> FloatArray:
        """Of a plan, shape (V, B)."""
        return allocation.plans[self.model.name].routing.reshape(len(self.idle_share), -1)[:, self.use]


def measure_headroom(size: Size) -> dict[str, Any]:
    """Share of requests in time and cost, by way and target, over all cases of a size."""
    cases = [(make_case(kind, size.rps, seed), seed) for seed in range(size.seeds) for kind in MIXES]
    runs = {
        (way, target): [_run(case, way, target, size, seed) for case, seed in cases]
        for way in WAYS
        for target in TARGETS
    }
    at_one = [run["usd"] for run in runs[ALONE, 1.0]]
    rows = [{"way": way, "target": target, **_row(found, at_one)} for (way, target), found in runs.items()]
    return {"rps": size.rps, "replicas": float(np.mean([run["replicas"] for run in runs[ALONE, 1.0]])), "rows": rows}


def measure_weights(targets: Sequence[float]) -> list[dict[str, Any]]:
    """Utilization of replicas under the weights where profiles are right, and under weights by throughput."""
    return [row for target in targets for row in _weights_at(target)]


def make_case(kind: str, rps: float, seed: int) -> Case:
    """A mix at a rate, of what any of the GPU types can serve."""
    rng = np.random.default_rng([seed, MIXES.index(kind)])
    inputs, outputs = edges(8, 64, 8192), edges(5, 32, 768)
    pool = [chip for chip in chips() if chip.name in TYPES]
    found = [roofline(chip, Weights(tpot_seconds=TPOT_SECONDS), inputs, outputs) for chip in pool]
    able = np.any([one.capacity_rps > 0.0 for one in found], axis=0)
    demand = np.where(able, mix(kind, inputs, outputs, rng), 0.0)
    candidates = tuple(
        Candidate(chip.name, chip.name, 1, chip.usd_per_hour, one.capacity_rps)
        for chip, one in zip(pool, found, strict=True)
    )
    model = ModelDemand("model", rps * demand / demand.sum(), candidates)
    use = np.flatnonzero(model.demand_rps.ravel() > TRAFFIC_RPS)
    truth = 1.0 + rng.uniform(-ERROR, ERROR, (len(pool), len(use)))
    tokens = np.broadcast_to(outputs, able.shape).ravel()[use]
    return Case(model, use, truth, np.array([one.idle_share for one in found]), tokens)


def plan(case: Case, target: float, factors: Sequence[float] | None = None) -> Allocation:
    """At a target of utilization, with capacities times `factors` by variant."""
    model = case.model
    if factors is not None:
        pairs = zip(model.candidates, factors, strict=True)
        model = replace(model, candidates=tuple(replace(c, capacity_rps=c.capacity_rps * f) for c, f in pairs))
    return allocate(AllocationProblem((model,), {}), target_utilization=target)


def learn(case: Case, rng: np.random.Generator) -> list[float]:
    """What the product's correction believes of each variant after some windows at saturation, on the whole mix."""
    factors = []
    for capacity, truth in zip(case.capacity_rps(), case.truth, strict=True):
        able = capacity > 0.0
        load = case.demand_rps[able] / capacity[able]
        factor = load.sum() / (load / truth[able]).sum() if able.any() else 1.0
        belief = uncorrected(ERROR)
        for _ in range(OBSERVATIONS):
            belief = belief.observed(factor * exp(rng.normal(0.0, OBSERVATION_LOG_ERROR)), 1.0)
        factors.append(exp(belief.log_factor))
    return factors


def _run(case: Case, way: str, target: float, size: Size, seed: int) -> dict[str, float]:
    rng = np.random.default_rng([7, seed])
    allocation = plan(case, target, learn(case, rng) if way == CORRECTED else None)
    service = case.service(allocation, case.truth)
    arrivals = poisson(case.demand_rps, WARM_SECONDS + size.requests / size.rps, rng)
    served = serve(service, case.routing(allocation), arrivals, pass_over=way != ALONE)
    late = late_share(service, served, arrivals, WARM_SECONDS)
    return {"usd": allocation.usd_per_hour, "in_time": 1.0 - late, "replicas": sum(service.replicas)}


def _row(runs: Sequence[dict[str, float]], at_one: Sequence[float]) -> dict[str, float]:
    cost = [run["usd"] / usd for run, usd in zip(runs, at_one, strict=True)]
    in_time = [run["in_time"] for run in runs]
    return {
        "in_time": float(np.mean(in_time)),
        "in_time_worst": min(in_time),
        "cost": float(np.mean(cost)),
        "cost_worst": max(cost),
    }


def _weights_at(target: float) -> Iterator[dict[str, Any]]:
    """Arrivals without chance: every bucket's evenly spaced, and drawn evenly over its weights."""
    for kind in MIXES:
        case = make_case(kind, 64.0, 0)
        allocation = plan(case, target)
        service = case.service(allocation, np.ones(case.truth.shape))
        arrivals = _even(case.demand_rps, EVEN_SECONDS)
        own = serve(service, case.routing(allocation), arrivals).work_seconds
        rival = serve(service, _by_throughput(service), arrivals).work_seconds
        busiest = [max(float(work.max(initial=0.0)) for work in found) / EVEN_SECONDS for found in (own, rival)]
        yield {"mix": kind, "target": target, "busiest": busiest[0], "busiest_by_throughput": busiest[1]}


def _by_throughput(service: Service) -> FloatArray:
    """The paper's balancer: a replica's weight for a bucket is its greatest throughput."""
    weight = np.array(service.replicas)[:, None] * service.capacity_rps
    return np.asarray(weight / weight.sum(axis=0))


def _even(demand_rps: FloatArray, seconds: float) -> Arrivals:
    golden = (5**0.5 - 1) / 2  # multiples of it fill 0…1 evenly
    counts = np.rint(demand_rps * seconds).astype(int)
    when = np.concatenate([(np.arange(count) + 0.5) / count * seconds for count in counts if count])
    drawn = np.concatenate([np.arange(count) * golden % 1.0 for count in counts])
    order = np.argsort(when, kind="stable")
    return Arrivals(when[order], np.repeat(np.arange(len(counts)), counts)[order], drawn[order])
