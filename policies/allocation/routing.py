"""Who serves what, once replicas are known: as much as they can, and then as evenly loaded as they can be.

A router that weighs variants by their greatest throughput overloads nearly every mixed plan; weights must come from the
shares that the plan counted with. Among them those are chosen whose busiest variant is least busy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foresail.domain.allocation import LOAD_TOLERANCE, TRAFFIC_RPS, ModelDemand, ModelPlan
from foresail.domain.timeseries import FloatArray
from foresail.policies.allocation.program import Traffic, traffic_of
from foresail.policies.programs.highs import Solution, Solver
from foresail.policies.programs.linear import IntArray, LinearProgram

NOTHING = 1e-7  # a share of a bucket that is no more than rounding
NOTICED = 1e-3  # a share that is no rounding, even of a bucket with hardly any traffic


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """A model's plan with its routing, and requests per second of each bucket that it leaves, shape (I, J)."""

    plan: ModelPlan
    left_rps: FloatArray


def route(model: ModelDemand, replicas: tuple[int, ...], target_utilization: float = 1.0) -> Routed:
    """Share the demand of a model among its replicas.

    Args:
        model: Demand and variants.
        replicas: By candidate.
        target_utilization: Load over replicas up to which demand is taken, 0…1.
    """
    traffic = traffic_of(model)
    room = np.array(replicas) * target_utilization + LOAD_TOLERANCE
    bucket, variant = np.nonzero(np.isfinite(traffic.load) & (np.array(replicas) > 0))
    shares = np.zeros(traffic.load.shape)
    if len(bucket):
        shares[bucket, variant] = _shares(traffic, bucket, variant, room)
    left = np.zeros(model.demand_rps.size)
    left[traffic.bucket] = traffic.rps * _missing(shares, traffic.rps)
    return Routed(plan_of(model, replicas, traffic, shares), left.reshape(model.demand_rps.shape))


def _shares(traffic: Traffic, bucket: IntArray, variant: IntArray, room: FloatArray) -> FloatArray:
    """Shares of the pairs: first the dearest demand served, then the busiest variant least busy."""
    program = LinearProgram()
    shares = program.add_columns(len(bucket))
    unserved = program.add_columns(len(traffic.rps), cost=traffic.rps / traffic.rps.max())
    busiest = program.add_columns(1)
    served = program.add_rows(len(traffic.rps), lower=1.0, upper=1.0)
    program.put(served[bucket], shares, 1.0)
    program.put(served, unserved, 1.0)
    held = np.flatnonzero(room > LOAD_TOLERANCE)
    fits, even = program.add_rows(len(room), upper=room), program.add_rows(len(room), upper=0.0)
    load = traffic.load[bucket, variant]
    program.put(fits[variant], shares, load)
    program.put(even[variant], shares, load)
    program.put(even[held], busiest[0], -room[held])
    solver = Solver(program)
    first = _found(solver.solve())
    solver.set_bounds(unserved, first[unserved], np.maximum(first[unserved], 0.0) + NOTHING)
    solver.set_costs(np.concatenate([unserved, busiest]), np.append(np.zeros(len(unserved)), 1.0))
    return _found(solver.solve())[shares]


def _found(solution: Solution) -> FloatArray:
    if solution.x is None:
        raise ArithmeticError("a linear program that always has a solution was left without one")
    return solution.x


def _missing(shares: FloatArray, rps: FloatArray) -> FloatArray:
    """Share of each bucket that nobody serves, shape (B,); cleans `shares`, shape (B, V), of rounding."""
    shares[shares < NOTHING] = 0.0
    total = shares.sum(axis=1)
    missing = np.maximum(1.0 - total, 0.0)
    whole = (missing < 10 * NOTHING) | ((missing < NOTICED) & (missing * rps <= TRAFFIC_RPS))
    shares[whole] /= total[whole, None]
    return np.where(whole, 0.0, missing)


def plan_of(model: ModelDemand, replicas: tuple[int, ...], traffic: Traffic, shares: FloatArray) -> ModelPlan:
    """The plan in which replicas get these shares of the buckets with traffic, shape (B, V)."""
    routing = np.zeros((len(replicas), model.demand_rps.size))
    routing[:, traffic.bucket] = shares.T
    load = (shares * np.where(np.isfinite(traffic.load), traffic.load, 0.0)).sum(axis=0)
    utilization = np.minimum(load / np.maximum(replicas, 1), 1.0)
    return ModelPlan(replicas, routing.reshape(-1, *model.demand_rps.shape), utilization)
